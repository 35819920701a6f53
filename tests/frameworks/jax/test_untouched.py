"""What a sweep leaves behind: nothing, whatever ends it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import lrrange
from lrrange import hookimpl
from lrrange.errors import NotKeptWarning, TargetError
from tests.frameworks.jax import trainings
from tests.frameworks.jax.rigs import bits

QUIET = {"progress": False, "num_steps": 20}


# JAX says so for each batch, which has no output of its shape to be used for.
UNUSABLE = pytest.mark.filterwarnings("ignore:Some donated buffers were not usable:UserWarning")


def find(step, **options):
    return lrrange.find_lr(step, **{"batches": trainings.batches(), **QUIET, **options})


@UNUSABLE
def test_a_step_that_donates_its_state_and_batches_uses_up_copies():
    state = trainings.plain_state()
    batches = [tuple(map(jnp.asarray, batch)) for batch in trainings.batches()]
    before = bits((state, batches))
    find(trainings.donating_step, state=state, batches=batches, confirm=True, repeats=2)
    assert bits((state, batches)) == before
    trainings.donating_step(state, batches[0])
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state) if leaf.ndim)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("raised on purpose")])
def test_a_state_is_the_same_and_alive_after_an_error(error):
    class Raises:
        @hookimpl
        def lrrange_advanced(self, point):
            if point.step == 4:
                raise error

    state = trainings.linen_state()
    before, leaves = bits(state), jax.tree.leaves(state)
    with pytest.raises(type(error)):
        find(trainings.linen_step, state=state, loss=trainings.loss_of, watchers=[Raises()])
    assert bits(state) == before
    assert all(one is other for one, other in zip(jax.tree.leaves(state), leaves, strict=True))


def test_a_step_of_nnx_that_raises_leaves_the_arrays_and_the_attributes_of_the_objects():
    objects = trainings.nnx_objects()
    model = objects[0]
    model.eval()
    before, arrays, calls = bits(nnx.state(objects)), jax.tree.leaves(nnx.state(objects)), itertools.count()

    def step(model, optimizer, metric, batch):
        model.a_note = "of the sweep"
        loss = trainings.nnx_step(model, optimizer, metric, batch)
        if next(calls) == 7:
            raise OSError("no space left on device")
        return loss

    with pytest.raises(OSError, match="no space"):
        find(step, objects=objects)
    assert bits(nnx.state(objects)) == before
    assert all(one is other for one, other in zip(jax.tree.leaves(nnx.state(objects)), arrays, strict=True))
    assert not hasattr(model, "a_note")
    assert model.dropout.deterministic is True


def test_evaluate_may_switch_the_mode_of_a_model_and_its_metric_without_changing_the_trial():
    x, y = trainings.data()

    def evaluate(model, optimizer, metric):
        model.eval()
        metric.reset()
        return jnp.mean((model(x) - y) ** 2)

    def trial_losses(evaluate):
        class Records:
            @hookimpl
            def lrrange_trial_advanced(self, point):
                losses.append((point.lr, point.step, point.loss))

        losses = []
        find(
            trainings.nnx_step,
            objects=trainings.nnx_objects(),
            evaluate=evaluate,
            confirm=True,
            watchers=[Records()],
            num_steps=60,
            confirm_steps=120,
        )
        return losses

    assert trial_losses(evaluate)[:20] == trial_losses(lambda *_: 1.0)[:20]


def test_generators_attributes_and_orders_of_a_loader_are_put_back():
    loader = trainings.Shuffled()
    rng = np.random.default_rng(5)
    counts = {"epochs": 0}

    def batches():
        counts["epochs"] += 1
        for x, y in loader:
            yield x + 0.01 * rng.normal(size=x.shape).astype(np.float32), y

    list(batches())
    np.random.seed(3)

    def everything():
        rngs = repr(loader.rng.bit_generator.state), repr(rng.bit_generator.state), np.random.get_state()[1].tolist()
        return rngs, loader.order.tolist(), loader.epochs, list(loader.history), dict(counts)

    before = everything()
    find(trainings.adam_step, state=trainings.plain_state(), batches=batches, repeats=2, confirm=True)
    assert everything() == before


def test_an_iterator_is_refused_because_what_is_taken_of_it_is_gone():
    iterator = iter(trainings.batches())
    with pytest.raises(TargetError, match=r"cannot start again.*batches=lambda"):
        find(trainings.adam_step, state=trainings.plain_state(), batches=iterator)
    with pytest.raises(TargetError, match=r"uses an iterator.*cannot start again"):
        find(trainings.adam_step, state=trainings.plain_state(), batches=lambda: iterator)
    generator = (batch for batch in trainings.batches())
    with pytest.raises(TargetError, match=r"cannot start again"):
        find(trainings.adam_step, state=trainings.plain_state(), batches=lambda: (batch for batch in generator))
    assert len(list(iterator)) == len(list(generator)) == len(trainings.batches())


def test_an_iterator_inside_a_loader_is_named_as_not_kept():
    class Loader:
        def __init__(self):
            self.stream = (batch for _ in range(100) for batch in trainings.batches())

        def __iter__(self):
            return itertools.islice(self.stream, 6)

    with pytest.warns(NotKeptWarning, match=r"batches\.stream"):
        find(trainings.adam_step, state=trainings.plain_state(), batches=Loader())


def test_verify_restore_compares_the_state_before_and_after():
    result = find(trainings.linen_step, state=trainings.linen_state(), loss=trainings.loss_of, verify_restore=True)
    assert result.provenance.details["restore_verified"] is True


@UNUSABLE
def test_a_state_that_was_donated_before_is_refused():
    state = trainings.plain_state()
    trainings.donating_step(state, trainings.batches()[0])
    with pytest.raises(TargetError, match=r"has been deleted.*the last step returned"):
        find(trainings.donating_step, state=state)


def test_a_sweep_within_a_compiled_function_is_refused():
    @jax.jit
    def outer(state):
        find(trainings.adam_step, state=state)
        return 0

    with pytest.raises(TargetError, match="being traced"):
        outer(trainings.plain_state())


def test_optax_states_keep_their_none_leaves_and_counts():
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.inject_hyperparams(optax.adam)(learning_rate=1e-3))
    params = trainings.plain_params()
    state = {"params": params, "opt": tx.init(params), "nothing": None, "step": 0}
    traces = []

    @jax.jit
    def step(state, batch):
        traces.append(1)
        loss, grads = jax.value_and_grad(trainings.mse)(state["params"], batch)
        updates, opt = tx.update(grads, state["opt"], state["params"])
        params = optax.apply_updates(state["params"], updates)
        return {"params": params, "opt": opt, "nothing": None, "step": state["step"] + 1}, loss

    find(step, state=state)
    assert state["step"] == 0
    assert len(traces) == 1
