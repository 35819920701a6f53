"""`find_lr` on trainings of JAX: what it finds, how often a step is traced, and what it reads and writes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax import nnx

import lrrange
from tests.frameworks.jax import trainings
from tests.frameworks.jax.rigs import bits

QUIET = {"progress": False}
FORMS = {
    "JAX": lambda: (trainings.adam_step, {"state": trainings.plain_state()}),
    "linen": lambda: (trainings.linen_step, {"state": trainings.linen_state(), "loss": trainings.loss_of}),
    "Equinox": lambda: (trainings.equinox_step, {"state": trainings.equinox_state()}),
    "Flax NNX": lambda: (trainings.nnx_step, {"objects": trainings.nnx_objects()}),
}


def find(step, **options):
    return lrrange.find_lr(step, **{"batches": trainings.batches(), **QUIET, **options})


def counting(step_of, **jit):
    """A compiled step, and the list to which it adds one at each trace."""
    traces = []

    def step(state, batch):
        traces.append(1)
        return step_of(state, batch)

    return jax.jit(step, **jit), traces


@pytest.mark.shows("JAX", "finds")
@pytest.mark.shows("Flax NNX", "finds")
@pytest.mark.shows("Equinox", "finds")
@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_a_training_of_each_form_gets_a_rate_at_which_it_trains(make):
    step, options = make()
    result = find(step, train_steps=200, **options)
    assert 1e-3 < result.lr < 0.3
    assert result.provenance.backend == "jax"
    assert result.provenance.details["rate_in_force"] == "probed"
    assert result.facts.optimizer == "adam"
    assert result.facts.steps_taken == 0


def test_a_whole_sweep_traces_the_step_once_and_training_at_the_answer_not_at_all():
    step, traces = counting(lambda state, batch: trainings.plain_step(trainings.ADAM, state, batch))
    state, batches = trainings.plain_state(), trainings.batches()
    result = find(step, state=state, num_steps=200)
    assert result.provenance.steps_run > 150
    assert len(traces) == 1
    applied = result.applied(state)
    for batch in batches:
        applied, _ = step(applied, batch)
    find(step, state=applied, num_steps=50)
    assert len(traces) == 1
    assert step._cache_size() == 1


@pytest.mark.parametrize(
    "rate", [1e-3, np.float32(1e-3), np.asarray(1e-3, np.float32)], ids=["python", "scalar", "numpy"]
)
def test_a_rate_that_the_user_wrote_as_a_number_costs_no_second_trace(rate):
    step, traces = counting(lambda state, batch: trainings.plain_step(trainings.ADAM, state, batch))
    params, opt_state = trainings.plain_state()
    opt_state.hyperparams["learning_rate"] = rate
    result = find(step, state=(params, opt_state), num_steps=40)
    step(result.applied((params, opt_state)), trainings.batches()[0])
    assert len(traces) == 1


def test_an_nnx_step_is_traced_once_too():
    traces = []

    @nnx.jit
    def step(model, optimizer, metric, batch):
        traces.append(1)
        return trainings.nnx_inner(model, optimizer, metric, batch)

    objects = trainings.nnx_objects()
    result = find(step, objects=objects, num_steps=60)
    result.apply(objects[1])
    step(*objects, trainings.batches()[0])
    assert len(traces) == 1


def test_the_losses_are_those_of_the_same_steps_taken_by_hand():
    state, batches = trainings.plain_state(), trainings.batches()
    result = find(trainings.adam_step, state=state, num_steps=30, divergence=None)
    losses = []
    for step, lr in enumerate(result.curve.lr):
        state[1].hyperparams["learning_rate"] = jnp.asarray(lr, jnp.float32)
        state, loss = trainings.adam_step(state, batches[step % len(batches)])
        losses.append(float(loss))
    assert losses == list(result.curve.loss)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32], ids=str)
def test_the_rate_keeps_the_dtype_that_it_has_in_the_state(dtype):
    tx = optax.inject_hyperparams(optax.sgd)(learning_rate=1e-2)
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), trainings.plain_params())
    seen = []

    @jax.jit
    def step(state, batch):
        seen.append(state[1].hyperparams["learning_rate"].dtype)
        return trainings.plain_step(tx, state, batch)

    state = params, tx.init(params)
    result = find(step, state=state, num_steps=80, train_steps=100)
    assert seen == [dtype]
    assert result.applied(state)[1].hyperparams["learning_rate"].dtype == dtype
    assert result.plan.start_lr >= float(jnp.finfo(dtype).tiny)


def test_a_state_in_float64_is_swept_in_float64():
    with jax.enable_x64(True):
        tx = optax.inject_hyperparams(optax.adam)(learning_rate=1e-3)
        params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), trainings.plain_params())
        step, traces = counting(lambda state, batch: trainings.plain_step(tx, state, batch))
        state = params, tx.init(params)
        result = find(step, state=state, num_steps=40)
        assert result.applied(state)[1].hyperparams["learning_rate"] == result.lr
        assert len(traces) == 1


def test_it_works_without_compiling_too():
    tx = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)

    @jax.jit
    def step(state, batch):
        weight, opt_state = state
        updates, opt_state = tx.update(2 * (weight - batch), opt_state, weight)
        return (weight + updates, opt_state), (weight - batch) ** 2

    options = {"state": (jnp.zeros(()), tx.init(jnp.zeros(()))), "batches": [1.0, 1.5], "num_steps": 12}
    compiled = find(step, divergence=None, **options)
    with jax.disable_jit():
        result = find(step, divergence=None, **options)
    np.testing.assert_allclose(result.curve.loss, compiled.curve.loss, rtol=1e-4)


def test_the_ratios_of_a_multi_transform_stay_in_the_sweep_and_in_the_applied_state():
    state = trainings.plain_state(trainings.TWO_GROUPS)
    result = find(trainings.groups_step, state=state, train_steps=300)
    assert result.provenance.details["group_ratios"] == pytest.approx([1, 10])
    groups = result.applied(state)[1].inner_states
    body, head = (float(groups[name].inner_state.hyperparams["learning_rate"]) for name in ("body", "head"))
    assert (body, head) == pytest.approx((result.lr, 10 * result.lr))
    assert "group 1 at" in str(result)


def test_a_group_that_is_frozen_at_zero_stays_there():
    tx = optax.multi_transform(
        {"body": optax.inject_hyperparams(optax.sgd)(0.0), "head": optax.inject_hyperparams(optax.sgd)(0.1)},
        {"w1": "body", "b1": "body", "w2": "head"},
    )
    state = trainings.plain_state(tx)
    result = find(jax.jit(lambda state, batch: trainings.plain_step(tx, state, batch)), state=state, num_steps=60)
    applied = result.applied(state, lr=0.5)[1].inner_states
    assert float(applied["body"].inner_state.hyperparams["learning_rate"]) == 0
    assert float(applied["head"].inner_state.hyperparams["learning_rate"]) == 0.5


def test_losses_are_read_late_so_that_no_step_waits_for_the_device():
    from lrrange_jax.adapters import state_step

    from lrrange.protocol import DeferredLoss

    step = state_step(trainings.adam_step, trainings.plain_state(), trainings.batches())
    kept = step.snapshot()
    loss = step.step(1e-3)
    step.restore(kept)
    assert isinstance(loss, DeferredLoss)
    assert loss.steps_late > 0
    assert float(loss) > 0


def test_loss_picks_the_loss_from_what_the_step_returns():
    def with_aux(state, batch):
        state, loss = trainings.adam_step(state, batch)
        return state, (loss, {"twice": 2 * loss})

    plain = find(trainings.adam_step, state=trainings.plain_state(), num_steps=20)
    first = find(with_aux, state=trainings.plain_state(), num_steps=20, loss=lambda output: output[0])
    assert first.curve.loss == plain.curve.loss
    twice = find(with_aux, state=trainings.plain_state(), num_steps=20, loss=lambda output: output[1]["twice"])
    assert twice.curve.loss[0] == 2 * plain.curve.loss[0]


def test_a_loss_of_one_element_a_float_and_a_list_are_taken_too():
    plain = find(trainings.adam_step, state=trainings.plain_state(), num_steps=12).curve.loss
    for form in (lambda state, loss: (state, loss.reshape(1)), lambda state, loss: [state, float(loss)]):
        result = find(
            lambda state, batch, form=form: form(*trainings.adam_step(state, batch)),
            state=trainings.plain_state(),
            num_steps=12,
        )
        assert result.curve.loss[:8] == plain[:8]


def test_a_state_of_numpy_arrays_as_read_from_a_file_is_swept_and_applied():
    state = jax.tree.map(np.asarray, trainings.plain_state())
    before = bits(jax.tree.map(jnp.asarray, state))
    result = find(trainings.adam_step, state=state, train_steps=200)
    applied = result.applied(state)
    assert float(applied[1].hyperparams["learning_rate"]) == pytest.approx(result.lr)
    assert bits(jax.tree.map(jnp.asarray, state)) == before
    assert result.verify(trainings.adam_step, state=applied, batches=trainings.batches()).proved


def test_micro_batches_of_multi_steps_are_taken_until_there_is_an_update():
    inner = optax.inject_hyperparams(optax.adam)(learning_rate=1e-3)
    tx = optax.MultiSteps(inner, every_k_schedule=3)
    params, calls = trainings.plain_params(), []
    compiled = jax.jit(lambda state, batch: trainings.plain_step(tx, state, batch))

    def step(state, batch):
        calls.append(1)
        return compiled(state, batch)

    result = find(step, state=(params, tx.init(params)), num_steps=20, divergence=None)
    assert len(calls) % 3 == 0
    assert len(calls) >= 3 * result.provenance.steps_run
    whole = [
        tuple(np.concatenate([part[side] for part in trainings.batches()[start : start + 3]]) for side in (0, 1))
        for start in (0, 3)
    ]
    once = find(trainings.adam_step, state=trainings.plain_state(), batches=whole, num_steps=20, divergence=None)
    np.testing.assert_allclose(result.curve.loss, once.curve.loss, rtol=1e-3)


def test_batches_may_be_a_loader_of_torch_made_into_arrays_or_a_function():
    x, y = trainings.data()
    torch_loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y)), batch_size=16, shuffle=True
    )

    def batches():
        for batch in torch_loader:
            yield jax.tree.map(np.asarray, tuple(batch))

    before = torch.get_rng_state()
    result = find(trainings.adam_step, state=trainings.plain_state(), batches=batches, num_steps=40)
    assert len(result.curve) > 30
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(lrrange.LRRangeError, match=r"torch.Tensor.*numpy\.asarray"):
        find(trainings.adam_step, state=trainings.plain_state(), batches=torch_loader)


def test_facts_are_read_from_the_optimizers_state():
    def facts(make, **hyperparameters):
        tx = optax.inject_hyperparams(make)(learning_rate=0.01, **hyperparameters)
        step = jax.jit(lambda state, batch: trainings.plain_step(tx, state, batch))
        state, _ = step(trainings.plain_state(tx), trainings.batches()[0])
        found = find(step, state=state, num_steps=8, train_steps=77).facts
        assert found.steps_taken == 1
        assert found.train_steps == 77
        return found.optimizer, found.momentum, found.weight_decay

    assert facts(optax.sgd) == ("sgd", None, None)
    assert facts(optax.sgd, momentum=0.9) == ("sgd", pytest.approx(0.9), None)
    assert facts(optax.adamw, weight_decay=0.25) == ("adam", pytest.approx(0.9), 0.25)
    assert facts(optax.lion)[0] == "sign"


def test_a_sweep_under_debug_nans_ends_where_the_first_nan_is():
    tx = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)

    @jax.jit
    def step(state, batch):
        params, opt_state = state
        loss, grads = jax.value_and_grad(lambda w: jnp.mean((batch[0] @ w - batch[1]) ** 2))(params)
        updates, opt_state = tx.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), loss

    weights = jnp.zeros((trainings.INPUTS, 1))
    state = weights, tx.init(weights)
    before = bits(state)
    with jax.debug_nans(True):
        result = find(step, state=state, divergence=None, end_lr=1e12, num_steps=200, non_finite_limit=200)
    assert result.stop_reason is lrrange.StopReason.RAISED
    assert bits(state) == before
