"""What cannot be swept, and the line to write instead."""

import subprocess
import sys

import flax.linen
import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx

import lrrange
from lrrange.errors import LossError, LRRangeError, NoData, OptionError, TargetError
from tests.frameworks.jax import trainings
from tests.frameworks.jax.rigs import bits


def find(step, **options):
    return lrrange.find_lr(step, **{"batches": trainings.batches(), "progress": False, "num_steps": 20, **options})


def step_with(tx):
    return jax.jit(lambda state, batch: trainings.plain_step(tx, state, batch))


@pytest.mark.shows("JAX", "refuses")
@pytest.mark.parametrize(
    ("tx", "message"),
    [
        (optax.adam(1e-3), r"constant in the compiled step.*optax\.inject_hyperparams\(optax\.adam\)"),
        (optax.adam(optax.cosine_decay_schedule(1e-3, 100)), "constant in the compiled step.*schedule"),
        (
            optax.inject_hyperparams(optax.adam)(learning_rate=optax.cosine_decay_schedule(1e-3, 100)),
            r"follows a schedule.*result\.lr_for\('cosine'\)\.lr",
        ),
        (optax.inject_hyperparams(lambda lr: optax.sgd(lr))(lr=0.1), r"called lr, and none of them learning_rate"),
        (optax.inject_hyperparams(optax.sgd)(learning_rate=0.0), "learning_rate is 0"),
    ],
    ids=["constant", "schedule", "injected schedule", "another name", "zero"],
)
def test_a_rate_that_a_sweep_cannot_set_is_refused_with_the_line_to_write(tx, message):
    state = trainings.plain_state(tx)
    before = bits(state)
    with pytest.raises(TargetError, match=message):
        find(step_with(tx), state=state)
    assert bits(state) == before


@pytest.mark.shows("Equinox", "refuses")
def test_equinox_with_a_constant_rate_or_with_a_model_as_the_target_is_refused():
    model, _, nothing, key = trainings.equinox_state()
    import equinox as eqx

    constant = optax.adam(1e-3).init(eqx.filter(model, eqx.is_inexact_array))
    with pytest.raises(TargetError, match="inject_hyperparams"):
        find(trainings.equinox_step, state=(model, constant, nothing, key))
    with pytest.raises(TargetError, match=r"the target is a MLP, and not a step.*find_lr\(train_step, state=state"):
        find(model)
    with pytest.raises(OptionError, match="state= is missing"):
        find(trainings.equinox_step)


@pytest.mark.shows("Flax NNX", "refuses")
def test_nnx_with_a_constant_rate_or_without_its_optimizer_is_refused():
    with pytest.raises(TargetError, match="inject_hyperparams"):
        find(trainings.nnx_step, objects=trainings.nnx_objects(optax.adam(1e-3)))
    scheduled = optax.inject_hyperparams(optax.sgd)(learning_rate=optax.linear_schedule(0.1, 0.0, 10))
    with pytest.raises(TargetError, match="follows a schedule"):
        find(trainings.nnx_step, objects=trainings.nnx_objects(scheduled))
    model, optimizer, metric = trainings.nnx_objects()
    with pytest.raises(TargetError, match=r"no nnx\.Optimizer"):
        find(trainings.nnx_step, objects=(model, metric))
    with pytest.raises(OptionError, match=r"called with the 2 objects of objects="):
        find(trainings.nnx_step, objects=(model, optimizer))
    with pytest.raises(TargetError, match=r"objects has a tuple|objects has a dict"):
        find(trainings.nnx_step, objects=(model, optimizer, {}))
    for target in (model, optimizer):
        with pytest.raises(TargetError, match=r"Flax NNX\. The step goes first: .*objects=\(model, optimizer\)"):
            find(target)


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (lambda state, loss: (loss, state), TargetError, r"returned \(loss, state\).*return state, loss"),
        (lambda state, loss: (*state, loss), TargetError, r"tuple of 3.*return \(params, opt_state\), loss"),
        (lambda state, loss: loss, TargetError, "one number, and no state"),
        (lambda state, loss: None, TargetError, "returned None"),
        (lambda state, loss: {"state": state}, TargetError, "returned a dict"),
        (lambda state, loss: (state, None), LossError, "None"),
        (lambda state, loss: (state, (loss, {})), LossError, r"loss=lambda output: output\[0\]"),
        (lambda state, loss: (state, {"a": loss, "loss": loss}), LossError, r"loss=lambda output: output\['loss'\]"),
        (lambda state, loss: (state, jnp.ones(3) * loss), LossError, r"3 numbers, of shape \(3,\).*mean"),
        (lambda state, loss: (state[0], loss), TargetError, r"returned a state of 3 leaves, and the state given has"),
    ],
)
def test_a_step_that_returns_something_else_is_told_what_to_return(returned, error, message):
    def step(state, batch):
        return returned(*trainings.adam_step(state, batch))

    state = trainings.plain_state()
    before = bits(state)
    with pytest.raises(error, match=message):
        find(step, state=state)
    assert bits(state) == before


def test_a_step_that_does_not_return_the_new_state_is_refused():
    def forgets(state, batch):
        _, loss = trainings.adam_step(state, batch)
        return state, loss

    def forgets_the_optimizer(state, batch):
        (params, _), loss = trainings.adam_step(state, batch)
        return (params, state[1]), loss

    for step in (forgets, forgets_the_optimizer):
        with pytest.raises(TargetError, match="has counted no update: 0 before and after"):
            find(step, state=trainings.plain_state())


def test_a_step_that_takes_other_arguments_is_told_how_to_wrap_it():
    def train(params, opt_state, batch):
        (params, opt_state), loss = trainings.adam_step((params, opt_state), batch)
        return params, opt_state, loss

    state = trainings.plain_state()
    with pytest.raises(OptionError, match=r"state=\(params, opt_state\).*\*new, loss = train\(\*state, batch\)"):
        find(train, state=state)

    def step(state, batch):
        *new, loss = train(*state, batch)
        return tuple(new), loss

    assert len(find(step, state=state).curve) > 10
    with pytest.raises(OptionError, match="Let it take the state"):
        find(lambda batch: None, state=state)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (trainings.batches()[0], r"one batch.*batches=\[batch\]"),
        ({"x": 1}, r"one batch"),
        (trainings.data()[0], "an array, and not batches"),
        (None, "NoneType, and not batches"),
        ("data", "str, and not batches"),
        (trainings.Shuffled, "class Shuffled, which has not been called"),
        (lambda epoch: [], "cannot be called without arguments"),
        (lambda: 3, r"returned a int"),
    ],
    ids=["tuple", "dict", "array", "none", "text", "class", "arguments", "number"],
)
def test_batches_that_are_none_are_refused(batches, message):
    with pytest.raises(TargetError, match=message):
        find(trainings.adam_step, state=trainings.plain_state(), batches=batches)


def test_no_batches_at_all_are_no_data():
    for batches in ([], lambda: iter(())):
        with pytest.raises(NoData):
            find(trainings.adam_step, state=trainings.plain_state(), batches=batches)


def test_what_is_missing_or_not_a_step_is_said_by_name():
    state = trainings.plain_state()
    linen = trainings.linen_state()
    with pytest.raises(OptionError, match=r"state= is missing.*objects=\(model, optimizer\)"):
        lrrange.find_lr(trainings.adam_step)
    with pytest.raises(OptionError, match="state= is missing"):
        lrrange.find_lr(lambda state, batch: None, batches=trainings.batches())
    with pytest.raises(OptionError, match="batches"):
        lrrange.find_lr(trainings.adam_step, state=state)
    with pytest.raises(TargetError, match=r"a state, and not a step\. The step goes first"):
        lrrange.find_lr(state)
    with pytest.raises(TargetError, match=r"the target is a NetState, and not a step"):
        lrrange.find_lr(linen)
    with pytest.raises(TargetError, match=r"the target is a Net, and not a step"):
        lrrange.find_lr(trainings.NET)
    with pytest.raises(TargetError, match="GradientTransformation"):
        lrrange.find_lr(trainings.ADAM, state=state, batches=trainings.batches())
    with pytest.raises(TargetError, match="without an array"):
        find(trainings.adam_step, state=None)
    with pytest.raises(OptionError, match=r"optimizer.*part of the state"):
        find(trainings.adam_step, state=state, optimizer=trainings.ADAM)
    with pytest.raises(OptionError, match=r"either state= or objects="):
        find(trainings.adam_step, state=state, objects=())
    with pytest.raises(OptionError, match=r"state= holds objects of Flax NNX.*objects=\(model, optimizer\)"):
        find(trainings.nnx_step, state=trainings.nnx_objects())
    assert isinstance(trainings.NET, flax.linen.Module)


def test_a_step_for_several_devices_and_its_replicated_state_are_refused():
    mapped = jax.pmap(lambda state, batch: trainings.plain_step(trainings.ADAM, state, batch))
    with pytest.raises(TargetError, match=r"jax\.pmap.*jax\.jit"):
        find(mapped, state=trainings.plain_state())
    replicated = jax.tree.map(lambda leaf: leaf[None], trainings.plain_state())
    with pytest.raises(TargetError, match=r"shape \(1,\).*leaf\[0\]"):
        find(trainings.adam_step, state=replicated)


# Two devices are there only in a process that asks for them before it imports JAX.
SHARDED = """
import jax, lrrange
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from tests.frameworks.jax import trainings
mesh = Mesh(jax.devices(), ("data",))
state = jax.device_put(trainings.plain_state(), NamedSharding(mesh, PartitionSpec()))
try:
    lrrange.find_lr(trainings.adam_step, state=state, batches=trainings.batches())
except lrrange.LRRangeError as error:
    print(type(error).__name__, error)
"""


def test_a_state_on_several_devices_is_refused(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    done = subprocess.run([sys.executable, "-c", SHARDED], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith("TargetError the array of ")
    assert "lies on 2 devices" in done.stdout


def test_errors_of_the_data_pass_and_an_unknown_option_is_named():
    def broken():
        yield from trainings.batches()
        raise ValueError("a file is broken")

    with pytest.raises(ValueError, match="a file is broken"):
        find(trainings.adam_step, state=trainings.plain_state(), batches=broken)
    with pytest.raises(LRRangeError, match="evaluat"):
        find(trainings.adam_step, state=trainings.plain_state(), evaluat=len)


def test_importing_lrrange_and_listing_its_plugins_imports_no_jax():
    code = "import sys, lrrange; lrrange.list_plugins(); print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


def test_objects_whose_step_takes_the_batch_alone_are_swept_and_put_back():
    objects = trainings.nnx_objects()
    before = bits(nnx.state(objects))
    options = {"objects": objects, "repeats": 3, "parallel": "vmap", "seed": 1}
    result = find(lambda batch: trainings.nnx_step(*objects, batch), **options)
    assert "does not take its objects" in result.provenance.details["parallel"][0]
    assert bits(nnx.state(objects)) == before
    assert result.curve.loss == find(trainings.nnx_step, **{**options, "parallel": "off"}).curve.loss
    with pytest.raises(OptionError, match="Give the function that cached_partial was called with"):
        find(nnx.cached_partial(trainings.nnx_inner, *objects), objects=objects)
