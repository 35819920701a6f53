"""The recipes of docs/frameworks/recipes.md: the code of each, run as a reader pastes it."""

import importlib
import random
import re
import warnings
from collections.abc import Iterator
from typing import Any

import attrs
import numpy
import pytest
import torch
from matplotlib import pyplot

from lrrange import RangeTestResult
from tests.docs.pages import DOCS, blocks, without_hidden_cells

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of these packages themselves, when they are imported
    for _name in ("fastai.callback.schedule", "fastai.callback.training", "monai.engines", "torch_geometric.nn"):
        importlib.import_module(_name)

PAGE = DOCS / "frameworks" / "recipes.md"
_SETTING, *_RECIPES = re.split(r"^## ", without_hidden_cells(PAGE.read_text(encoding="utf-8")), flags=re.M)
RECIPES = {text.partition("\n")[0]: [code for _, code, _ in blocks(text, "python")] for text in _RECIPES}


@attrs.define
class Recipe:
    """One recipe of the page: a training, the sweep of it, and the training at the rate that was found."""

    name: str
    namespace: dict[str, Any] = attrs.field(factory=dict)
    never_swept: list[float] = attrs.field(factory=list)

    @property
    def result(self) -> RangeTestResult:
        return self.namespace["result"]

    def paste(self, *parts: int) -> dict[str, Any]:
        """Run these parts of the recipe. The first comes after the setting of the page, in a new namespace."""
        for part in parts:
            if part == 0:
                random.seed(0)
                numpy.random.seed(0)
                self.namespace = {"__name__": "recipe"}
                ((_, setting, _),) = blocks(_SETTING, "python")
                exec(compile(setting, PAGE, "exec"), self.namespace)
            exec(compile(RECIPES[self.name][part], f"{PAGE.name}, {self.name}", "exec"), self.namespace)
        return self.namespace

    def losses(self) -> list[float]:
        """Return the losses of the training's next pass, of 20 steps or more."""
        losses = [float(loss) for loss in self.namespace["train"]()]
        assert len(losses) >= 20
        return losses


@pytest.fixture(scope="module", params=RECIPES)
def recipe(request: pytest.FixtureRequest) -> Iterator[Recipe]:
    """The recipe, trained for one pass from its start without a sweep, and once more to the end of the sweep."""
    pyplot.switch_backend("Agg")
    state = torch.get_rng_state()
    pasted = Recipe(request.param)
    pasted.paste(0)
    pasted.never_swept = pasted.losses()
    pasted.paste(0, 1)
    yield pasted
    pyplot.close("all")
    torch.set_rng_state(state)
