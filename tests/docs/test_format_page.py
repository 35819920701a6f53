"""docs/reference/format.md says what is in a file, and its example is one."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import lrrange
from lrrange.result import dumps
from tests.docs.pages import DOCS, blocks, section

PAGE = DOCS / "reference" / "format.md"

# Whatever the backend or the error has to say: these hold any names.
FREE_FORM = (
    "result.provenance.versions",
    "result.provenance.details",
    "result.answers[].numbers",
    "result.answers[].read",
)


class Loop:
    """A loss that falls around 1e-3 and climbs from 0.1 on, with a NaN in it."""

    def __init__(self, end: float = math.inf) -> None:
        self.end = end

    def step(self, lr: float) -> float:
        return math.nan if 0.9e-3 < lr < 1e-3 else 1 / (1 + 1000 * lr) + min(lr, self.end) ** 2

    def snapshot(self) -> None:
        return None

    def restore(self, state: None) -> None:
        pass

    def seed(self, value: int) -> None:
        pass


def paths(value: Any, path: str = "") -> set[str]:
    """Every field in a document, as the page writes them."""
    found = {path} if path and not path.endswith("[]") else set()
    if isinstance(value, dict) and path not in FREE_FORM:
        for key, item in value.items():
            found |= paths(item, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for item in value:
            found |= paths(item, f"{path}[]")
    return found


@pytest.fixture
def example() -> str:
    ((_, text, _),) = blocks(PAGE.read_text(), "json")
    return text


def refuse(curve: lrrange.Curve) -> float:
    raise lrrange.NoSuggestion("on purpose")


def fields_on_the_page() -> set[str]:
    """Return every field that the page describes: under ### `result.plan`, `num_steps` is `result.plan.num_steps`."""
    parts = re.split(r"^### (.*)$", section(PAGE, "## Fields"), flags=re.M)[1:]
    return {
        f"{heading.strip('`')}.{name}" if heading.startswith("`") else name
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
        for term in re.findall(r"^(`.*)\n: ", text, re.M)
        for name in re.findall(r"`([\w.\[\]]+)`", term)
    }


def test_the_page_describes_every_field_of_real_files_and_no_other(tmp_path: Path) -> None:
    whole = lrrange.find_lr(Loop(), repeats=2, confirm=True, confirm_steps=90)
    refused = lrrange.find_lr(Loop(), heuristic=refuse)
    fields: set[str] = set()
    for number, result in enumerate((whole, refused)):
        result.save(tmp_path / f"{number}.json")
        fields |= paths(json.loads((tmp_path / f"{number}.json").read_text()))
    assert fields_on_the_page() == fields


def test_the_details_have_every_fact_that_lrrange_and_its_torch_backend_report() -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = [(torch.ones(4, 2), torch.ones(4, 1))] * 4

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(loader[0][0]), loader[0][1])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    of_loader = lrrange.find_lr(
        model, optimizer=optimizer, loss_fn=torch.nn.functional.mse_loss, loader=loader, num_steps=20
    )
    of_step = lrrange.find_lr(step, optimizer=optimizer, restore=model, num_steps=20)
    results = (lrrange.find_lr(Loop(), repeats=2), of_loader, of_step)
    reported = {key for result in results for key in result.provenance.details}
    terms = re.findall(r"^(`.*)\n: ", section(PAGE, "## Details"), re.M)
    assert reported
    assert reported <= {key for term in terms for key in re.findall(r"`(\w+)`", term)}


def test_the_example_is_a_file_that_load_reads_and_save_would_write(example: str, tmp_path: Path) -> None:
    (tmp_path / "example.json").write_text(example)
    written = json.loads(dumps(lrrange.load(tmp_path / "example.json")))
    assert written == json.loads(example) | {"lrrange": written["lrrange"]}


def test_the_example_shows_a_gap_a_suggestion_and_a_refusal(example: str) -> None:
    result = json.loads(example)["result"]
    assert "nan" in result["curve"]["loss"]
    assert {"reason" in answer for answer in result["answers"]} == {True, False}
