"""What progress shows and counts, with standard error as a terminal of this process."""

import contextlib
import io
import itertools
import math
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import lrrange
from lrrange.report import progress as bars
from lrrange.report.displays import State
from lrrange.sweep.pace import plan_to_begin_with
from tests.core.side_by_side import SideBySide
from tests.core.strategies import Landscape
from tests.core.training import OwnLoop, SeededLoop

SHORT = {"num_steps": 60, "confirm": True, "confirm_steps": 120, "paired": False}

# Steps of a sweep of the default rates, as far as is known before the first of them.
BEGUN = plan_to_begin_with(1e-7, 10.0).num_steps

# A loss that moves late in a sweep of these rates, and is back near its start at the last one.
LATE = Landscape(fall=-1.0, decades=0.5, blow_up=0.8, noise=0.02)


class Terminal(io.StringIO):
    """A terminal that keeps everything that is drawn."""

    def isatty(self):
        return True

    @property
    def frames(self):
        """The text of each state of the bar, and of each line above it."""
        text = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", self.getvalue())
        return [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]


@pytest.fixture
def terminal(monkeypatch, request):
    """Standard error as a terminal of 120 columns on which every step is drawn."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(bars, "_REFRESH_SECONDS", 0.0)
    stderr, test = Terminal(), request.node.obj

    def redirected(**arguments):
        with contextlib.redirect_stderr(stderr):
            test(**arguments)

    # Around the test itself, because pytest sets its own stream again after the fixtures.
    monkeypatch.setattr(request.node, "obj", redirected)
    return stderr


class Loop:
    """A training with the given loss at each step."""

    proves_rate = True

    def __init__(self, loss=lambda step: 1.0 / step):
        self.loss, self.steps = loss, 0

    def step(self, lr):
        self.steps += 1
        return self.loss(self.steps)

    def snapshot(self):
        return self.steps

    def restore(self, state):
        self.steps = state


def counts(frame):
    return tuple(map(int, re.search(r"(\d+)/(\d+)", frame).groups()))


def stages(terminal):
    """Return what the bar says it is doing, each once, in order."""
    names = [re.split(r" [━╸╺]|  +\d+/| \d+/\d+ ", frame)[0].strip() for frame in terminal.frames]
    return list(dict.fromkeys(names))


def test_the_bar_shows_step_rate_and_loss_and_ends_with_why_the_sweep_ended(terminal):
    seen = []

    class Watcher:
        @lrrange.hookimpl
        def lrrange_advanced(self, point):
            seen.append(point)

    lrrange.find_lr(Loop(), num_steps=12, watchers=[Watcher()], paired=False)
    assert len(seen) == 12
    *_, last, end = terminal.frames
    assert last.startswith("sweep ")
    assert "12/12" in last
    assert "lr 1.00e+01" in last
    assert f"loss {seen[-1].smoothed:.4g}" in last
    assert end.startswith("completed ")
    assert "12/12" in end
    assert "lr " not in end  # which could be taken for the answer


def test_a_sweep_that_stops_early_says_so_and_keeps_its_count(terminal):
    result = lrrange.find_lr(Loop(lambda step: math.nan if step > 4 else 1.0), num_steps=12)
    assert result.stop_reason is lrrange.StopReason.NON_FINITE
    assert terminal.frames[-1].startswith("non finite ")
    assert "7/12" in terminal.frames[-1]
    assert any("loss nan" in frame for frame in terminal.frames)


def totals(terminal):
    """Return the totals that the bar shows, each as often as it changes."""
    return [total for total, _ in itertools.groupby(counts(frame)[1] for frame in terminal.frames)]


def test_a_sweep_grows_when_its_loss_moves_and_when_it_goes_on_upward(terminal):
    result = lrrange.find_lr(SeededLoop(Landscape(fall=0.5, blow_up=9)), paired=False)
    begun, moving, further = totals(terminal)
    assert begun == BEGUN < moving < further == result.plan.num_steps
    assert result.plan.end_lr == 1000


@pytest.mark.parametrize("parallel", ["off", "vmap"])
def test_repeats_of_a_sweep_that_has_grown_are_expected_to_be_as_long(terminal, parallel):
    options = {"repeats": 2, **SHORT, "num_steps": None}
    one, other = lrrange.grid(lambda size: SideBySide(LATE), {"size": [1, 2]}, parallel=parallel, **options)
    planned = other.result.plan.num_steps
    assert planned == len(other.result.curve) > BEGUN
    second = [frame.removeprefix("2/2 ") for frame in terminal.frames if "2/2 size=2: sweep 2 of 2" in frame]
    assert {counts(frame)[1] for frame in second} == {one.result.provenance.steps_run + 2 * planned + 120}


def test_a_sweep_from_lower_rates_is_named_and_counted(terminal):
    result = lrrange.find_lr(SeededLoop(Landscape(fall=-11.0, blow_up=-7.0)), paired=False)
    assert result.plan.start_lr < 1e-7
    assert "sweep, from lower rates" in stages(terminal)
    assert counts(terminal.frames[-1]) == (result.provenance.steps_run,) * 2


def test_repeats_and_confirming_runs_are_one_bar_that_ends_full(terminal):
    class WithoutUpdates(SeededLoop):
        def forward(self):
            return self.loss(1e-9)

    result = lrrange.find_lr(WithoutUpdates(), repeats=3, **{**SHORT, "paired": True})
    names = stages(terminal)
    assert names[:3] == ["sweep 1 of 3", "sweep 2 of 3", "sweep 3 of 3"]
    assert names[3:6] == ["pair sweep 1 of 3", "pair sweep 2 of 3", "pair sweep 3 of 3"]
    trials = [f"confirm {trial.lr:.1e}" for trial in result.confirmation.trials]
    assert sorted(names[6:-1]) == sorted(trials)
    assert names[-1] == "done"
    done = [counts(frame)[0] for frame in terminal.frames]
    assert done == sorted(done)
    steps = result.provenance.steps_run + result.provenance.details["forward_passes"]
    assert counts(terminal.frames[-1]) == (steps, steps)
    assert all(done <= total for done, total in map(counts, terminal.frames))


def test_the_probe_of_the_rate_is_named(terminal):
    class Unproved(SeededLoop):
        proves_rate = False

    lrrange.find_lr(Unproved(), paired=False)
    assert stages(terminal) == ["sweep", "check the rate", "done"]


def test_runs_side_by_side_are_counted_together(terminal):
    loop = SideBySide()
    result = lrrange.find_lr(loop, repeats=3, parallel="vmap", **SHORT)
    assert loop.taken[:2] == [2, 2]
    assert stages(terminal)[:2] == ["sweep 1 of 3", "2 runs side by side"]
    assert counts(terminal.frames[-1]) == (result.provenance.steps_run,) * 2


def test_runs_that_are_not_taken_side_by_side_after_all_are_counted_once(terminal):
    result = lrrange.find_lr(SideBySide(given_up="slower"), num_steps=60, repeats=3, parallel="vmap", paired=False)
    given_up = terminal.frames
    assert stages(terminal) == ["sweep 1 of 3", "sweep 2 of 3", "sweep 3 of 3", "done"]
    assert counts(given_up[-1]) == (result.provenance.steps_run,) * 2
    terminal.truncate(terminal.seek(0))
    lrrange.find_lr(SideBySide(), num_steps=60, repeats=3, parallel="off", paired=False)
    assert list(map(counts, given_up)) == list(map(counts, terminal.frames))


@pytest.mark.parametrize("parallel", ["off", "vmap"])
def test_a_grid_is_one_bar_that_names_the_cell(terminal, parallel):
    make = SideBySide if parallel == "vmap" else SeededLoop
    cells = lrrange.grid(lambda decay: make(), {"decay": [0, 0.1, 0.2]}, parallel=parallel, **SHORT)
    names = stages(terminal)
    assert names[-1] == "done"
    if parallel == "off":
        assert names[0] == "1/3 decay=0: sweep"
        assert "3/3 decay=0.2: sweep" in names
    else:
        assert names[0] == "3 settings side by side"
    assert any(re.fullmatch(r"2/3 decay=0.1: (confirm .*|3 runs side by side)", name) for name in names)
    steps = sum(cell.result.provenance.steps_run for cell in cells)
    assert counts(terminal.frames[-1].removeprefix("done")) == (steps, steps)
    if parallel == "off":  # the other cells are expected to take as long as this one
        assert terminal.frames[0].count(f"/{3 * (60 + 120)}") == 1


def test_with_an_executor_the_cells_of_a_grid_are_counted(terminal):
    with ThreadPoolExecutor(2) as pool:
        lrrange.grid(lambda size: SeededLoop(), {"size": [1, 2, 3]}, executor=pool)
    assert [counts(frame) for frame in terminal.frames] == [(0, 3), (1, 3), (2, 3), (3, 3), (3, 3)]


def test_a_comparison_is_one_bar_that_names_policy_and_seed(terminal):
    lrrange.compare(lambda seed: SeededLoop(), ["found", 0.01], steps=30, repeats=2)
    assert [name for name in stages(terminal) if "range test" not in name] == [
        "1/4 found, seed 0",
        "2/4 0.01, seed 0",
        "3/4 found, seed 1",
        "4/4 0.01, seed 1",
        "done",
    ]
    assert "range test: sweep" in stages(terminal)
    assert terminal.frames[0].count(f"/{BEGUN + 4 * 30}") == 1
    assert len(set(counts(terminal.frames[-1]))) == 1


def test_with_an_executor_the_runs_of_a_comparison_are_counted_as_they_end(terminal):
    with ThreadPoolExecutor(2) as pool:
        lrrange.compare(lambda seed: SeededLoop(), [0.02, 0.01], steps=30, repeats=2, executor=pool)
    assert [counts(frame) for frame in terminal.frames] == [(0, 120), *((n * 30, 120) for n in range(1, 5)), (120, 120)]


@pytest.mark.parametrize(
    ("error", "word"), [(MemoryError("on purpose"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_after_an_error_or_ctrl_c_the_bar_is_over_and_says_so(terminal, error, word):
    def loss(step):
        if step == 5:
            raise error
        return 1.0

    before = (sys.stdout, sys.stderr)
    with pytest.raises(type(error)):
        lrrange.find_lr(Loop(loss), num_steps=12)
    assert (sys.stdout, sys.stderr) == before
    assert terminal.frames[-1].startswith(word)
    assert "4/12" in terminal.frames[-1]
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1  # hidden, and shown
    assert terminal.getvalue().rstrip("\x1b[?25h").endswith("\n")


def test_the_bar_of_an_interrupted_call_counts_all_that_was_left(terminal):
    def loss(step):
        if step == 5:
            raise KeyboardInterrupt
        return 1.0 / step

    loop = Loop(loss)
    loop.seed = lambda value: None
    with pytest.raises(KeyboardInterrupt):
        lrrange.find_lr(loop, num_steps=12, repeats=3, paired=False)
    assert counts(terminal.frames[-1])[1] == counts(terminal.frames[0])[1]


@pytest.mark.parametrize("make", [SeededLoop, OwnLoop])
@pytest.mark.parametrize("progress", [None, True])
def test_the_bar_changes_nothing(terminal, make, progress):
    with_bar = lrrange.find_lr(make(), progress=progress, **SHORT)
    drawn = len(terminal.frames)
    without = lrrange.find_lr(make(), progress=False, **SHORT)
    assert drawn == len(terminal.frames) > 100
    assert (with_bar.curve, with_bar.confirmation) == (without.curve, without.confirmation)


def test_the_bar_runs_no_thread_that_a_forked_worker_would_inherit(terminal):
    before, threads = threading.active_count(), []
    lrrange.find_lr(Loop(lambda step: threads.append(threading.active_count()) or 1.0 / step), num_steps=12)
    assert terminal.frames
    assert set(threads) == {before}


def test_what_training_prints_to_a_pipe_stays_there_and_what_it_writes_to_the_terminal_is_above_the_bar(
    terminal, capsys
):
    def loss(step):
        sys.stdout.write(f"epoch {step}\n")
        sys.stderr.write(f"warning {step}\n")
        return 1.0 / step

    lrrange.find_lr(Loop(loss), num_steps=12, paired=False)
    assert [line for line in capsys.readouterr().out.splitlines() if "epoch" in line] == [
        f"epoch {n}" for n in range(1, 13)
    ]
    assert "epoch" not in terminal.getvalue()
    assert [frame for frame in terminal.frames if "warning" in frame] == [f"warning {n}" for n in range(1, 13)]


def test_a_terminal_that_is_gone_ends_the_bar_and_not_the_training(terminal, monkeypatch):
    def write(text):
        raise BrokenPipeError

    def loss(step):
        if step == 5:
            monkeypatch.setattr(terminal, "write", write)
        return 1.0 / step

    assert len(lrrange.find_lr(Loop(loss), num_steps=12, paired=False).curve) == 12


@pytest.mark.parametrize("width", [20, 30, 40, 50, 60, 70, 80, 120])
@pytest.mark.parametrize("text", ["sweep", "12/12 batch_size=1024, weight_decay=0.0001: sweep 2 of 3"])
def test_every_line_fits_and_what_matters_least_is_left_out_first(width, text):
    state = State(text=text, done=230, total=1200, clock="1:02 left", rate="lr 1.20e-03", loss=f"loss {2.314:<9}")
    shown, bar, behind = state.columns(width)
    assert len(shown) + bar + len(behind) + 1 + bool(bar) <= width
    assert " 230/1200" in behind
    kept = [part in behind for part in ("1:02 left", "lr 1.20e-03", "loss 2.314")]
    assert kept == sorted(kept, reverse=True)
    assert bar >= 8 or not any(kept[1:])
    assert shown == text or (width < 80 and shown[:3] == text[:3] and shown[-3:] == text[-3:])


def test_no_color_is_respected(terminal, monkeypatch):
    lrrange.find_lr(Loop(), num_steps=12)
    assert re.search(r"\x1b\[[0-9;]*m", terminal.getvalue())
    terminal.truncate(0)
    monkeypatch.setenv("NO_COLOR", "1")
    lrrange.find_lr(Loop(), num_steps=12)
    assert "12/12" in terminal.getvalue()
    assert not re.search(r"\x1b\[[0-9;]*m", terminal.getvalue())


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_dumb_terminal_is_none(terminal, monkeypatch, term):
    monkeypatch.setenv("TERM", term)
    lrrange.find_lr(Loop(), num_steps=12)
    assert terminal.getvalue() == ""
    lrrange.find_lr(Loop(), num_steps=12, progress=True)
    assert len(terminal.getvalue().splitlines()) == 2
    assert "\x1b" not in terminal.getvalue()


def test_a_process_that_is_not_the_first_shows_nothing(terminal, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    lrrange.find_lr(Loop(), num_steps=12, progress=True)
    lrrange.grid(lambda size: Loop(), {"size": [1]}, num_steps=12, progress=True)
    lrrange.compare(lambda seed: SeededLoop(), [0.1, 0.2], steps=12, progress=True)
    assert terminal.getvalue() == ""
