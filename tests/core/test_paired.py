"""Paired sweeps: the noise of the batches is taken out of the curve, and never any put in."""

import itertools
import json
import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lrrange
from lrrange import Curve, Refusal, StopReason, find_lr
from lrrange.advice.suggestion import Suggestion
from lrrange.errors import CurveError, NotPairedWarning, OptionError
from lrrange.finder.paired_sweeps import leaves_doubt
from lrrange.protocol import LoopDriver
from lrrange.sweep import paired_curve
from lrrange.sweep.noise import noise_level, significant_changes_in_growing_noise
from lrrange.sweep.paired import coefficients, level_errors, paired_losses
from lrrange.sweep.repeats import median_curve
from tests.core.strategies import PLAN, Landscape
from tests.core.training import Late, Loop, SeededLoop

LEVEL = 2.3


def noise(count=200, seed=0, spread=0.5):
    random_ = random.Random(seed)
    return [random_.gauss(0.0, spread) for _ in range(count)]


def plus(*series):
    return [sum(values) for values in zip(*series, strict=True)]


def times(part, series):
    return [part * value for value in series]


BASELINE = [LEVEL + value for value in noise()]
FALL = [Landscape().at(lr) - Landscape().at(PLAN.rates[0]) for lr in PLAN.rates]  # from 0 down, and up again

losses = st.floats(-1e3, 1e3, allow_subnormal=False)
pairs = st.integers(3, 60).flatmap(
    lambda count: st.tuples(*[st.lists(losses, min_size=count, max_size=count) for _ in range(2)])
)


# The losses.


def test_the_noise_of_the_batches_vanishes_where_the_weights_have_not_moved():
    paired = paired_losses(BASELINE, BASELINE)
    assert paired == pytest.approx([statistics.fmean(BASELINE)] * 200, abs=1e-12)


def test_a_fall_under_the_noise_of_the_batches_is_all_that_is_left():
    paired = paired_losses(plus(FALL, BASELINE), BASELINE)
    blow_up = PLAN.rates.index(next(lr for lr in PLAN.rates if lr > 0.1))
    error = [loss - fall - LEVEL for loss, fall in zip(paired, FALL, strict=True)][:blow_up]
    assert statistics.stdev(error) < 0.02
    assert noise_level(plus(FALL, BASELINE)) > 0.4


def test_a_baseline_that_has_nothing_to_do_with_the_losses_leaves_them_as_they_are():
    for seed in range(1, 20):
        loss = plus(FALL, noise(seed=seed))
        paired = paired_losses(loss, BASELINE)
        assert noise_level(paired[:150]) < 1.06 * noise_level(loss[:150])
        assert statistics.fmean(coefficients(loss, BASELINE)) < 0.3


@pytest.mark.parametrize("part", [0.3, 0.6])
def test_a_part_of_the_noise_that_is_left_is_taken_out_in_part(part):
    early, late = BASELINE[:100], plus(times(part, BASELINE[100:]), times(0.3, noise(100, seed=1)))
    parts = coefficients(early + late, BASELINE)
    assert parts[:98] == [1.0] * 98
    assert statistics.fmean(parts[110:190]) == pytest.approx(part, abs=0.15)


def test_the_steps_of_a_blow_up_do_not_decide_about_the_steps_before():
    exploding = [0.0] * 150 + [(-1) ** i * 10.0**i for i in range(50)]
    calm = plus(FALL[:150], noise(150, seed=3))
    parts = coefficients(plus(calm + [0.0] * 50, exploding), BASELINE)
    assert statistics.fmean(parts[:150]) < 0.3
    assert all(map(math.isfinite, parts))


@given(pairs)
def test_the_part_lies_between_zero_and_one_and_never_rises(pair):
    parts = coefficients(*pair)
    assert len(parts) == len(pair[0])
    assert all(0.0 <= after <= before <= 1.0 for before, after in itertools.pairwise(parts))


def bends(values):
    return [a - 2 * b + c for a, b, c in zip(values, values[1:], values[2:], strict=False)]


@given(st.lists(st.tuples(losses, st.floats(-1.0, 1.0)), min_size=3, max_size=60))
def test_no_noise_is_added_to_losses_of_which_the_baseline_explains_any_part(steps):
    baseline = [base for base, _ in steps]
    loss = [0.0, 0.0]
    for cause, (_, part) in zip(bends(baseline), steps[2:], strict=True):
        loss.append(2 * loss[-1] - loss[-2] + part * cause)
    effects, causes = bends(loss), bends(baseline)
    parts = coefficients(loss, baseline)[1:-1]
    left = [effect - part * cause for effect, part, cause in zip(effects, parts, causes, strict=True)]
    assert math.hypot(*left) <= math.hypot(*effects) * (1 + 1e-9) + 1e-6


@given(pairs, st.floats(0.01, 100.0), st.floats(-100.0, 100.0))
def test_scale_and_unit_of_the_loss_change_nothing(pair, scale, shift):
    loss, baseline = pair
    other = paired_losses(*([scale * value + shift for value in values] for values in pair))
    expected = [scale * value + shift for value in paired_losses(loss, baseline)]
    assert other == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale * 1e3 + 1e-6)


@given(pairs, losses)
def test_the_level_of_the_baseline_does_not_matter(pair, shift):
    loss, baseline = pair
    moved = paired_losses(loss, [value + shift for value in baseline])
    assert moved == pytest.approx(paired_losses(loss, baseline), rel=1e-6, abs=1e-3)


@given(pairs, st.data())
def test_a_gap_on_either_side_stays_a_gap_and_changes_no_other_loss_than_by_its_absence(pair, data):
    loss, baseline = map(list, pair)
    gaps = data.draw(st.sets(st.integers(0, len(loss) - 1), max_size=len(loss) - 1))
    for number, gap in enumerate(sorted(gaps)):
        (loss if number % 2 else baseline)[gap] = math.nan if number % 3 else math.inf
    paired = paired_losses(loss, baseline)
    kept = [i for i in range(len(loss)) if i not in gaps]
    assert [i for i, value in enumerate(paired) if math.isfinite(value)] == kept
    assert [paired[i] for i in kept] == paired_losses([loss[i] for i in kept], [baseline[i] for i in kept])


@pytest.mark.parametrize("count", range(4))
def test_few_losses_and_a_constant_baseline_are_left_alone(count):
    assert paired_losses(BASELINE[: min(count, 2)], BASELINE[: min(count, 2)]) == BASELINE[: min(count, 2)]
    assert paired_losses(BASELINE, [LEVEL + count] * 200) == BASELINE
    assert paired_losses(BASELINE, [LEVEL + 0.1 * step for step in range(200)]) == BASELINE


@given(st.lists(st.floats(allow_nan=False), min_size=3, max_size=20))
def test_losses_of_any_size_are_paired(values):
    assert len(paired_losses(values, values[::-1])) == len(values)


# The curve.


PAIRED = paired_curve(Curve(lr=PLAN.rates, loss=plus(FALL, BASELINE)), BASELINE)


def test_a_paired_curve_keeps_what_was_measured():
    assert PAIRED.baseline == tuple(BASELINE)
    assert PAIRED.unpaired == Curve(lr=PLAN.rates, loss=plus(FALL, BASELINE))
    assert PAIRED.noise < 0.1 * PAIRED.unpaired.noise
    plain = PAIRED.unpaired
    assert plain.baseline is None
    assert plain.unpaired is plain


def heavy_tailed(random_):
    return 0.3 * random_.gauss(0.0, 1.0) / math.sqrt(sum(random_.gauss(0.0, 1.0) ** 2 for _ in range(3)) / 3)


def learnt_nothing(seed, draw, part):
    """Return the paired curve of a training that forgets its batches in the middle of the sweep, and learns nothing."""
    random_ = random.Random(seed)
    baseline = [LEVEL + draw(random_) for _ in range(200)]
    at, width = random_.choice([60, 110, 150]), random_.choice([3, 8, 15])
    measured = []
    for step, base in enumerate(baseline):
        kept = 1 / (1 + math.exp(min(50.0, (step - at) / width)))
        measured.append(LEVEL + kept * (base - LEVEL) + part * math.sqrt(1 - kept**2) * draw(random_))
    return paired_curve(Curve(lr=PLAN.rates, loss=measured), baseline)


@pytest.mark.parametrize("draw", [lambda random_: random_.gauss(0.0, 0.5), heavy_tailed], ids=["normal", "t(3)"])
@pytest.mark.parametrize("part", [0.1, 0.3, 1.0])
def test_noise_that_returns_where_the_weights_have_moved_is_no_fall_and_no_rise(draw, part):
    """Unlike the noise of other curves, which is the same all along, it begins at nothing."""
    curves = [learnt_nothing(seed, draw, part) for seed in range(60)]
    found = [significant_changes_in_growing_noise(curve.loss, curve.level_error) for curve in curves]
    assert sum(map(any, found)) <= 4
    assert sum(curve.noise_at[0] < 0.5 * curve.noise_at[-1] for curve in curves) >= 58


def test_the_level_of_the_paired_losses_is_known_as_well_as_the_mean_of_the_baseline():
    """The loss is level, but the mean of 50 batches is not: where pairing ends, the curve jumps by its error."""
    jumps, errors = [], []
    for seed in range(40):
        baseline = noise(50, seed=seed, spread=0.5)
        loss = baseline[:25] + [0.0] * 25
        paired = paired_losses(loss, baseline)
        jumps.append(paired[0] - paired[-1])
        errors.append(level_errors(loss, baseline)[-1])
    assert statistics.fmean(jump**2 for jump in jumps) ** 0.5 == pytest.approx(0.5 / math.sqrt(50), rel=0.25)
    assert statistics.fmean(errors) == pytest.approx(0.5 / math.sqrt(50), rel=0.1)
    assert PAIRED.level_error == tuple(level_errors(PAIRED.measured, PAIRED.baseline))
    assert PAIRED.unpaired.level_error == (0.0,) * 200


def test_the_noise_of_a_paired_curve_grows_and_that_of_another_is_one_number():
    assert list(PAIRED.noise_at) == sorted(PAIRED.noise_at)
    assert PAIRED.unpaired.noise_at == (PAIRED.unpaired.noise,) * 200
    assert Curve(lr=(), loss=()).noise_at == ()
    assert paired_curve(Curve(lr=[0.1], loss=[1.0]), [1.0]).noise_at == (0.0,)


def test_pairing_hides_no_fall_that_is_seen_without_it():
    for seed in range(10):
        curve = Landscape(noise=0.1, seed=seed).curve()
        assert paired_curve(curve, BASELINE).falls


def test_finite_and_halves_of_a_paired_curve_are_paired():
    measured = list(PAIRED.unpaired.loss)
    measured[7] = math.nan
    curve = paired_curve(Curve(lr=PLAN.rates, loss=measured), BASELINE)
    finite = curve.finite
    assert len(finite) == len(finite.baseline) == len(finite.unpaired) == 199
    assert finite.unpaired.loss == tuple(value for value in measured if math.isfinite(value))
    even, odd = PAIRED.halves
    assert (even.loss, even.baseline, even.measured) == (PAIRED.loss[::2], PAIRED.baseline[::2], PAIRED.measured[::2])
    assert odd.unpaired.loss == PAIRED.measured[1::2]


@pytest.mark.parametrize(
    "fields", [{"baseline": [1.0, 2.0]}, {"measured": [1.0, 2.0]}, {"baseline": [1.0, 2.0], "measured": [1.0]}]
)
def test_half_a_pair_is_no_paired_curve(fields):
    with pytest.raises(CurveError, match="2 rates.*paired curve"):
        Curve(lr=[0.1, 0.2], loss=[1.0, 2.0], **fields)


def test_the_median_of_paired_curves_has_the_median_of_each_of_their_losses():
    baselines = [plus([LEVEL] * 200, noise(seed=seed)) for seed in range(3)]
    curves = [paired_curve(Curve(lr=PLAN.rates, loss=plus(FALL, each)), each) for each in baselines]
    median = median_curve(curves, [StopReason.COMPLETED] * 3, "ema")
    for name in ("loss", "measured", "baseline"):
        columns = zip(*(getattr(curve, name) for curve in curves), strict=True)
        assert getattr(median, name) == tuple(map(statistics.median, columns))


def test_a_paired_sweep_that_blew_up_early_leaves_a_median_of_equal_lengths():
    short = paired_curve(Curve(lr=PLAN.rates[:50], loss=BASELINE[:50]), BASELINE[:50])
    median = median_curve([PAIRED, PAIRED, short], [StopReason.COMPLETED] * 2 + [StopReason.DIVERGED], "ema")
    assert len(median.loss) == len(median.baseline) == len(median.measured) == 200
    median = median_curve([PAIRED, short, short], [StopReason.COMPLETED] + [StopReason.DIVERGED] * 2, "ema")
    assert len(median) == len(median.baseline) == 50


# The sweep.


class Batches(SeededLoop):
    """A training whose noise comes from its batches, drawn from `random` at each step, and shrinks as it trains.

    Args:
        also: more to do in a step, with the number of the steps of this run so far.
    """

    def __init__(self, landscape=None, also=lambda step: None, **options):
        super().__init__(landscape or Landscape(), **options)
        self.also = also
        self.updates, self.forwards = 0, 0
        self.taken = 0

    def step(self, lr):
        self.also(self.taken)
        loss = self.loss_of_batch(self.random.gauss(0.0, 2.0))
        self.weights = max(self.weights, lr)
        self.updates += lr > 0
        self.log.append(lr)
        return loss

    def loss_of_batch(self, batch):
        if self.batches is not None and self.taken >= self.batches:
            raise StopIteration
        self.taken += 1
        at = self.landscape.at(max(self.weights, 1e-7))
        return at + batch * min(1.0, at / self.landscape.top)

    def snapshot(self):
        self.taken = 0
        return super().snapshot()


class Forward(Batches):
    """The same training, which can compute the loss of a batch alone."""

    def forward(self):
        self.forwards += 1
        self.log.append("forward")
        return self.loss_of_batch(self.random.gauss(0.0, 2.0))


class Driven(LoopDriver):
    """The same training, whose loop belongs to itself."""

    def __init__(self, **options):
        self.loop = Batches(**options)
        self.seed, self.snapshot, self.restore = self.loop.seed, self.loop.snapshot, self.loop.restore

    proves_rate = True
    snapshot = restore = None  # set above
    state = property(lambda self: self.loop.state)
    updates = property(lambda self: self.loop.updates)
    forwards = 0

    def train(self, sweep):
        while sweep.running and sweep.tell(self.loop.step(sweep.lr)):
            pass


@pytest.mark.parametrize("kind", [Batches, Forward, Driven])
def test_a_paired_sweep_shows_the_fall_that_the_noise_of_its_batches_hides(kind):
    training, plain = kind(), find_lr(kind(), seed=1, divergence=None, paired=False, num_steps=200)
    before = training.state
    result = find_lr(training, seed=1, divergence=None, paired=True, num_steps=200)
    assert plain.curve.noise > 1.0
    assert result.curve.unpaired == plain.curve
    assert noise_level(result.curve.loss[:40]) < 1e-3
    assert result.curve.falls
    assert training.state == before


def test_the_steps_without_updates_are_counted_apart():
    for kind, passes in ((Forward, 200), (Batches, 0)):
        training = kind()
        result = find_lr(training, divergence=None, paired=True, num_steps=200)
        assert (training.updates, training.forwards) == (200, passes)
        assert result.provenance.steps_run == 400 - passes
        assert result.provenance.details["forward_passes"] == passes
        assert result.provenance.details["paired"].startswith("the noise of a loss is ")


def test_as_many_steps_are_taken_again_as_the_sweep_took():
    training = Forward(Landscape(blow_up=-5.0))
    result = find_lr(training, paired=True, num_steps=200)
    assert result.stop_reason is StopReason.DIVERGED
    assert training.forwards == len(result.curve) < 200


@pytest.mark.parametrize("fall", [-2.5, -4.5])
def test_a_default_sweep_is_paired_too_and_so_is_one_that_is_taken_again(fall):
    training = Forward(Landscape(fall=fall))
    result = find_lr(training, paired=True)
    assert training.forwards == training.updates
    assert (training.updates > len(result.curve)) == (fall < -4.0)
    assert len(result.curve.baseline) == len(result.curve)
    assert result.provenance.steps_run == training.updates


def test_the_batches_of_the_baseline_are_those_of_the_sweep():
    result = find_lr(Forward(Landscape(fall=math.inf, blow_up=math.inf)), seed=5, paired=True)
    assert result.curve.baseline == result.curve.unpaired.loss


def test_each_repeat_has_a_baseline_with_its_own_seed_and_weights():
    training = Forward(Landscape(fall=math.inf, blow_up=math.inf))
    resets = []

    def reset():
        resets.append(training.weights)
        training.weights = 2e-7

    result = find_lr(training, seed=3, repeats=3, reset=reset, paired=True)
    assert len(resets) == 4
    assert [entry for entry in training.log if str(entry).startswith("seed")] == [
        f"seed {seed}" for seed in (3, 4, 5, 3, 4, 5)
    ]
    assert all(curve.baseline == curve.unpaired.loss for curve in result.sweeps)
    assert result.curve.baseline is not None
    assert training.forwards == 3 * len(result.curve)


def test_deferred_losses_are_paired():
    class Deferred(Forward):
        def step(self, lr):
            return Late(super().step(lr))

        def forward(self):
            return Late(super().forward())

    assert find_lr(Deferred(), seed=1, paired=True).curve == find_lr(Forward(), seed=1, paired=True).curve


def test_grids_take_paired_sweeps():
    tests = lrrange.grid(lambda drop: Forward(Landscape(drop=drop)), {"drop": [1.0, 2.0]}, paired=True)
    assert all(cell.result.curve.baseline is not None for cell in tests)


def test_without_the_option_nothing_is_taken_again_and_nothing_said():
    training = Forward()
    result = find_lr(training, paired=False)
    assert training.forwards == 0
    assert result.curve.baseline is None
    assert not {"paired", "forward_passes"} & result.provenance.details.keys()


@pytest.mark.parametrize("value", ["always", None, 1, 0, "True"])
def test_another_value_of_the_option_is_refused_before_the_first_step(value):
    training = Forward()
    with pytest.raises(OptionError, match="paired="):
        find_lr(training, paired=value)
    assert training.log == []


# Where it is not possible.


class Stream(Forward):
    """Batches that cannot be put back."""

    def restore(self, state):
        self.weights = state[0]


def test_batches_that_do_not_repeat_are_noticed_at_the_first_step_and_the_plain_curve_is_read():
    training = Stream(Landscape())
    with pytest.warns(NotPairedWarning, match="first step gave the loss .* when it was taken again"):
        result = find_lr(training, paired=True, divergence=None)
    assert training.forwards == 1
    assert result.curve.baseline is None
    assert result.curve == find_lr(Stream(Landscape()), divergence=None).curve
    assert result.provenance.details["paired"].startswith("no: the first step gave the loss")
    assert result.provenance.details["forward_passes"] == 1


def test_the_warning_shows_the_line_of_the_user():
    with pytest.warns(NotPairedWarning) as caught:
        find_lr(Stream(), paired=True)
    assert caught[0].filename == __file__


def test_if_one_repeat_cannot_be_paired_none_is():
    class Second(Forward):
        def seed(self, value):
            super().seed(value if self.log.count("seed 1") < 1 else value + 100)
            if value == 1:
                self.log.append("seed 1")

    with pytest.warns(NotPairedWarning):
        result = find_lr(Second(), seed=0, repeats=2, paired=True)
    assert all(curve.baseline is None for curve in (result.curve, *result.sweeps))


@pytest.mark.filterwarnings("ignore::lrrange.errors.NotPairedWarning")
def test_a_step_that_refuses_rate_zero_leaves_the_plain_curve_and_its_reason():
    class Refuses(Batches):
        def step(self, lr):
            if lr == 0:
                raise ValueError("lr must be positive")
            return super().step(lr)

    training = Refuses()
    before = training.state
    result = find_lr(training, paired=True, heuristic="midway", divergence=None)
    assert result.provenance.details["paired"] == "no: a step without updates raised ValueError: lr must be positive"
    assert "raised" not in result.provenance.details
    assert result.curve.baseline is None
    assert training.state == before


@pytest.mark.filterwarnings("ignore::lrrange.errors.NotPairedWarning")
def test_so_does_a_driver_that_lets_the_error_pass():
    class Refuses:
        proves_rate = True

        def __init__(self):
            self.loop = Forward()

        def run(self, sweep):
            if sweep.lr == 0:
                raise ValueError("lr must be positive")
            state = self.loop.snapshot()
            try:
                while sweep.running:
                    sweep.tell(self.loop.step(sweep.lr))
            finally:
                self.loop.restore(state)

    details = find_lr(Refuses(), paired=True).provenance.details
    assert details["paired"] == "no: a step without updates raised ValueError: lr must be positive"


def test_an_error_that_no_rate_causes_passes_with_a_note_and_everything_is_put_back():
    training = Forward(also=lambda step: None)
    before = training.state

    def forward():
        raise OSError("the disk is full")

    training.forward = forward
    with pytest.raises(OSError, match="disk is full") as caught:
        find_lr(training, paired=True)
    assert any("taken again without updates" in note for note in caught.value.__notes__)
    assert training.state == before


def test_ctrl_c_in_the_steps_taken_again_passes_and_everything_is_put_back():
    training = Forward()
    before, forward = training.state, training.forward

    def interrupted():
        if training.forwards == 5:
            raise KeyboardInterrupt
        return forward()

    training.forward = interrupted
    with pytest.raises(KeyboardInterrupt):
        find_lr(training, paired=True)
    assert training.state == before
    assert training.log[-1] == "restore"


@pytest.mark.filterwarnings("ignore::lrrange.errors.NotPairedWarning")
def test_data_that_run_out_the_second_time_are_named():
    training = Forward()
    training.forward = iter([]).__next__
    result = find_lr(training, paired=True)
    assert result.provenance.details["paired"] == (
        f"no: 0 of {len(result.curve)} steps could be taken again (data exhausted)"
    )


@pytest.mark.filterwarnings("ignore::lrrange.errors.NotPairedWarning")
@pytest.mark.parametrize(("drift", "verb"), [(-0.2, "falls"), (0.2, "rises")])
def test_weights_that_move_at_rate_zero_are_noticed(drift, verb):
    class Drifts(Batches):
        def loss_of_batch(self, batch):
            return super().loss_of_batch(batch) + drift * self.taken

    result = find_lr(Drifts(), paired=True, divergence=None, seed=0)
    assert f"the loss {verb} at rate zero, too" in result.provenance.details["paired"]
    assert result.curve.baseline is None


@pytest.mark.filterwarnings("ignore::lrrange.errors.NotPairedWarning")
def test_a_sweep_of_too_few_losses_is_not_paired():
    training = Forward(batches=3)
    assert "3 losses" in find_lr(training, paired=True).provenance.details["paired"]
    assert training.forwards == 0


def test_a_gap_of_the_sweep_and_one_of_the_baseline_are_gaps_of_the_curve():
    class Gaps(Forward):
        def step(self, lr):
            loss = super().step(lr)
            return math.nan if self.taken == 20 else loss

        def forward(self):
            loss = super().forward()
            return math.inf if self.taken in (30, 31, 32, 33) else loss

    curve = find_lr(Gaps(), paired=True, seed=2).curve
    assert [i for i, loss in enumerate(curve.loss) if not math.isfinite(loss)] == [19, 29, 30, 31, 32]


def test_the_full_batch_gains_nothing_and_loses_nothing():
    class FullBatch(Forward):
        def loss_of_batch(self, batch):
            return super().loss_of_batch(0.0)

    paired, plain = find_lr(FullBatch(), paired=True), find_lr(FullBatch())
    assert paired.curve.loss == plain.curve.loss
    assert len(set(paired.curve.baseline)) == 1
    assert paired.lr == plain.lr


# Only where there is a doubt.


def test_auto_pays_only_where_the_answer_leaves_a_doubt():
    clear = Forward(Landscape(noise=0.0))
    clear.loss_of_batch = lambda batch: Landscape().at(max(clear.weights, 1e-7)) + 0.01 * batch
    result = find_lr(clear, paired="auto")
    assert clear.forwards == 0
    assert "paired" not in result.provenance.details
    assert result.curve.baseline is None


def test_auto_takes_no_steps_at_rate_zero():
    training = Batches(Landscape(fall=math.inf, blow_up=math.inf))
    assert isinstance(find_lr(training, seed=1, num_steps=200).chosen, Refusal)
    assert training.updates == 200


def test_auto_finds_the_fall_that_the_noise_of_the_batches_hides():
    options = {"heuristic": "steepest", "end_lr": 1.0, "divergence": None, "seed": 2}
    hidden = Landscape(drop=0.6, blow_up=math.inf)
    training = Forward(hidden)
    assert isinstance(find_lr(Forward(hidden), paired=False, **options).chosen, Refusal)
    result = find_lr(training, paired="auto", **options)
    assert isinstance(result.chosen, Suggestion)
    assert result.curve.baseline is not None
    assert training.forwards == len(result.curve)


MIDWAY = Suggestion(heuristic="midway", lr=1e-3, low=1e-4, high=1e-2)
NO_FALL = Landscape(fall=math.inf, noise=0.5).curve()


@pytest.mark.parametrize(("kind", "expected"), [("FlatCurve", True), ("OnlyRises", True), ("TooFewPoints", False)])
def test_a_refusal_leaves_a_doubt_if_noise_can_be_its_reason(kind, expected):
    refusal = Refusal(heuristic="midway", kind=kind, reason="on purpose.")
    assert leaves_doubt(refusal, NO_FALL) is expected
    assert not leaves_doubt(refusal, Curve(lr=PLAN.rates, loss=[1.0] * 200))
    assert not leaves_doubt(refusal, Curve(lr=(), loss=()))


def test_an_answer_leaves_a_doubt_only_if_no_fall_stands_out_of_the_noise():
    assert leaves_doubt(MIDWAY, NO_FALL)
    assert leaves_doubt(MIDWAY, Landscape(fall=math.inf, blow_up=math.inf, noise=0.5).curve())
    assert not leaves_doubt(MIDWAY, Landscape(noise=0.1).curve())


# Saving and showing it.


def test_a_paired_result_is_read_back_equal_and_a_file_from_before_pairing_is_read(tmp_path):
    path = tmp_path / "result.json"
    result = find_lr(Forward(), paired=True, repeats=2, seed=1)
    result.save(path)
    assert lrrange.load(path) == result
    assert lrrange.load(path).curve.unpaired == result.curve.unpaired
    plain = find_lr(Loop())
    plain.save(path)
    old = json.loads(path.read_text())
    for name in ("baseline", "measured"):
        del old["result"]["curve"][name]
    path.write_text(json.dumps(old | {"schema": 1}))
    assert lrrange.load(path) == plain
