"""The rate in a new state or in objects, and the proof that a step uses it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import lrrange
from lrrange.errors import OptionError, RateNotInForce, TargetError
from tests.frameworks.jax import trainings
from tests.frameworks.jax.rigs import bits, random_states


def find(step, **options):
    given = {"batches": trainings.batches(), "progress": False, "num_steps": 100, "train_steps": 200, **options}
    return lrrange.find_lr(step, **given)


@pytest.fixture(scope="module")
def result():
    return find(trainings.adam_step, state=trainings.plain_state())


def rates_of(tree):
    return [
        float(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if "hyperparams" in jax.tree_util.keystr(path) and "learning_rate" in jax.tree_util.keystr(path)
    ]


STATES = {
    "JAX": lambda: (trainings.adam_step, trainings.plain_state(), {}),
    "linen": lambda: (trainings.linen_step, trainings.linen_state(), {"loss": trainings.loss_of}),
    "Equinox": lambda: (trainings.equinox_step, trainings.equinox_state(), {}),
}


@pytest.mark.shows("JAX", "applied and proved")
@pytest.mark.shows("Equinox", "applied and proved")
@pytest.mark.parametrize("make", STATES.values(), ids=STATES)
def test_an_applied_state_has_the_rate_alone_changed_and_is_proved_to_train_at_it(make):
    step, state, options = make()
    result = find(step, state=state, **options)
    before, states = bits(state), random_states()
    applied = result.applied(state)
    assert bits(state) == before
    assert rates_of(applied) == pytest.approx([result.lr])
    changed = [one for one, other in zip(bits(applied), before, strict=True) if one != other]
    assert len(changed) == 1
    proof = result.verify(step, state=applied, batches=trainings.batches(), **options)
    assert proof.proved
    assert bits(state) == before
    assert random_states() == states
    with result.verify(step, state=applied, batches=trainings.batches(), **options):
        step(applied, trainings.batches()[0])


@pytest.mark.shows("Flax NNX", "applied and proved")
def test_an_optimizer_of_nnx_gets_the_rate_in_place_and_is_proved_to_train_at_it():
    objects = trainings.nnx_objects()
    result = find(trainings.nnx_step, objects=objects)
    before = bits(nnx.state(objects))
    with pytest.raises(RateNotInForce, match=r"has .*learning_rate.* = 0\.001, not .* result\.apply\(optimizer\)"):
        result.verify(trainings.nnx_step, objects=objects, batches=trainings.batches())
    applied = result.apply(objects[1])
    assert list(applied.values()) == pytest.approx([result.lr])
    assert rates_of(nnx.state(objects)) == pytest.approx([result.lr])
    assert len([one for one, other in zip(bits(nnx.state(objects)), before, strict=True) if one != other]) == 1
    now = bits(nnx.state(objects))
    assert result.verify(trainings.nnx_step, objects=objects, batches=trainings.batches()).proved
    assert bits(nnx.state(objects)) == now
    result.apply(objects[1], lr=0.5)
    assert rates_of(nnx.state(objects)) == [0.5]


def test_several_optimizers_of_nnx_keep_their_ratio():
    first, second = trainings.nnx_objects()[1], trainings.nnx_objects(optax.inject_hyperparams(optax.sgd)(3e-3))[1]
    applied = lrrange.find_lr(
        trainings.adam_step, state=trainings.plain_state(), batches=trainings.batches(), progress=False, num_steps=60
    ).apply([first, second], lr=0.1)
    assert list(applied.values()) == pytest.approx([0.1, 0.3])


def test_a_state_without_the_rate_is_not_proved(result):
    state = trainings.plain_state()
    with pytest.raises(RateNotInForce, match=r"= 0\.001, not .*state = result\.applied\(state\)") as caught:
        result.verify(trainings.adam_step, state=state, batches=trainings.batches())
    assert caught.value.actual == pytest.approx(1e-3)
    assert caught.value.wanted == pytest.approx(result.lr)
    assert result.verify(trainings.adam_step, lr=1e-3, state=state, batches=trainings.batches()).proved


def test_a_step_that_ignores_the_leaf_is_found_by_the_sweep_and_by_the_proof(result):
    constant = optax.adam(1e-3)

    @jax.jit
    def step(state, batch):
        params, opt_state = state
        loss, grads = jax.value_and_grad(trainings.mse)(params, batch)
        updates, inner = constant.update(grads, opt_state.inner_state, params)
        return (
            optax.apply_updates(params, updates),
            opt_state._replace(count=opt_state.count + 1, inner_state=inner),
        ), loss

    state = trainings.plain_state()
    with pytest.raises(RateNotInForce, match="exactly the same losses"):
        find(step, state=state)
    with pytest.raises(RateNotInForce, match=r"learning_rate.*has no effect") as caught:
        result.verify(step, state=result.applied(state), batches=trainings.batches())
    assert "learning_rate" in caught.value.group
    assert caught.value.actual is None


def test_one_ignored_group_of_two_is_found(result):
    @jax.jit
    def step(state, batch):
        (params, opt_state), loss = trainings.plain_step(trainings.TWO_GROUPS, state, batch)
        return ({**params, "w2": state[0]["w2"]}, opt_state), loss

    frozen = optax.inject_hyperparams(optax.sgd)(learning_rate=1e-2)
    tx = optax.multi_transform(
        {"body": trainings.ADAM, "head": frozen, "none": frozen}, {"w1": "body", "b1": "body", "w2": "head"}
    )
    state = result.applied(trainings.plain_state(tx))
    compiled = jax.jit(lambda state, batch: trainings.plain_step(tx, state, batch))
    with pytest.raises(RateNotInForce, match=r"'none'.*moves no weight"):
        result.verify(compiled, state=state, batches=trainings.batches())


def test_a_step_that_sets_its_own_rate_is_found(result):
    def step(state, batch):
        params, opt_state = state
        rates = {**opt_state.hyperparams, "learning_rate": jnp.asarray(1e-3)}
        return trainings.adam_step((params, opt_state._replace(hyperparams=rates)), batch)

    with pytest.raises(RateNotInForce, match=r"after a step, the state has .* = 0\.001.*sets the rate itself"):
        find(step, state=trainings.plain_state())
    state = result.applied(trainings.plain_state())
    with pytest.raises(RateNotInForce, match="after step 1, the state has"):
        result.verify(step, state=state, batches=trainings.batches())


def test_weights_in_bfloat16_that_a_low_rate_does_not_move_are_proved_by_a_higher_one(result):
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), trainings.plain_params())
    tx = optax.inject_hyperparams(optax.sgd)(learning_rate=1e-4)
    step = jax.jit(lambda state, batch: trainings.plain_step(tx, state, batch))
    assert result.verify(step, lr=1e-4, state=(params, tx.init(params)), batches=trainings.batches()).proved


def test_a_training_that_does_not_repeat_itself_is_not_called_proved(result):
    calls = []

    def step(state, batch):
        calls.append(1)
        (params, opt_state), loss = trainings.adam_step(state, batch)
        return ({**params, "b1": params["b1"] + 1e-3 * len(calls)}, opt_state), loss

    state = result.applied(trainings.plain_state())
    assert result.verify(step, state=state, batches=trainings.batches()).proved is False


def test_what_is_missing_for_a_proof_or_cannot_take_a_rate_is_said(result):
    state, objects = trainings.plain_state(), trainings.nnx_objects()
    with pytest.raises(OptionError, match=r"result\.verify\(train_step, state=state, batches=batches\)"):
        result.verify(trainings.adam_step)
    with pytest.raises(OptionError, match=r"result\.verify\(train_step, state=state"):
        result.verify(state)
    with pytest.raises(OptionError, match=r"objects=\(model, optimizer\)"):
        result.verify(objects[1])
    with pytest.raises(OptionError, match="batches"):
        result.verify(trainings.adam_step, state=state)
    with pytest.raises(OptionError, match="num_steps"):
        result.verify(trainings.adam_step, state=state, batches=trainings.batches(), num_steps=3)
    with pytest.raises(TargetError, match=r"state = result\.applied\(state\)"):
        result.apply(state)
    with pytest.raises(TargetError, match=r"state = result\.applied\(state\)"):
        result.apply(trainings.ADAM)
    with pytest.raises(TargetError, match=r"result\.apply\(optimizer\)"):
        result.applied(objects[1])
    with pytest.raises(TargetError, match="inject_hyperparams"):
        result.applied(trainings.plain_params())
    with pytest.raises(TargetError):
        result.applied(3)


def test_the_peak_of_a_schedule_is_asked_of_the_result(result):
    peak = result.lr_for("one_cycle").lr
    applied = result.applied(trainings.plain_state(), lr=peak)
    assert rates_of(applied) == pytest.approx([peak])
    np.testing.assert_allclose(peak, result.range.max_lr)
