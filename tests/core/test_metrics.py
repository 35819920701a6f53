"""Sweeps that are told a metric: it keeps its own sign and name, and the loss of the same steps stays available."""

import json
import math
from typing import Any

import attrs
import pytest

import lrrange
from lrrange.errors import CurveError, LossError, UnknownName
from lrrange.sweep import Curve, MetricValue, Quantity, Sweep, SweepPlan
from lrrange.sweep.repeats import median_curve
from tests.core.strategies import Landscape

ACCURACY = Quantity(name="accuracy", higher_is_better=True)
ERROR = Quantity(name="error rate")
LANDSCAPE = Landscape(noise=0.02)


class Loop:
    """A training whose accuracy rises where its loss falls, with other noise. It reports either or both."""

    proves_rate = True

    def __init__(self, quantity: Quantity | None = ACCURACY, seed: int = 0, evaluates: bool = False) -> None:
        self.quantity = quantity
        self.rng_seed = seed
        self.taken = 0
        if evaluates:
            self.evaluate = lambda: self.told(1e-2)

    def told(self, lr: float) -> Any:
        loss = LANDSCAPE.at(lr) + LANDSCAPE.drop * 0.02 * math.sin(7919 * (self.taken + self.rng_seed))
        if self.quantity is None:
            return loss
        wrong = min(1.0, 0.4 * LANDSCAPE.at(lr) + 0.01 * math.sin(104729 * (self.taken + 1)))
        value = 1 - wrong if self.quantity.higher_is_better else wrong
        return MetricValue(quantity=self.quantity, value=value, loss=loss)

    def step(self, lr: float) -> Any:
        self.taken += 1
        return self.told(lr)

    def forward(self) -> Any:
        self.taken += 1
        return self.told(1e-9)

    def snapshot(self) -> int:
        return self.taken

    def restore(self, state: int) -> None:
        self.taken = state

    def seed(self, value: int) -> None:
        self.rng_seed = value


def test_a_metric_to_raise_is_kept_in_its_own_sign_and_the_loss_beside_it() -> None:
    result, plain = lrrange.find_lr(Loop()), lrrange.find_lr(Loop(None))
    curve = result.curve
    assert curve.names == ("accuracy", "loss")
    assert curve.quantity == ACCURACY
    assert curve.values[0] == pytest.approx(1 - 0.4 * 2.3, abs=0.02)
    assert max(curve.values) > 0.8
    assert curve.loss == tuple(-value for value in curve.values)
    assert curve.also is not None
    n = min(len(curve), len(plain.curve))
    assert curve.also.loss[:n] == plain.curve.loss[:n]
    assert plain.curve.names == ("loss",)
    assert plain.curve.values == plain.curve.loss


def test_an_answer_is_read_from_the_loss_of_the_same_sweep() -> None:
    target = Loop()
    by_metric = lrrange.find_lr(target)
    by_loss = by_metric.read_from("loss")
    plain = lrrange.find_lr(Loop(None))
    assert by_loss.lr == pytest.approx(plain.lr, rel=0.05)
    assert by_loss.lr != by_metric.lr
    assert by_loss.curve.names == ("loss", "accuracy")
    assert by_loss.read_from("accuracy") == by_metric
    with pytest.raises(UnknownName, match="recorded 'accuracy' and 'loss', and not 'f1'"):
        by_metric.read_from("f1")
    with pytest.raises(UnknownName, match="recorded 'loss', and not 'accuracy'"):
        plain.read_from("accuracy")


def test_the_chosen_heuristic_stays_chosen() -> None:
    result = lrrange.find_lr(Loop(), heuristic="valley").read_from("loss")
    assert result.chosen.heuristic == "valley"

    def middle(curve: Curve) -> float:
        return curve.lr[len(curve) // 2]

    own = lrrange.find_lr(Loop(), heuristic=middle)
    assert own.read_from("loss", {"middle": middle}).lr == own.lr
    with pytest.raises(UnknownName, match="middle"):
        own.read_from("loss")


def test_the_direction_alone_changes_no_answer() -> None:
    higher, lower = lrrange.find_lr(Loop(ACCURACY)), lrrange.find_lr(Loop(ERROR))
    assert lower.curve.values == lower.curve.loss
    assert lower.lr == pytest.approx(higher.lr, rel=1e-9)


def test_repeats_have_the_median_of_both() -> None:
    result = lrrange.find_lr(Loop(), repeats=3, divergence=None)
    assert result.curve.also is not None
    losses = [sweep.also.loss for sweep in result.sweeps if sweep.also is not None]
    assert len(losses) == 3
    assert result.curve.also.loss == tuple(sorted(three)[1] for three in zip(*losses, strict=True))
    by_loss = result.read_from("loss")
    assert [sweep.quantity.name for sweep in by_loss.sweeps] == ["loss"] * 3
    assert by_loss.low < by_loss.lr < by_loss.high


def test_a_median_of_losses_that_are_gaps_has_the_rates_of_its_metric() -> None:
    rates, gap = (0.1, 0.2, 0.3), (1.0, math.nan, 3.0)
    curves = [Curve(lr=rates, loss=(1, 2, 3), quantity=ERROR, also=Curve(lr=rates, loss=gap)) for _ in range(2)]
    curves[0] = Curve(lr=rates[:2], loss=(1, 2), quantity=ERROR, also=Curve(lr=rates[:2], loss=gap[:2]))
    ended = [lrrange.StopReason.NON_FINITE, lrrange.StopReason.COMPLETED]
    median = median_curve(curves, ended, "ema")
    assert median.also is not None
    assert median.also.lr == median.lr
    assert math.isnan(median.also.loss[1])


def test_both_are_paired() -> None:
    result = lrrange.find_lr(Loop(), paired=True)
    for curve in (result.curve, result.read_from("loss").curve):
        assert curve.measured is not None
        assert curve.noise_at[0] < 0.2 * curve.unpaired.noise
    assert result.curve.unpaired.also is not None
    assert result.curve.unpaired.also.measured is None


@pytest.mark.parametrize("evaluates", [False, True])
def test_trials_are_judged_by_the_metric_and_say_so(evaluates: bool) -> None:
    result = lrrange.find_lr(Loop(evaluates=evaluates), confirm=True, confirm_steps=120)
    assert result.confirmation is not None
    assert result.confirmation.held_out is evaluates
    assert result.confirmation.quantity == ACCURACY
    assert all(-1 <= trial.loss < 0 for trial in result.confirmation.trials if trial.loss < math.inf)
    assert result.read_from("loss").confirmation is None


def test_a_held_out_loss_that_judges_a_sweep_of_a_metric_is_called_loss() -> None:
    target = Loop()
    target.evaluate = lambda: 0.25  # type: ignore[method-assign,assignment]
    result = lrrange.find_lr(target, confirm=True, confirm_steps=120)
    assert result.confirmation is not None
    assert result.confirmation.quantity == Quantity(name="loss")


def test_a_saved_result_has_both_and_an_older_file_has_the_loss(tmp_path: Any) -> None:
    path = tmp_path / "result.json"
    result = lrrange.find_lr(Loop(), repeats=2, confirm=True, confirm_steps=120)
    result.save(path)
    assert lrrange.load(path) == result
    assert lrrange.load(path).read_from("loss") == result.read_from("loss")
    document = json.loads(path.read_text())
    assert document["result"]["curve"]["quantity"] == {"name": "accuracy", "higher_is_better": True}
    for curve in (document["result"]["curve"], *document["result"]["sweeps"]):
        del curve["quantity"], curve["also"]
    del document["result"]["confirmation"]["quantity"]
    path.write_text(json.dumps(document | {"schema": 2}))
    assert lrrange.load(path).curve.names == ("loss",)


def test_losses_beside_a_metric_may_be_gaps_and_are_stored_as_such(tmp_path: Any) -> None:
    class Gaps(Loop):
        def told(self, lr: float) -> Any:
            return attrs.evolve(super().told(lr), loss=math.nan if self.taken % 7 == 3 else 0.5)

    result = lrrange.find_lr(Gaps())
    assert result.curve.also is not None
    assert sum(map(math.isnan, result.curve.also.loss)) == sum(i % 7 == 3 for i in range(1, len(result.curve) + 1))
    result.save(tmp_path / "x.json")
    assert lrrange.load(tmp_path / "x.json") == result


def test_a_point_says_all_that_was_recorded() -> None:
    seen: list[lrrange.Point] = []

    class Watcher:
        @lrrange.hookimpl
        def lrrange_advanced(self, point: lrrange.Point) -> None:
            seen.append(point)

    lrrange.find_lr(Loop(), watchers=[Watcher()])
    assert list(seen[0].recorded) == ["accuracy", "loss"]
    assert seen[0].recorded["accuracy"] == -seen[0].loss
    lrrange.find_lr(Loop(None), watchers=[Watcher()])
    assert seen[-1].recorded == {"loss": seen[-1].loss}


def sweep_of(*told: Any) -> Sweep:
    sweep = Sweep(SweepPlan(start_lr=0.1, end_lr=1.0, num_steps=len(told) + 2))
    for value in told:
        sweep.tell(value)
    return sweep


def test_a_metric_without_a_known_loss_is_recorded_alone() -> None:
    sweep = sweep_of(*[MetricValue(quantity=ACCURACY, value=value) for value in (0.1, 0.2)])
    assert sweep.curve.names == ("accuracy",)
    assert sweep.points[0].recorded == {"accuracy": 0.1}


def test_a_metric_that_is_called_loss_leaves_the_training_loss_another_name() -> None:
    sweep = sweep_of(MetricValue(quantity=Quantity(name="loss"), value=1.0, loss=2.0))
    assert sweep.curve.names == ("loss", "training loss")
    assert sweep.points[0].recorded == {"loss": 1.0, "training loss": 2.0}
    assert sweep.curve.of("training loss").loss == (2.0,)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ([MetricValue(quantity=ACCURACY, value=[1, 2])], "returned a list as its accuracy, not one number"),
        ([MetricValue(quantity=ACCURACY, value=None)], "None instead of its accuracy"),
        ([MetricValue(quantity=ACCURACY, value=1.0, loss="low")], "'low', which is text"),
        ([1.0, MetricValue(quantity=ACCURACY, value=1.0)], "returned accuracy after loss in the steps before"),
        ([MetricValue(quantity=ACCURACY, value=1.0), 1.0], "returned loss after accuracy in the steps before"),
    ],
)
def test_what_is_no_metric_or_another_one_is_an_error_and_changes_nothing(told: list[Any], message: str) -> None:
    *good, bad = told
    sweep = sweep_of(*good)
    with pytest.raises(LossError, match=message):
        sweep.tell(bad)
    assert len(sweep.points) == len(good)


def test_a_second_curve_has_the_rates_of_the_first() -> None:
    with pytest.raises(CurveError, match="the curve of loss has 1 rates, which are not the 2 of the curve of accuracy"):
        Curve(lr=(0.1, 0.2), loss=(1, 2), quantity=ACCURACY, also=Curve(lr=(0.1,), loss=(1,)))


def test_a_comparison_of_trainings_with_a_metric_is_judged_by_it_under_its_name() -> None:
    def make_run(seed: int) -> Loop:
        return Loop(seed=seed)

    comparison = lrrange.compare(make_run, policies={"low": 1e-5, "good": 1e-2}, steps=30, repeats=2)
    assert comparison.winner == "good"
    assert comparison.quantity == ACCURACY
    assert comparison.judged_by.startswith("mean training accuracy")
    assert all(run.final < 0 for run in comparison.runs)


class Course:
    """A training whose metric follows a function of the rate, beside a loss that falls and blows up."""

    proves_rate = True

    def __init__(self, quantity: Quantity, metric: Any) -> None:
        self.quantity, self.metric = quantity, metric

    def step(self, lr: float) -> Any:
        return MetricValue(quantity=self.quantity, value=self.metric(lr), loss=LANDSCAPE.at(lr))

    def snapshot(self) -> None: ...

    def restore(self, state: None) -> None: ...


@pytest.mark.parametrize(
    ("metric", "options", "expected"),
    [
        (lambda lr: math.nan, {}, "accuracy was NaN at 3 of 3 steps"),
        (lambda lr: 0.5, {}, "accuracy does not rise: it is exactly 0.5 at every rate"),
        (lambda lr: 0.5 - 0.02 * math.log10(lr / 1e-8), {}, "accuracy only falls between"),
        (lambda lr: 0.5 + 0.4 / (1 + 1e-2 / lr), {"end_lr": 1e-2}, "accuracy still rises at the last rate"),
        (lambda lr: 0.5 + lr / 100, {"num_steps": 5}, "needs 12 finite values of accuracy and this curve has 5"),
    ],
)
def test_a_refusal_names_the_metric_and_the_way_it_moves(metric: Any, options: Any, expected: str) -> None:
    result = lrrange.find_lr(Course(ACCURACY, metric), **options)
    error = str(result.refusal)
    assert expected in error
    assert "the loss " not in error.split(".")[0]
    table = result.summary()
    assert "losses were not finite" not in table
    assert "the loss stayed" not in table


def test_the_repr_of_a_confirmation_names_the_metric() -> None:
    result = lrrange.find_lr(Loop(), confirm=True)
    assert "trials by training accuracy" in repr(result.confirmation)
    assert "trials by training loss" in repr(lrrange.find_lr(Loop(None), confirm=True).confirmation)


def test_a_metric_that_is_nan_beside_finite_losses_is_to_be_checked_itself() -> None:
    error = str(lrrange.find_lr(Course(ACCURACY, lambda lr: math.nan)).refusal)
    assert "The loss was finite at these steps, so check accuracy" in error
    assert "non_finite_limit" in error
    assert "log of 0" not in error


def test_a_metric_that_does_not_break_down_asks_for_no_higher_end_where_the_loss_blows_up() -> None:
    verdict = lrrange.find_lr(Course(ACCURACY, lambda lr: 0.9 - 0.4 / (1 + lr / 1e-3)), end_lr=10.0).verdict
    assert "accuracy does not break down, so the best rate may lie higher, though the loss blows up at" in str(verdict)
    assert not [way for way in verdict.ways if way.startswith("end_lr")]


def test_a_loss_that_falls_up_to_the_highest_useful_rate_asks_for_no_higher_one() -> None:
    falls = Course(Quantity(name="loss"), lambda lr: 1 - 0.02 * math.log10(lr / 1e-8) - 0.3 / (1 + 1e-3 / lr))
    result = lrrange.find_lr(falls, start_lr=1e-5, end_lr=1e3, heuristic="steepest")
    assert "no training uses a higher rate" in str(result.verdict)
    assert not [way for way in result.verdict.ways if way.startswith("end_lr")]
