"""Held-out data, seeds, repeats, and runs side by side."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import lrrange
from lrrange.errors import LRRangeError, OptionError
from tests.frameworks.jax import trainings
from tests.frameworks.jax.rigs import bits, random_states
from tests.frameworks.jax.test_find_lr import counting

FORMS = {
    "JAX": lambda: (trainings.adam_step, {"state": trainings.plain_state()}),
    "linen": lambda: (trainings.linen_step, {"state": trainings.linen_state(), "loss": trainings.loss_of}),
    "Equinox": lambda: (trainings.equinox_step, {"state": trainings.equinox_state()}),
    "Flax NNX": lambda: (trainings.nnx_step, {"objects": trainings.nnx_objects()}),
}


def held_out(*given):
    """The held-out loss of a state of any form, or of objects."""
    x, y = trainings.data(200)
    x, y = x[96:], y[96:]
    first = given[0]
    if isinstance(first, trainings.NetState):
        variables = {"params": first.params, "batch_stats": first.batch_stats}
        return jnp.mean((first.apply_fn(variables, x, train=False) - y) ** 2)
    if isinstance(first, nnx.Module):
        first.eval()
        return jnp.mean((first(x) - y) ** 2)
    if isinstance(first[0], dict):
        return trainings.mse(first[0], (x, y))
    return jnp.mean((jax.vmap(first[0])(x) - y) ** 2)


def find(step, **options):
    return lrrange.find_lr(step, **{"batches": trainings.batches(), "progress": False, **options})


@pytest.mark.shows("JAX", "confirm")
@pytest.mark.shows("Flax NNX", "confirm")
@pytest.mark.shows("Equinox", "confirm")
@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_confirm_judges_by_the_held_out_loss_of_a_state_or_of_objects(make):
    step, options = make()
    judged = []

    def evaluate(*given):
        judged.append(float(held_out(*given)))
        return judged[-1]

    before = bits(options.get("state", nnx.state(options["objects"]) if "objects" in options else None))
    result = find(step, confirm=True, evaluate=evaluate, train_steps=200, **options)
    assert result.confirmation.held_out
    assert len(result.confirmation.trials) >= 2
    assert len(set(judged)) > 3
    assert 1e-3 < result.lr < 0.3
    assert bits(options.get("state", nnx.state(options["objects"]) if "objects" in options else None)) == before


@pytest.mark.shows("JAX", "repeats")
@pytest.mark.shows("Flax NNX", "repeats")
@pytest.mark.shows("Equinox", "repeats")
@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_repeats_side_by_side_give_the_curves_that_they_give_one_by_one(make):
    step, options = make()
    alone = find(step, repeats=3, seed=1, num_steps=40, parallel="off", **options)
    together = find(step, repeats=3, seed=1, num_steps=40, parallel="vmap", **options)
    assert together.provenance.details["parallel"] == ["2 runs together"]
    assert alone.sweeps[1].loss != alone.sweeps[2].loss
    for one, other in zip(alone.sweeps, together.sweeps, strict=True):
        np.testing.assert_allclose(one.loss[:30], other.loss[:30], rtol=2e-2)


def test_trials_side_by_side_are_evaluated_at_the_states_that_they_have_alone():
    state = trainings.plain_state(trainings.TWO_GROUPS)
    options = {"state": state, "confirm": True, "evaluate": held_out, "confirm_steps": 120}
    alone = find(trainings.groups_step, parallel="off", **options)
    together = find(trainings.groups_step, parallel="vmap", **options)
    assert "2 runs together" in together.provenance.details["parallel"]
    for one, other in zip(alone.confirmation.trials, together.confirmation.trials, strict=True):
        assert one.lr == pytest.approx(other.lr, rel=1e-3)
        assert one.loss == pytest.approx(other.loss, rel=5e-2)


def test_trials_of_nnx_objects_are_evaluated_side_by_side_and_put_back():
    objects = trainings.nnx_objects()
    before = bits(nnx.state(objects))
    options = {"objects": objects, "confirm": True, "evaluate": held_out, "confirm_steps": 120}
    alone = find(trainings.nnx_step, parallel="off", **options)
    together = find(trainings.nnx_step, parallel="vmap", **options)
    assert "2 runs together" in together.provenance.details["parallel"]
    for one, other in zip(alone.confirmation.trials, together.confirmation.trials, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=5e-2)
    assert bits(nnx.state(objects)) == before


def test_streams_of_a_loader_side_by_side_draw_what_each_run_draws_alone():
    loader = trainings.Shuffled()
    options = {"state": trainings.plain_state(), "batches": loader, "repeats": 3, "seed": 2, "num_steps": 40}
    before = repr(loader.rng.bit_generator.state), loader.order.tolist(), random_states()
    alone = find(trainings.adam_step, parallel="off", **options)
    together = find(trainings.adam_step, parallel="vmap", **options)
    assert (repr(loader.rng.bit_generator.state), loader.order.tolist(), random_states()) == before
    for one, other in zip(alone.sweeps, together.sweeps, strict=True):
        np.testing.assert_allclose(one.loss[:30], other.loss[:30], rtol=1e-3)


def test_batches_of_different_sizes_side_by_side():
    x, y = trainings.data(90)
    ragged = [(x[start : start + 16], y[start : start + 16]) for start in range(0, 90, 16)]
    options = {"state": trainings.plain_state(), "batches": ragged, "repeats": 3, "seed": 4, "num_steps": 30}
    alone = find(trainings.adam_step, parallel="off", **options)
    together = find(trainings.adam_step, parallel="vmap", **options)
    for one, other in zip(alone.sweeps, together.sweeps, strict=True):
        np.testing.assert_allclose(one.loss[:22], other.loss[:22], rtol=1e-3)


def test_a_step_is_traced_once_more_for_all_runs_side_by_side_and_not_for_each():
    step, traces = counting(lambda state, batch: trainings.plain_step(trainings.ADAM, state, batch))
    find(step, state=trainings.plain_state(), repeats=5, seed=0, num_steps=40, parallel="vmap")
    assert len(traces) <= 2


def test_a_seed_changes_the_order_of_a_list_and_the_keys_in_the_state_and_nothing_of_the_users():
    def first_batches(seed):
        seen = []

        def step(state, batch):
            seen.append(float(batch[0][0, 0]))
            return trainings.adam_step(state, batch)

        find(step, state=trainings.plain_state(), num_steps=12, seed=seed)
        return seen[:6]

    in_order = [float(batch[0][0, 0]) for batch in trainings.batches()]
    assert first_batches(None) == in_order
    assert sorted(first_batches(1)) == sorted(in_order)
    assert first_batches(1) == first_batches(1)
    assert first_batches(1) != first_batches(2)

    one_batch = trainings.batches()[:1]
    for raw in (False, True):
        state = trainings.linen_state(raw_key=raw)
        losses = [
            find(
                trainings.linen_step, state=state, loss=trainings.loss_of, batches=one_batch, num_steps=5, seed=seed
            ).curve.loss[0]
            for seed in (1, 2, 1)
        ]
        assert losses[0] == losses[2] != losses[1]


def test_reset_returns_another_state_for_the_second_and_later_sweeps():
    seeds = iter(range(10))

    def reset():
        params = jax.tree.map(lambda leaf: leaf * (1.5 + next(seeds)), trainings.plain_params())
        return params, trainings.ADAM.init(params)

    state = trainings.plain_state()
    before = bits(state)
    result = find(
        trainings.adam_step, state=state, batches=trainings.batches()[:1], repeats=3, reset=reset, num_steps=30
    )
    plain = find(trainings.adam_step, state=state, batches=trainings.batches()[:1], num_steps=30)
    starts = [sweep.loss[0] for sweep in result.sweeps]
    assert len(set(starts)) == 3
    assert starts[0] == plain.curve.loss[0]
    assert bits(state) == before
    with pytest.raises(OptionError, match=r"reset= returned None.*return a new one"):
        find(trainings.adam_step, state=state, repeats=2, reset=lambda: None, num_steps=20)


def test_reset_changes_objects_of_nnx_in_place_and_they_are_put_back():
    objects = trainings.nnx_objects()
    before = bits(nnx.state(objects))

    def reset():
        nnx.update(objects[0], nnx.state(trainings.Model(nnx.Rngs(9))))

    options = {"objects": objects, "batches": trainings.batches()[:1], "repeats": 3, "reset": reset, "num_steps": 30}
    alone = find(trainings.nnx_step, **options)
    together = find(trainings.nnx_step, parallel="vmap", **options)
    assert alone.sweeps[0].loss[0] != alone.sweeps[1].loss[0]
    for one, other in zip(alone.sweeps, together.sweeps, strict=True):
        np.testing.assert_allclose(one.loss[:20], other.loss[:20], rtol=2e-2)
    assert bits(nnx.state(objects)) == before


def with_b1(b1):
    state = trainings.plain_state()
    state[1].hyperparams["b1"] = jnp.asarray(b1, jnp.float32)
    return trainings.adam_step, {"state": state, "batches": trainings.batches()}


def test_a_grid_is_taken_side_by_side_where_the_setting_is_in_the_state():
    settings = {"b1": [0.5, 0.9, 0.95]}
    alone = lrrange.grid(with_b1, settings, num_steps=40, progress=False)
    together = lrrange.grid(with_b1, settings, num_steps=40, progress=False, parallel="vmap")
    assert together[0].result.provenance.details["parallel"][0] == "3 runs together"
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.result.curve.loss[:30], other.result.curve.loss[:30], rtol=1e-3)
    assert alone[0].result.curve.loss != alone[1].result.curve.loss

    def make_own_step(weight_decay):
        tx = optax.inject_hyperparams(optax.adamw)(learning_rate=1e-3, weight_decay=weight_decay)
        step = jax.jit(lambda state, batch: trainings.plain_step(tx, state, batch))
        return step, {"state": trainings.plain_state(tx), "batches": trainings.batches()}

    apart = lrrange.grid(make_own_step, {"weight_decay": [0.0, 0.1]}, num_steps=20, progress=False, parallel="vmap")
    assert "steps of their own" in apart[0].result.provenance.details["parallel"][0]


def test_sweeps_side_by_side_take_more_steps_each_from_where_its_own_loss_moves():
    options = {"end_lr": 0.1, "paired": False, "progress": False}
    alone, together = (lrrange.grid(with_b1, {"b1": [0.0, 0.9]}, parallel=way, **options) for way in ("off", "vmap"))
    plans = [cell.result.plan for cell in alone]
    assert all(isinstance(plan, lrrange.AdaptivePlan) for plan in plans)
    assert plans[0].num_steps != plans[1].num_steps
    for one, other in zip(alone, together, strict=True):
        assert other.result.provenance.details["parallel"] == ["2 runs together"]
        assert other.result.plan == one.result.plan
        assert other.result.curve.lr == one.result.curve.lr == one.result.plan.rates
        np.testing.assert_allclose(one.result.curve.loss, other.result.curve.loss, rtol=1e-4)


def test_auto_measures_and_says_what_it_chose():
    options = {"state": trainings.plain_state(), "repeats": 3, "seed": 0, "num_steps": 40}
    chosen = find(trainings.adam_step, parallel="auto", **options).provenance.details["parallel"][0]
    assert chosen == "2 runs together" or "times as long" in chosen
    few = find(trainings.adam_step, parallel="auto", **{**options, "num_steps": 20})
    assert "too few" in few.provenance.details["parallel"][0]


def test_steps_that_cannot_be_stacked_are_taken_one_by_one_and_say_why():
    def reads_its_loss(state, batch):
        state, loss = trainings.adam_step(state, batch)
        return state, float(loss)

    rng = np.random.default_rng(0)

    def draws_outside(state, batch):
        x, y = batch
        return trainings.adam_step(state, (x + 0.1 * rng.normal(size=x.shape).astype(np.float32), y))

    options = {"state": trainings.plain_state(), "repeats": 3, "seed": 0, "num_steps": 20, "parallel": "vmap"}
    for step, why in ((reads_its_loss, "cannot be stacked"), (draws_outside, "draws random numbers outside of JAX")):
        before = repr(rng.bit_generator.state)
        result = find(step, **options)
        assert why in result.provenance.details["parallel"][0]
        assert len(result.sweeps) == 3
        assert repr(rng.bit_generator.state) == before


def test_ctrl_c_side_by_side_leaves_everything_as_it_was():
    reasons = []

    class Interrupts:
        @lrrange.hookimpl
        def lrrange_advanced(self, point, sweep):
            if point.step == 9 and sweep.points[0].loss != first:
                raise KeyboardInterrupt

        @lrrange.hookimpl
        def lrrange_finished(self, sweep):
            reasons.append(sweep.stop_reason)

    objects = trainings.nnx_objects()
    before, states = bits(nnx.state(objects)), random_states()
    first = find(trainings.nnx_step, objects=objects, num_steps=20, seed=0).curve.loss[0]
    with pytest.raises(KeyboardInterrupt):
        find(
            trainings.nnx_step,
            objects=objects,
            repeats=3,
            seed=0,
            num_steps=20,
            parallel="vmap",
            watchers=[Interrupts()],
        )
    assert reasons[-2:] == [lrrange.StopReason.INTERRUPTED] * 2
    assert bits(nnx.state(objects)) == before
    assert random_states() == states


def test_evaluate_must_return_one_number():
    with pytest.raises(LRRangeError, match="evaluate returned a dict"):
        find(trainings.adam_step, state=trainings.plain_state(), evaluate=lambda state: {"loss": 1.0}, confirm=True)
    with pytest.raises(OptionError, match=r"evaluate takes \(state, batch\), and is called as evaluate\(state\)"):
        find(trainings.adam_step, state=trainings.plain_state(), evaluate=lambda state, batch: 1.0, confirm=True)


def test_random_keys_that_cannot_be_stacked_are_known_by_their_kind():
    state = trainings.linen_state().replace(key=jax.random.key(1, impl="rbg"))
    options = {"state": state, "loss": trainings.loss_of, "repeats": 3, "num_steps": 20, "parallel": "vmap"}
    assert "of the kind rbg" in find(trainings.linen_step, **options).provenance.details["parallel"][0]
