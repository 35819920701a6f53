"""Every mistake raises an error that says what to do, before the first step, and leaves the training as it was."""

import builtins
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

import lrrange
from lrrange import errors
from tests.docs.pages import DOCS
from tests.mistakes.rigs import workplace
from tests.mistakes.rows import MISTAKES, Mistake

# Texts of Python's, PyTorch's and attrs' own errors, and places in files.
RAW = re.compile(
    r"\.py\b|line \d+|positional argument|keyword argument|got multiple|'\w+' object (is|has|cannot|does)|"
    r"not iterable|not subscriptable|instance of|Errno|__init__|expected str",
)


@pytest.fixture(scope="module")
def at_hand() -> dict[str, Any]:
    """Return what the lines name. It is made once: no line may change any of it."""
    names = workplace()
    names["result"] = lrrange.find_lr(names["model"], num_steps=60, heuristic="valley", **names["good"])
    names["a_grid"] = lrrange.grid(names["make"], {"momentum": [0]}, num_steps=30)
    names["a_comparison"] = lrrange.compare(names["make_run"], [0.01], steps=2, repeats=1)
    return names


@pytest.fixture
def steps() -> Iterator[list[object]]:
    """Collect the optimizers that take a step."""
    taken: list[object] = []
    hook = register_optimizer_step_pre_hook(lambda optimizer, *_: taken.append(optimizer))
    yield taken
    hook.remove()


def state_of(names: dict[str, Any]) -> list[Any]:
    tensors = [*names["model"].state_dict().values(), *names["module"].state_dict().values()]
    rates = [group["lr"] for group in names["optimizer"].param_groups]
    return [[tensor.clone() for tensor in tensors], rates, names["module"].lr, names["model"].training]


def same(before: list[Any], after: list[Any]) -> bool:
    return before[1:] == after[1:] and all(map(torch.equal, before[0], after[0]))


def error_of(typed: str, names: dict[str, Any]) -> Exception:
    try:
        exec(typed, dict(names))
    except Exception as error:
        return error
    pytest.fail(f"{typed} raises nothing")


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.typed)
def test_a_mistake_is_named_with_what_to_do_before_the_first_step(
    at_hand: dict[str, Any], steps: list[object], mistake: Mistake
) -> None:
    before = state_of(at_hand)
    error = error_of(mistake.typed, at_hand)
    expected = getattr(errors, mistake.error, None) or getattr(builtins, mistake.error)
    assert isinstance(error, expected), repr(error)
    message = str(error)
    assert [words for words in mistake.says if words not in message] == [], message
    assert [words for words in mistake.never if words in message] == [], message
    if not isinstance(error, (AttributeError, ImportError)) and type(error) is not TypeError:
        assert isinstance(error, lrrange.LRRangeError)
        assert RAW.search(message) is None, message
    assert steps == []
    assert same(before, state_of(at_hand))


def test_there_are_more_than_eighty_mistakes_and_each_is_there_once() -> None:
    typed = [mistake.typed for mistake in MISTAKES]
    assert len(typed) > 80
    assert len(set(typed)) == len(typed)


# The lines that messages advise, with the mistakes whose messages have them.
LINES = [
    "find_lr(model, optimizer=optimizer, loss_fn=loss_fn, loader=loader)",
    "find_lr(step, optimizer=optimizer, restore=model)",
    "find_lr(trainer, model=model, train_dataloaders=loader)",
    "find_lr(trainer, model=model, datamodule=datamodule)",
]


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec")  # Lightning's, on small data
@pytest.mark.parametrize("line", LINES)
def test_a_line_that_a_message_advises_works(at_hand: dict[str, Any], line: str) -> None:
    messages = [str(error_of(mistake.typed, at_hand)) for mistake in MISTAKES if "find_lr(" in mistake.typed]
    assert any(line in message for message in messages)
    names = workplace()
    if "trainer" in line:
        names["model"] = names["module"]
    assert eval(line, names).provenance.steps_run > 0


def test_a_result_without_hints_for_what_python_and_notebooks_look_for(at_hand: dict[str, Any]) -> None:
    result = at_hand["result"]
    for name in ("__deepcopy__", "_repr_png_", "_ipython_canary_method_should_not_exist_"):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'$"):
            getattr(result, name)


def rows_of_the_page(pattern: str) -> list[tuple[str, str]]:
    found = re.findall(pattern, (DOCS / "help" / "migration.md").read_text(), re.M)
    assert found
    return found


@pytest.mark.parametrize(("there", "here"), rows_of_the_page(r"^\| [\w-]+ `(\w+)=` \| `(.+)` \|$"))
def test_an_option_on_the_page_of_other_finders_is_answered_with_what_is_beside_it(
    at_hand: dict[str, Any], there: str, here: str
) -> None:
    error = error_of(f"find_lr(model, {there}=None, **good)", at_hand)
    assert isinstance(error, errors.OptionError)
    assert here in str(error)


@pytest.mark.parametrize(("there", "here"), rows_of_the_page(r"^\| `(\w+)` \| `([\w.]+)` \|$"))
def test_an_object_on_the_page_of_other_finders_is_answered_with_what_is_beside_it(
    at_hand: dict[str, Any], there: str, here: str
) -> None:
    for typed in (f"lrrange.{there}", f"from lrrange import {there}"):
        assert here in str(error_of(typed, at_hand))
