"""Runs taken side by side where a backend offers it, and one after another where it does not."""

import pytest

import lrrange
from lrrange import StopReason, Suggestion
from lrrange.errors import OptionError, RestoreFailed, TargetError
from lrrange.finder.together import check_parallel
from tests.core.side_by_side import SideBySide
from tests.core.training import Loop, OwnLoop, SeededLoop, SeededOwnLoop

SETTINGS = {"num_steps": 20, "start_lr": 1e-4, "end_lr": 0.3, "heuristic": lambda _: Suggestion(heuristic="f", lr=0.01)}


class Heard:
    """What watchers are told; raises where it is told `refuses` for the n-th time."""

    def __init__(self, refuses=None, at=1):
        self.log, self.refuses, self.at = [], refuses, at

    def hear(self, what):
        self.log.append(what)
        if what == self.refuses and self.log.count(what) == self.at:
            raise LookupError(f"{what} refused")

    @lrrange.hookimpl
    def lrrange_started(self):
        self.hear("started")

    @lrrange.hookimpl
    def lrrange_advanced(self):
        self.hear("advanced")

    @lrrange.hookimpl
    def lrrange_finished(self):
        self.hear("finished")


def find(target, parallel="vmap", **options):
    return lrrange.find_lr(target, parallel=parallel, **{**SETTINGS, "repeats": 3, **options})


def ways(result):
    return result.provenance.details["parallel"]


def numbers(result):
    return result.sweeps, result.confirmation, result.stop_reason, result.provenance.steps_run


# -- together ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("confirm", [False, True])
def test_runs_taken_together_are_those_taken_one_by_one(seed, confirm):
    target = SideBySide()
    off = find(SideBySide(), "off", seed=seed, confirm=confirm, confirm_steps=90)
    together = find(target, seed=seed, confirm=confirm, confirm_steps=90, verify_restore=True)
    assert numbers(together) == numbers(off)
    assert target.taken == ([2, 5, 2] if confirm else [2])
    assert ways(together) == [f"{count} runs together" for count in target.taken]


def test_a_reset_is_passed_on_to_each_run():
    calls = []
    find(SideBySide(), reset=lambda: calls.append("reset"))
    assert calls == ["reset"] * 2


def test_all_runs_are_announced_before_the_first_loss_and_ended_after_the_last():
    heard = Heard()
    find(SideBySide(), watchers=[heard])
    alone, together = heard.log[:22], heard.log[22:]
    assert alone == ["started", *["advanced"] * 20, "finished"]
    assert together == [*["started"] * 2, *["advanced"] * 40, *["finished"] * 2]


def test_trials_are_announced_to_nobody():
    heard = Heard()
    find(SideBySide(), repeats=1, confirm=True, confirm_steps=90, watchers=[heard])
    assert len(heard.log) == 22


# -- one by one --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("parallel", "measure"), [("auto", True), ("vmap", False)])
def test_the_backend_is_asked_whether_it_can_and_in_auto_whether_it_pays(parallel, measure):
    target = SideBySide()
    find(target, parallel, confirm=True, confirm_steps=90)
    assert target.asked == [(2, measure), (5, measure), (2, measure)]


def test_runs_are_taken_one_after_another_by_default():
    target = SideBySide()
    result = lrrange.find_lr(target, repeats=3, **SETTINGS)
    assert target.asked == []
    assert "parallel" not in result.provenance.details


def test_one_run_has_no_others_to_be_taken_with():
    target = SideBySide()
    lrrange.find_lr(target, repeats=2, parallel="auto", **SETTINGS)
    assert target.asked == []  # one sweep, and one more
    lrrange.find_lr(target, repeats=3, parallel="auto", **SETTINGS)
    assert target.asked == [(2, True)]


@pytest.mark.parametrize("why", [{"reason": "it is Monday"}, {"given_up": "it is Monday"}])
def test_a_reason_against_it_is_noted_and_the_runs_are_told_of_once(why):
    alone, heard = Heard(), Heard()
    off = find(SideBySide(), "off", watchers=[alone])
    other = find(SideBySide(**why), watchers=[heard], verify_restore=True)
    assert ways(other) == ["2 runs one by one: it is Monday"]
    assert numbers(other) == numbers(off)
    assert heard.log == alone.log


@pytest.mark.parametrize("kind", [SeededLoop, SeededOwnLoop])
def test_a_backend_that_offers_nothing_of_the_kind_is_named(kind):
    result = find(kind())
    assert ways(result) == [f"2 runs one by one: a {kind.__name__} takes one at a time"]
    assert numbers(result) == numbers(find(kind(), "off"))


def test_nothing_is_asked_and_nothing_noted_where_it_is_off():
    target = SideBySide()
    result = find(target, "off", confirm=True, confirm_steps=90)
    assert target.asked == target.taken == []
    assert "parallel" not in result.provenance.details


@pytest.mark.parametrize("parallel", ["on", "Auto", None, True, 0, ["vmap"]])
def test_an_unknown_way_is_refused_with_those_there_are(parallel):
    target = SideBySide()
    with pytest.raises(OptionError, match="is none of 'auto', 'vmap', 'off'"):
        check_parallel(parallel)
    with pytest.raises(OptionError, match="is none of 'auto', 'vmap', 'off'"):
        find(target, parallel)
    with pytest.raises(OptionError, match="is none of 'auto', 'vmap', 'off'"):
        lrrange.grid(lambda x: pytest.fail("made"), {"x": [1, 2]}, parallel=parallel)
    assert target.log == []


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_backend_that_leaves_something_behind_is_found_out():
    with pytest.raises(RestoreFailed, match="weights is not as it was"):
        find(SideBySide(leaves=1e-9), verify_restore=True)


def test_and_also_where_its_runs_end_with_an_error():
    with pytest.raises(RestoreFailed) as raised:
        find(SideBySide(leaves=1e-9, fails=7), verify_restore=True)
    assert isinstance(raised.value.__cause__, ArithmeticError)


def test_an_error_passes_through_and_every_run_that_was_announced_is_ended():
    heard, target = Heard(), SideBySide(fails=7)
    before = target.state
    with pytest.raises(ArithmeticError, match="in a round"):
        find(target, watchers=[heard], verify_restore=True)
    assert heard.log[22:] == [*["started"] * 2, *["advanced"] * 14, *["finished"] * 2]
    assert target.state == before


def test_a_watcher_that_raises_at_that_end_adds_a_note_and_hides_nothing():
    heard = Heard("finished", at=2)
    with pytest.raises(ArithmeticError, match="in a round") as raised:
        find(SideBySide(fails=7), watchers=[heard])
    assert raised.value.__notes__ == ["A watcher then raised in lrrange_finished: LookupError: finished refused"]
    assert heard.log.count("finished") == 3


# The third start is that of the second run of the two; the second end that of the first.
@pytest.mark.parametrize(
    ("hook", "at"), [("started", 2), ("started", 3), ("advanced", 35), ("finished", 2), ("finished", 3)]
)
def test_a_watcher_that_raises_ends_them_all_and_hears_of_each_end(hook, at):
    heard, target = Heard(hook, at), SideBySide()
    before = target.state
    with pytest.raises(LookupError, match=f"{hook} refused"):
        find(target, watchers=[heard], verify_restore=True)
    assert heard.log.count("finished") == heard.log.count("started")
    assert target.state == before


def test_a_backend_that_stops_without_saying_why_is_named():
    with pytest.raises(TargetError, match="the SideBySide ended its training after 5 of 20 steps"):
        find(SideBySide(stops=5))


# -- grids -------------------------------------------------------------------------------------------------------------


class Cells:
    """A factory that remembers what it made. All but the first cell have the options."""

    def __init__(self, kind=SideBySide, **options):
        self.kind, self.options, self.made = kind, options, []

    def __call__(self, x):
        self.made.append(self.kind(**self.options) if x > 1 else self.kind())
        return self.made[-1]


def grid(make, parallel="vmap", values=(1, 2, 3), **options):
    return lrrange.grid(make, {"x": values}, parallel=parallel, **{**SETTINGS, **options})


def test_the_first_sweeps_of_all_cells_are_taken_together_and_each_is_made_once():
    cells = Cells()
    off, together = grid(Cells(), "off"), grid(cells, verify_restore=True)
    assert [numbers(cell.result) for cell in together.cells] == [numbers(cell.result) for cell in off.cells]
    assert [cell.result.curve for cell in together.cells] == [cell.result.curve for cell in off.cells]
    assert [ways(cell.result) for cell in together.cells] == [["3 runs together"]] * 3
    assert len(cells.made) == 3
    assert cells.made[0].taken == [3]


def test_what_follows_in_each_cell_is_taken_in_its_turn():
    cells = Cells()
    off, together = (grid(make, way, repeats=3) for make, way in ((Cells(), "off"), (cells, "vmap")))
    assert [numbers(cell.result) for cell in together.cells] == [numbers(cell.result) for cell in off.cells]
    assert ways(together[1].result) == ["3 runs together", "2 runs together"]
    assert [made.taken for made in cells.made] == [[3, 2], [2], [2]]


def test_cells_end_each_for_its_own_reason():
    class Short(SideBySide):
        def loss(self, lr):
            return 1e9 if lr > 0.01 else super().loss(lr)

    kinds = iter([SideBySide, Short] * 2)
    off, together = grid(lambda x: next(kinds)(), "off", (1, 2)), grid(lambda x: next(kinds)(), "vmap", (1, 2))
    reasons = [cell.result.stop_reason for cell in together.cells]
    assert reasons == [cell.result.stop_reason for cell in off.cells] == [StopReason.COMPLETED, StopReason.DIVERGED]


def test_a_reason_in_a_later_cell_is_noted_in_every_one_and_all_begin_anew():
    cells = Cells(reason="it is Monday")  # which the first cell is without
    off, other = grid(Cells(), "off"), grid(cells)
    assert [ways(cell.result) for cell in other.cells] == [["3 runs one by one: it is Monday"]] * 3
    assert [cell.result.curve for cell in other.cells] == [cell.result.curve for cell in off.cells]
    assert len(cells.made) == 2 + 3


def test_a_reason_that_shows_when_it_is_tried_is_noted_as_well():
    def make(x):
        return SideBySide(given_up="it is Monday")

    off, other = grid(make, "off"), grid(make)
    assert [ways(cell.result) for cell in other.cells] == [["3 runs one by one: it is Monday"]] * 3
    assert [cell.result.curve for cell in other.cells] == [cell.result.curve for cell in off.cells]


def test_one_that_was_only_asked_is_not_made_anew():
    cells = Cells(Loop)
    result = grid(cells)
    assert len(cells.made) == 3
    assert [ways(cell.result) for cell in result.cells] == [["3 runs one by one: a Loop takes one at a time"]] * 3


def test_a_cell_alone_is_not_asked():
    cells = Cells()
    result = grid(cells, values=(1,))
    assert cells.made[0].asked == []
    assert "parallel" not in result[0].result.provenance.details


def test_a_backend_that_leaves_something_behind_in_one_cell_is_found_out():
    class Leaving(SideBySide):
        def restore(self, state):
            super().restore(state)
            self.weights += 1e-9

    kinds = iter([SideBySide, SideBySide, Leaving])
    with pytest.raises(RestoreFailed, match="The Leaving does not put it back"):
        grid(lambda x: next(kinds)(), verify_restore=True)


@pytest.mark.parametrize("parallel", ["off", "vmap", "auto"])
def test_what_make_raises_passes_through(parallel):
    def make(x):
        if x == 2:
            raise ZeroDivisionError("in make")
        return SideBySide()

    with pytest.raises(ZeroDivisionError, match="in make"):
        grid(make, parallel)


@pytest.mark.parametrize("parallel", ["off", "vmap"])
def test_a_driver_in_a_grid_takes_one_at_a_time(parallel):
    result = grid(Cells(OwnLoop), parallel)
    assert [len(cell.result.curve) for cell in result.cells] == [20] * 3
