"""Runs taken side by side if the backend supports it, and one after another if not."""

import pytest

import lrrange
from lrrange import StopReason, Suggestion
from lrrange.errors import OptionError, RestoreFailed, TargetError
from lrrange.finder.together import check_parallel
from tests.core.side_by_side import SideBySide, Twin
from tests.core.training import Loop, OwnLoop, SeededLoop, SeededOwnLoop

SETTINGS = {"num_steps": 20, "start_lr": 1e-4, "end_lr": 0.3, "heuristic": lambda _: Suggestion(heuristic="f", lr=0.01)}


class Watcher:
    """A watcher that logs which hooks are called.

    Args:
        fails: the hook that raises an error; None for none.
        at: number of the call at which it does.
    """

    def __init__(self, fails=None, at=1):
        self.log, self.fails, self.at = [], fails, at

    def record(self, hook):
        self.log.append(hook)
        if hook == self.fails and self.log.count(hook) == self.at:
            raise LookupError(f"{hook} refused")

    @lrrange.hookimpl
    def lrrange_started(self):
        self.record("started")

    @lrrange.hookimpl
    def lrrange_advanced(self):
        self.record("advanced")

    @lrrange.hookimpl
    def lrrange_finished(self):
        self.record("finished")


def find(target, parallel="vmap", **options):
    return lrrange.find_lr(target, parallel=parallel, **{**SETTINGS, "repeats": 3, **options})


def how_taken(result):
    return result.provenance.details["parallel"]


def numbers(result):
    return result.sweeps, result.confirmation, result.stop_reason, result.provenance.steps_run


# -- together ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("confirm", [False, True])
def test_runs_give_the_same_results_side_by_side_and_one_after_another(seed, confirm):
    target = SideBySide()
    off = find(SideBySide(), "off", seed=seed, confirm=confirm, confirm_steps=90)
    together = find(target, seed=seed, confirm=confirm, confirm_steps=90, verify_restore=True)
    assert numbers(together) == numbers(off)
    assert target.taken == ([2, 2] if confirm else [2])
    assert how_taken(together) == [f"{count} runs together" for count in target.taken]


def test_a_reset_is_called_for_each_run():
    calls = []
    find(SideBySide(), reset=lambda: calls.append("reset"))
    assert calls == ["reset"] * 2


def test_watchers_see_all_runs_start_before_the_first_loss_and_finish_after_the_last():
    watcher = Watcher()
    find(SideBySide(), watchers=[watcher])
    alone, together = watcher.log[:22], watcher.log[22:]
    assert alone == ["started", *["advanced"] * 20, "finished"]
    assert together == [*["started"] * 2, *["advanced"] * 40, *["finished"] * 2]


def test_watchers_are_not_called_for_trials():
    watcher = Watcher()
    find(SideBySide(), repeats=1, confirm=True, confirm_steps=90, watchers=[watcher])
    assert len(watcher.log) == 22


# -- one by one --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("parallel", "measure"), [("auto", True), ("vmap", False)])
def test_the_backend_decides_whether_it_can_and_in_auto_whether_it_pays(parallel, measure):
    target = SideBySide()
    find(target, parallel, confirm=True, confirm_steps=90)
    assert target.asked == [(2, measure)] * 2


def test_runs_are_taken_one_after_another_by_default():
    target = SideBySide()
    result = lrrange.find_lr(target, repeats=3, **SETTINGS)
    assert target.asked == []
    assert "parallel" not in result.provenance.details


def test_a_single_run_is_not_taken_side_by_side():
    target = SideBySide()
    lrrange.find_lr(target, repeats=2, parallel="auto", **SETTINGS)
    assert target.asked == []  # one sweep, and one more
    lrrange.find_lr(target, repeats=3, parallel="auto", **SETTINGS)
    assert target.asked == [(2, True)]


@pytest.mark.parametrize("why", [{"reason": "it is Monday"}, {"given_up": "it is Monday"}])
def test_a_reason_against_it_is_noted_and_watchers_are_called_once_for_each_run(why):
    watcher_of_off, watcher = Watcher(), Watcher()
    off = find(SideBySide(), "off", watchers=[watcher_of_off])
    other = find(SideBySide(**why), watchers=[watcher], verify_restore=True)
    assert how_taken(other) == ["2 runs one by one: it is Monday"]
    assert numbers(other) == numbers(off)
    assert watcher.log == watcher_of_off.log


@pytest.mark.parametrize("kind", [SeededLoop, SeededOwnLoop])
def test_a_backend_without_this_ability_is_named(kind):
    result = find(kind())
    assert how_taken(result) == [f"2 runs one by one: a {kind.__name__} takes one run at a time"]
    assert numbers(result) == numbers(find(kind(), "off"))


def test_off_neither_calls_the_backend_nor_notes_anything():
    target = SideBySide()
    result = find(target, "off", confirm=True, confirm_steps=90)
    assert target.asked == target.taken == []
    assert "parallel" not in result.provenance.details


@pytest.mark.parametrize("parallel", ["on", "Auto", None, True, 0, ["vmap"]])
def test_an_unknown_value_of_parallel_is_refused_and_the_known_ones_are_listed(parallel):
    target = SideBySide()
    with pytest.raises(OptionError, match="is none of 'auto', 'vmap', 'off'"):
        check_parallel(parallel)
    with pytest.raises(OptionError, match="is none of 'auto', 'vmap', 'off'"):
        find(target, parallel)
    with pytest.raises(OptionError, match="is none of 'auto', 'vmap', 'off'"):
        lrrange.grid(lambda x: pytest.fail("made"), {"x": [1, 2]}, parallel=parallel)
    assert target.log == []


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_backend_that_does_not_restore_everything_raises_restore_failed():
    with pytest.raises(RestoreFailed, match="weights is not as it was"):
        find(SideBySide(leaves=1e-9), verify_restore=True)


def test_a_failed_restore_after_an_error_has_that_error_as_its_cause():
    with pytest.raises(RestoreFailed) as raised:
        find(SideBySide(leaves=1e-9, fails=7), verify_restore=True)
    assert isinstance(raised.value.__cause__, ArithmeticError)


def test_an_error_passes_through_and_watchers_see_every_started_run_finish():
    watcher, target = Watcher(), SideBySide(fails=7)
    before = target.state
    with pytest.raises(ArithmeticError, match="in a round"):
        find(target, watchers=[watcher], verify_restore=True)
    assert watcher.log[22:] == [*["started"] * 2, *["advanced"] * 14, *["finished"] * 2]
    assert target.state == before


def test_an_error_of_a_watcher_after_another_error_is_added_as_a_note_to_that_error():
    watcher = Watcher("finished", at=2)
    with pytest.raises(ArithmeticError, match="in a round") as raised:
        find(SideBySide(fails=7), watchers=[watcher])
    assert raised.value.__notes__ == ["A watcher then raised in lrrange_finished: LookupError: finished refused"]
    assert watcher.log.count("finished") == 3


class Preparing(SideBySide):
    """A training that is changed before the first step of several runs, as one that is put into training mode."""

    def replica(self, sweep, seed, reset):
        return PreparingTwin(self, sweep, seed, reset)


class PreparingTwin(Twin):
    def together(self, others, measure, begin):
        def prepare_and_begin():
            self.loop.weights = 1.0
            begin()

        return super().together(others, measure, prepare_and_begin)


@pytest.mark.parametrize("at", [2, 3])
def test_everything_is_restored_when_watchers_are_called_after_one_that_refused_the_start(at):
    class Refusing(Watcher):
        @lrrange.hookimpl
        def lrrange_finished(self, sweep):
            weights.append(target.weights)
            self.record("finished")

    weights, target = [], Preparing()
    with pytest.raises(LookupError, match="started refused"):
        find(target, watchers=[Refusing("started", at)])
    assert weights == [0.0] * at


# The first run is alone, and the other two are side by side: the third start is in the second of these two, and the
# second end in the first of them.
@pytest.mark.parametrize(
    ("hook", "at"), [("started", 2), ("started", 3), ("advanced", 35), ("finished", 2), ("finished", 3)]
)
def test_an_error_of_a_watcher_ends_all_runs_and_every_started_run_is_finished(hook, at):
    watcher, target = Watcher(hook, at), SideBySide()
    before = target.state
    with pytest.raises(LookupError, match=f"{hook} refused"):
        find(target, watchers=[watcher], verify_restore=True)
    assert watcher.log.count("finished") == watcher.log.count("started")
    assert target.state == before


def test_a_backend_that_stops_without_a_stop_reason_is_named():
    with pytest.raises(TargetError, match="the SideBySide ended its training after 5 of 20 steps"):
        find(SideBySide(stops=5))


# -- grids -------------------------------------------------------------------------------------------------------------


class Cells:
    """A factory that remembers the trainings it made. All of them but the first have the options."""

    def __init__(self, kind=SideBySide, **options):
        self.kind, self.options, self.made = kind, options, []

    def __call__(self, x):
        self.made.append(self.kind(**self.options) if x > 1 else self.kind())
        return self.made[-1]


def grid(make, parallel="vmap", values=(1, 2, 3), **options):
    return lrrange.grid(make, {"x": values}, parallel=parallel, **{**SETTINGS, **options})


def test_the_first_sweeps_of_all_cells_are_taken_side_by_side_and_each_cell_is_made_once():
    cells = Cells()
    off, together = grid(Cells(), "off"), grid(cells, verify_restore=True)
    assert [numbers(cell.result) for cell in together.cells] == [numbers(cell.result) for cell in off.cells]
    assert [cell.result.curve for cell in together.cells] == [cell.result.curve for cell in off.cells]
    assert [how_taken(cell.result) for cell in together.cells] == [["3 runs together"]] * 3
    assert len(cells.made) == 3
    assert cells.made[0].taken == [3]


def test_the_repeats_of_each_cell_are_taken_side_by_side_cell_after_cell():
    cells = Cells()
    off, together = (grid(make, parallel, repeats=3) for make, parallel in ((Cells(), "off"), (cells, "vmap")))
    assert [numbers(cell.result) for cell in together.cells] == [numbers(cell.result) for cell in off.cells]
    assert how_taken(together[1].result) == ["3 runs together", "2 runs together"]
    assert [made.taken for made in cells.made] == [[3, 2], [2], [2]]


def test_each_cell_ends_for_its_own_reason():
    class Short(SideBySide):
        def loss(self, lr):
            return 1e9 if lr > 0.01 else super().loss(lr)

    kinds = iter([SideBySide, Short] * 2)
    off, together = grid(lambda x: next(kinds)(), "off", (1, 2)), grid(lambda x: next(kinds)(), "vmap", (1, 2))
    reasons = [cell.result.stop_reason for cell in together.cells]
    assert reasons == [cell.result.stop_reason for cell in off.cells] == [StopReason.COMPLETED, StopReason.DIVERGED]


def test_a_reason_in_a_later_cell_is_noted_in_all_cells_and_all_start_again():
    cells = Cells(reason="it is Monday")  # in all cells but the first
    off, other = grid(Cells(), "off"), grid(cells)
    assert [how_taken(cell.result) for cell in other.cells] == [["3 runs one by one: it is Monday"]] * 3
    assert [cell.result.curve for cell in other.cells] == [cell.result.curve for cell in off.cells]
    assert len(cells.made) == 2 + 3


def test_a_reason_that_only_shows_in_the_attempt_is_noted_too():
    def make(x):
        return SideBySide(given_up="it is Monday")

    off, other = grid(make, "off"), grid(make)
    assert [how_taken(cell.result) for cell in other.cells] == [["3 runs one by one: it is Monday"]] * 3
    assert [cell.result.curve for cell in other.cells] == [cell.result.curve for cell in off.cells]


def test_a_cell_that_took_no_step_is_not_made_again():
    cells = Cells(Loop)
    result = grid(cells)
    assert len(cells.made) == 3
    expected = ["3 runs one by one: a Loop takes one run at a time"]
    assert [how_taken(cell.result) for cell in result.cells] == [expected] * 3


def test_a_single_cell_is_not_taken_side_by_side():
    cells = Cells()
    result = grid(cells, values=(1,))
    assert cells.made[0].asked == []
    assert "parallel" not in result[0].result.provenance.details


def test_a_cell_that_does_not_restore_everything_raises_restore_failed():
    class Leaving(SideBySide):
        def restore(self, state):
            super().restore(state)
            self.weights += 1e-9

    kinds = iter([SideBySide, SideBySide, Leaving])
    with pytest.raises(RestoreFailed, match="The Leaving does not put it back"):
        grid(lambda x: next(kinds)(), verify_restore=True)


@pytest.mark.parametrize("parallel", ["off", "vmap", "auto"])
def test_an_error_of_make_passes_through(parallel):
    def make(x):
        if x == 2:
            raise ZeroDivisionError("in make")
        return SideBySide()

    with pytest.raises(ZeroDivisionError, match="in make"):
        grid(make, parallel)


@pytest.mark.parametrize("parallel", ["off", "vmap"])
def test_a_driver_in_a_grid_takes_one_run_at_a_time(parallel):
    result = grid(Cells(OwnLoop), parallel)
    assert [len(cell.result.curve) for cell in result.cells] == [20] * 3
