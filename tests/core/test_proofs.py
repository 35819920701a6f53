"""`result.verify` and `result.applied` ask the plug-ins, in the order that these ask for."""

from typing import NamedTuple

import pytest

import lrrange
from lrrange import hookimpl
from lrrange.errors import OptionError, PlanError, PluginUnavailable, TargetError
from lrrange.plugins import names_of
from lrrange.protocol import OPTIONS_OF_VERIFY, ProvedRate, RateProof, with_options
from tests.core.training import Loop

GOOD = lrrange.find_lr(Loop())


class State(NamedTuple):
    lr: float


class Frozen:
    """A plug-in for states that nothing changes in place."""

    @hookimpl
    def lrrange_applied(self, state, lr, details):
        self.details = details
        return state._replace(lr=lr) if isinstance(state, State) else None


class Prover:
    """A plug-in that proves the rate of any list."""

    def __init__(self):
        self.asked = []

    @hookimpl
    def lrrange_verify(self, target, lr, steps, scheduler, options, details):
        if not isinstance(target, list):
            return None
        data = with_options(lambda target, data=None: data, target, options, also=OPTIONS_OF_VERIFY)
        self.asked.append((lr, steps, scheduler, data, bool(details)))
        return ProvedRate(lr, steps)


def test_a_new_state_trains_at_the_suggested_rate_and_the_old_one_stays(registered):
    registered(Frozen(), "frozen")
    state = State(lr=1.0)
    assert GOOD.applied(state) == State(lr=GOOD.lr)
    assert GOOD.applied(state, lr=0.25) == State(lr=0.25)
    assert state.lr == 1.0


def test_a_state_that_no_plug_in_knows_is_refused_with_what_to_call(registered):
    registered(Frozen(), "frozen")
    with pytest.raises(TargetError, match=r"no plug-in makes a new state of a dict.*result\.apply\(optimizer\)"):
        GOOD.applied({})
    with pytest.raises(PlanError):
        GOOD.applied(State(1.0), lr="fast")


def test_a_proof_is_asked_for_the_suggested_rate_with_what_the_call_was_given(registered):
    prover = Prover()
    registered(prover, "prover")
    proof = GOOD.verify([], steps=3, data="batches")
    assert isinstance(proof, RateProof)
    assert (proof.proved, proof.lr, proof.steps_seen) == (True, GOOD.lr, 3)
    GOOD.verify([], lr=0.5, scheduler="cosine")
    assert prover.asked == [
        (GOOD.lr, 3, None, "batches", bool(GOOD.provenance.details)),
        (0.5, 20, "cosine", None, False),
    ]
    with proof:
        pass
    proof.close()
    assert "3 steps" in repr(proof)


@pytest.mark.parametrize("steps", [0, -1, 2.5, True, "many"])
def test_steps_that_are_no_whole_number_are_refused(registered, steps):
    registered(Prover(), "prover")
    with pytest.raises(OptionError, match="steps="):
        GOOD.verify([], steps=steps)


def test_an_option_that_the_plug_in_does_not_have_is_refused_with_the_one_that_is_meant(registered):
    registered(Prover(), "prover")
    with pytest.raises(OptionError, match="Did you mean steps="):
        GOOD.verify([], stpes=3)


def test_a_target_that_nothing_watches_is_refused_with_what_to_give(registered):
    registered(Prover(), "prover")
    with pytest.raises(TargetError, match=r"no plug-in can watch the rate of a dict.*result\.verify\(optimizer\)"):
        GOOD.verify({})


def test_an_answer_that_is_no_proof_is_an_error_of_the_plug_in(registered):
    class Liar:
        @hookimpl
        def lrrange_verify(self, target):
            return True

    registered(Liar(), "liar")
    with pytest.raises(PluginUnavailable, match=r"lrrange_verify of the plug-in 'liar' returned a value of type bool"):
        GOOD.verify([])


class Trains:
    """A plug-in that trains any set, under its name."""

    @hookimpl
    def lrrange_adapt(self, target):
        return Loop() if isinstance(target, set) else None


class TrainsFirst:
    @hookimpl(tryfirst=True)
    def lrrange_adapt(self, target):
        return Loop() if isinstance(target, set) else None


class TrainsLast:
    @hookimpl(trylast=True)
    def lrrange_adapt(self, target):
        return Loop() if isinstance(target, set) else None


@pytest.mark.parametrize("order", [("usual", "first", "last"), ("last", "usual", "first"), ("first", "last", "usual")])
def test_a_plug_in_that_asks_to_come_first_does_whatever_the_order_of_the_others(registered, order):
    kinds = {"usual": Trains, "first": TrainsFirst, "last": TrainsLast}
    for name in order:
        registered(kinds[name](), name)
    names = names_of("lrrange_adapt")
    assert [name for name in names if name in kinds] == ["first", "usual", "last"]
    # An installed one may ask to come first, too.
    assert names.index("first") < names.index("usual") < names.index("torch" if "torch" in names else "last")
    assert lrrange.find_lr(set()).provenance.backend == "first"
    assert lrrange.find_lr(set(), backend="last").provenance.backend == "last"


def test_apply_tells_a_plug_in_the_result_unless_the_rate_is_the_users(registered):
    class Scheduled:
        @hookimpl
        def lrrange_apply(self, optimizer, lr, result):
            return {"lr": lr if result is None else result.lr_for("one_cycle").lr}

    registered(Scheduled(), "scheduled")
    assert GOOD.apply(["net"]) == {"lr": GOOD.range.max_lr}
    assert GOOD.apply(["net"], lr=0.5) == {"lr": 0.5}
