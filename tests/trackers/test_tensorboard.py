"""`TensorBoardWatcher`, read back with tensorboard itself."""

import math
import threading

import pytest
from lrrange_trackers import TensorBoardWatcher
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import lrrange
from tests.core.strategies import Landscape
from tests.core.training import Loop
from tests.trackers.training import CONFIRM, Stop, compare, find


def read(folder):
    """Read the event file of a folder, which must be the only one."""
    (file,) = folder.glob("events.out.tfevents.*")
    return EventAccumulator(str(file)).Reload()


def values(events, tag):
    return [event.value for event in events.Scalars(tag)]


def text(events, tag):
    (event,) = events.Tensors(tag)
    return event.tensor_proto.string_val[0].decode()


def near(numbers):
    return pytest.approx(list(numbers), rel=1e-6, nan_ok=True)  # event files hold floats of 32 bits


def test_a_range_test_shows_the_loss_by_step_and_by_rate(tmp_path):
    result = find(TensorBoardWatcher(tmp_path))
    events = read(tmp_path / "range test")
    assert values(events, "range test/loss") == near(result.curve.loss)
    assert values(events, "range test/lr") == near(result.curve.lr)
    assert len(values(events, "range test/smoothed loss")) == len(result.curve)
    by_rate = events.Scalars("range test/loss by lr")
    assert [event.step for event in by_rate] == [round(1000 * math.log10(lr)) for lr in result.curve.lr]
    assert [event.value for event in by_rate] == near(result.curve.loss)
    assert [event.step for event in events.Scalars("range test/loss")] == list(range(len(result.curve)))


def test_the_answer_is_a_text_and_a_picture(tmp_path):
    result = find(TensorBoardWatcher(tmp_path))
    events = read(tmp_path / "range test")
    shown = text(events, "range test/answer")
    base_lr, max_lr = result.range
    assert f"| lr | {result.lr:.3g} |" in shown
    assert f"| base_lr | {base_lr:.3g} |\n| max_lr | {max_lr:.3g} |" in shown
    assert f"| verdict | {result.verdict} |" in shown
    (picture,) = events.Images("range test/curve")
    assert (picture.width, picture.height) == (900, 660)
    assert picture.encoded_image_string.startswith(b"\x89PNG")


def test_a_refusal_is_a_text(tmp_path):
    flat = Landscape(fall=math.inf, blow_up=math.inf)
    result = lrrange.find_lr(Loop(flat), watchers=[TensorBoardWatcher(tmp_path)])
    assert f"| refused | {result.refusal} |" in text(read(tmp_path / "range test"), "range test/answer")


def test_each_trial_and_each_further_sweep_is_a_run_of_its_own(tmp_path):
    result = find(TensorBoardWatcher(tmp_path), **CONFIRM, repeats=2, seed=0)
    folders = sorted(folder.name for folder in (tmp_path / "range test").iterdir() if folder.is_dir())
    trials = [f"trial {trial.lr:.2e}" for trial in result.confirmation.trials]
    assert folders == sorted(["sweep 2", *trials])
    assert values(read(tmp_path / "range test" / "sweep 2"), "range test/loss") == near(result.sweeps[1].loss)
    losses = values(read(tmp_path / "range test" / trials[0]), "trial/loss")
    assert len(losses) == result.confirmation.trials[0].steps


def test_each_policy_and_seed_is_a_run_of_its_own(tmp_path):
    comparison = compare(TensorBoardWatcher(tmp_path))
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["0.1", "one%2Fcycle"]
    for policy, folder in (("0.1", "0.1"), ("one/cycle", "one%2Fcycle")):
        for run in comparison.of(policy):
            events = read(tmp_path / folder / f"seed {run.seed}")
            assert values(events, "comparison/loss") == near(run.losses)
            assert values(events, "comparison/lr") == near(comparison.policy(policy).lr)
            held_out = events.Scalars("comparison/held-out loss")
            assert [(event.step, event.value) for event in held_out] == [
                (checkpoint.step - 1, pytest.approx(checkpoint.loss)) for checkpoint in run.held_out
            ]
            assert f"| final loss | {run.final:.3g} |" in text(events, "comparison/answer")
    assert values(events, "comparison/momentum") == near(comparison.policy("one/cycle").momentum)
    assert "comparison/momentum" not in read(tmp_path / "0.1" / "seed 0").Tags()["scalars"]


def test_what_a_folder_holds_already_is_not_continued(tmp_path):
    for _ in range(3):
        find(TensorBoardWatcher(tmp_path))
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["range test", "range test (2)", "range test (3)"]


def test_the_file_can_be_read_at_every_step_and_no_thread_is_started(tmp_path):
    seen = []

    class Reader:
        @lrrange.hookimpl
        def lrrange_advanced(self, point):
            if point.step in (3, 9):
                seen.append(len(values(read(tmp_path / "range test"), "range test/loss")))
            if point.step == 9:
                assert threading.active_count() == before

    before = threading.active_count()
    find(Reader(), TensorBoardWatcher(tmp_path))
    assert seen == [4, 10]


@pytest.mark.parametrize("error", [RuntimeError("gone"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_a_stopped_sweep_or_run_leaves_a_closed_file_with_the_steps_before_it(tmp_path, error):
    watcher = TensorBoardWatcher(tmp_path)
    with pytest.raises(type(error)):
        find(watcher, Stop(error))
    assert len(values(read(tmp_path / "range test"), "range test/loss")) == 7
    assert watcher._logs == {}  # and pytest turns a file that is left open into an error
    with pytest.raises(type(error)):
        compare(watcher, Stop(error))
    assert len(values(read(tmp_path / "0.1" / "seed 0"), "comparison/loss")) == 7


def test_losses_that_are_not_finite_are_written_as_they_are(tmp_path):
    def step(lr):
        return math.nan if 1e-3 < lr < 2e-3 else 1 / (1 + 100 * lr)

    class Gap(Loop):
        def loss(self, lr):
            return step(lr)

    result = lrrange.find_lr(Gap(), watchers=[TensorBoardWatcher(tmp_path)])
    assert values(read(tmp_path / "range test"), "range test/loss") == near(result.curve.loss)


def test_the_training_is_the_same_with_it(tmp_path, changes_nothing):
    changes_nothing(TensorBoardWatcher(tmp_path))


def test_the_former_import_still_works():
    from lrrange_torch.tensorboard import TensorBoardWatcher as Former

    assert Former is TensorBoardWatcher
