"""The error classes: what they are, what they carry, and how they cross a process."""

import copy
import inspect
import pickle

import pytest

from lrrange import errors
from lrrange.errors import LRRangeError

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__ and not issubclass(kind, Warning)
]

CAUSES = [kind for kind in CLASSES if kind is not LRRangeError]


@pytest.mark.parametrize("kind", CAUSES)
def test_every_error_is_an_lrrange_error_and_a_builtin_exception(kind):
    builtins = [base for base in kind.__mro__ if base.__module__ == "builtins"]
    assert issubclass(kind, LRRangeError)
    assert len(builtins) > 3  # more than Exception, BaseException and object


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_a_docstring(kind):
    assert inspect.getdoc(kind)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_numbers_of_an_error_are_its_attributes(kind):
    error = kind("start_lr=2 is above end_lr=1.", start_lr=2.0, end_lr=1.0)
    assert str(error) == "start_lr=2 is above end_lr=1."
    assert (error.start_lr, error.end_lr) == (2.0, 1.0)
    error.add_note("A note is not a number.")
    assert error.numbers == {"start_lr": 2.0, "end_lr": 1.0}


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("through", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_an_error_keeps_its_message_and_numbers_when_it_is_copied_or_pickled(kind, through):
    error = through(kind("too high", lr=2.0, names=("a", "b")))
    assert type(error) is kind
    assert (str(error), error.lr, error.names) == ("too high", 2.0, ("a", "b"))


@pytest.mark.parametrize("kind", CLASSES)
def test_a_number_that_an_error_does_not_carry_raises_attribute_error_with_its_name(kind):
    with pytest.raises(AttributeError, match=f"'{kind.__name__}' object has no attribute 'end_lr'"):
        _ = kind("too high", lr=2.0).end_lr
    assert not hasattr(kind(), "end_lr")
