"""Which objects are taken for a `TrainingStep` or a `Driver`: their methods' signatures say so, not names."""

import functools
import inspect

import pytest

import lrrange
from lrrange import Driver, TrainingStep, find_lr
from lrrange.errors import TargetError
from lrrange.finder.recognition import is_training_step
from lrrange.protocol import LoopDriver
from tests.core.training import Loop, OwnLoop

# The signatures are those of the trainers named.


class Engine:
    """Ignite."""

    def run(self, data=None, max_epochs=None, epoch_length=None):
        raise AssertionError("was run")


class SupervisedTrainer:
    """MONAI."""

    def run(self):
        raise AssertionError("was run")


class Runner:
    """Catalyst, and many others."""

    def run(self, data):
        raise AssertionError("was run")


class Task:
    def run(self, *args, **kwargs):
        raise AssertionError("was run")


class TwoSweeps:
    def run(self, sweep, other):
        raise AssertionError("was run")


class KeywordOnly:
    def run(self, *, sweep):
        raise AssertionError("was run")


REFUSED = {
    Engine: r"Its run\(data=None, max_epochs=None, epoch_length=None\) is not the run\(sweep\) of a Driver",
    SupervisedTrainer: r"Its run\(\) is not the run\(sweep\) of a Driver",
    Runner: r"Its run\(data\) is not",
    Task: r"Its run\(\*args, \*\*kwargs\) is not",
    TwoSweeps: r"Its run\(sweep, other\) is not",
    KeywordOnly: r"Its run\(\*, sweep\) is not",
}


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.__name__)
def test_a_trainer_with_another_run_is_refused_with_what_it_takes_and_what_is_wanted(kind):
    with pytest.raises(TargetError, match=f"can train a {__name__}.{kind.__name__}.*{REFUSED[kind]}") as caught:
        find_lr(kind())
    assert "called sweep or annotated as lrrange.Sweep" in str(caught.value)


class Named:
    def run(self, sweep):
        OwnLoop().run(sweep)


class Annotated:
    def run(self, steps: lrrange.Sweep):
        OwnLoop().run(steps)


class AnnotatedByName:
    def run(self, steps: "lrrange.Sweep"):
        OwnLoop().run(steps)


class WithOptions:
    def run(self, sweep, verbose=False):
        OwnLoop().run(sweep)


class Static:
    @staticmethod
    def run(sweep):
        OwnLoop().run(sweep)


class Wrapped:
    @functools.wraps(OwnLoop.run)
    def run(self, *args):
        OwnLoop().run(*args)


class PassesOn:
    def __init__(self):
        self.inner = OwnLoop()

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.mark.parametrize(
    "kind", [Named, Annotated, AnnotatedByName, WithOptions, Static, Wrapped, PassesOn], ids=lambda kind: kind.__name__
)
def test_a_run_with_one_required_argument_that_is_a_sweep_is_a_driver_s(kind):
    assert find_lr(kind()).lr > 0


class Environment:
    """As an environment for reinforcement learning."""

    def step(self, action, player):
        raise AssertionError("was run")

    def snapshot(self):
        raise AssertionError("was run")

    def restore(self, state):
        raise AssertionError("was run")


class RestoresByName(Environment):
    def step(self, action):
        raise AssertionError("was run")

    def restore(self, name, step):
        raise AssertionError("was run")


class NoRestore:
    def step(self, lr):
        raise AssertionError("was run")

    def snapshot(self):
        raise AssertionError("was run")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Environment, r"Its step\(action, player\) is not the step\(lr\) of a TrainingStep"),
        (RestoresByName, r"Its restore\(name, step\) is not the restore\(state\) of a TrainingStep"),
        (NoRestore, r"It has step and snapshot, but no restore\(state\)"),
    ],
)
def test_an_object_with_other_steps_is_refused_with_the_method_that_does_not_fit(kind, said):
    with pytest.raises(TargetError, match=said):
        find_lr(kind())


class Extra(Loop):
    def step(self, lr, retries=3):
        return super().step(lr)

    def snapshot(self, *, copy=True):
        return super().snapshot()


class Arguments(Loop):
    def step(self, *args):
        return super().step(*args)


@pytest.mark.parametrize("kind", [Extra, Arguments], ids=lambda kind: kind.__name__)
def test_further_arguments_with_defaults_are_no_matter(kind):
    assert find_lr(kind()).lr > 0


@pytest.mark.parametrize("kind", [Loop, OwnLoop], ids=lambda kind: kind.__name__)
def test_a_class_in_place_of_its_object_is_named_as_such(kind):
    with pytest.raises(TargetError, match="It is a class: give an object of it"):
        find_lr(kind)


def test_an_object_without_any_such_method_is_refused_as_ever():
    with pytest.raises(TargetError, match=r"\)\. Give an object with step, snapshot and restore"):
        find_lr(object())


def test_what_a_plug_in_adapts_may_call_its_sweep_as_it_likes(registered):
    class Mine:
        @lrrange.hookimpl
        def lrrange_adapt(self, target):
            return AnyName() if target == "mine" else None

    class AnyName:
        def run(self, planned):
            OwnLoop().run(planned)

    registered(Mine(), "mine")
    assert find_lr("mine").provenance.backend == "mine"


def test_the_protocols_still_say_so_by_isinstance():
    class Guarded(LoopDriver):
        def train(self, sweep): ...
        def snapshot(self): ...
        def restore(self, state): ...

    assert isinstance(Guarded(), Driver)
    assert not isinstance(Guarded(), TrainingStep)


def test_the_methods_of_a_class_are_looked_at_once(monkeypatch):
    class Own(Loop):
        def step(self, lr):
            return super().step(lr)

    looked, signature = [], inspect.signature
    monkeypatch.setattr(inspect, "signature", lambda method: looked.append(method) or signature(method))
    assert is_training_step(Own())
    first = len(looked)
    assert is_training_step(Own())
    assert 0 < first == len(looked)
