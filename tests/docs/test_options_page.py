"""docs/reference/find_lr.md has every option of `find_lr`, with its type and default."""

import re
from collections.abc import Callable
from typing import Any

import lrrange_lightning.driver
import lrrange_transformers.driver
import pytest
from lrrange_jax.adapters import objects_step, state_step
from lrrange_keras.fit_driver import FitDriver
from lrrange_sklearn.estimator_step import EstimatorStep
from lrrange_sklearn.net_step import NetStep
from lrrange_torch.loader_step import LoaderStep
from lrrange_torch.own_rate_step import OwnRateStep
from lrrange_torch.own_step import OwnStep

from lrrange.finder import Settings
from tests.docs.pages import DOCS, section
from tests.docs.signatures import written_options

PAGE = DOCS / "reference" / "find_lr.md"


def terms(text: str) -> list[str]:
    """Return the lines that are followed by a definition."""
    return re.findall(r"^(`.*)\n: ", text, re.M)


@pytest.mark.parametrize(
    ("heading", "functions", "target"),
    [
        ("## Options of every sweep", [Settings], ()),
        ("## Options for a model", [LoaderStep], ("model",)),
        ("## Options for a step of your own", [OwnStep, OwnRateStep], ("step",)),
        ("## Options for a Lightning Trainer", [lrrange_lightning.driver.TrainerDriver], ("trainer",)),
        ("## Options for a Hugging Face Trainer", [lrrange_transformers.driver.TrainerDriver], ("trainer", "inside")),
        ("## Options for a step of JAX", [state_step, objects_step], ("train_step",)),
        ("## Options for a Keras model", [FitDriver], ("model",)),
        ("## Options for a scikit-learn estimator", [EstimatorStep], ("target",)),
        ("## Options for a skorch net", [NetStep], ("target",)),
    ],
)
def test_every_option_is_described_with_its_type_and_default(
    heading: str, functions: list[Callable[..., Any]], target: tuple[str, ...]
) -> None:
    wanted = [line for function in functions for line in written_options(function, *target)]
    assert sorted(terms(section(PAGE, heading))) == sorted(wanted)


def test_every_option_is_under_one_of_these_headings() -> None:
    headings = re.findall(r"^## (.*)$", PAGE.read_text(), re.M)
    described = [term for heading in headings for term in terms(section(PAGE, f"## {heading}"))]
    assert terms(PAGE.read_text()) == described
