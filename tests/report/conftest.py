"""Values to report, each made once, and a browser that opens their files."""

import math
import random
import shutil

import attrs
import pytest

import lrrange
from lrrange.advice.heuristics import HEURISTICS
from lrrange.advice.readings import read_answers, read_ranges
from tests.prints.values import a_comparison, a_grid, a_refusal, a_result

pytest.importorskip("vl_convert", reason="a report needs vl-convert-python")

CHROMIUM = shutil.which("chromium")

# Text of a user's that acts on a page, if it is not escaped.
HOSTILE = "</script><img src=x onerror=alert(1)> \"quoted\" & 'single' \u05e2\u05d1\u05e8\u05d9\u05ea \u202e \U0001f600"


def result_of(losses, lr=None, **fields):
    """Return a range test with these losses, at rates from 1e-6 to 10."""
    plan = lrrange.SweepPlan(start_lr=1e-6, end_lr=10.0, num_steps=max(len(losses), 2))
    curve = lrrange.Curve(lr=lr or plan.rates[: len(losses)], loss=losses)
    return lrrange.RangeTestResult(
        plan=plan,
        curve=curve,
        stop_reason=fields.pop("stop_reason", lrrange.StopReason.COMPLETED),
        provenance=lrrange.Provenance(backend="test", details=fields.pop("details", {})),
        answers=read_answers(curve, HEURISTICS),
        ranges=read_ranges(curve),
        **fields,
    )


def loss_at(part):
    """Return a loss that falls in the middle of a sweep and blows up at its end."""
    return 2.3 - 2.0 / (1 + math.exp(-18 * (part - 0.5))) + max(0.0, math.exp(14 * (part - 0.82)) - 1)


def falling(steps=200, noise=0.03, **fields):
    """Return a range test whose loss falls and blows up."""
    dice = random.Random(0)
    return result_of([loss_at(i / steps) + dice.gauss(0, noise) for i in range(steps)], **fields)


def with_groups():
    details = {"optimizer": "Adam, SGD", "group_ratios": [1.0, 0.1, 10.0], "group_rates": [[1e-3, 1e-4], [1e-2]]}
    return falling(details=details)


def with_metric():
    """Return a range test of an accuracy, whose loss was recorded, too."""
    made = falling()
    accuracy = [1 - loss / 4 for loss in made.curve.loss]
    curve = lrrange.Curve(
        lr=made.curve.lr,
        loss=[-value for value in accuracy],
        quantity=lrrange.sweep.curve.Quantity(name="accuracy", higher_is_better=True),
        also=made.curve,
    )
    return attrs.evolve(made, curve=curve, answers=read_answers(curve, HEURISTICS), ranges=read_ranges(curve))


MADE = {
    "result": falling,
    "refusal": a_refusal,
    "groups": with_groups,
    "metric": with_metric,
    "confirmed": lambda: a_result(confirm=True),
    "repeats": lambda: a_result(repeats=3),
    "grid": a_grid,
    "comparison": a_comparison,
    "several": lambda: {"first": falling(), HOSTILE: falling(noise=0.1), "flat": a_refusal()},
    "mixed": lambda: [falling(), a_grid(), a_comparison()],
}


@pytest.fixture(scope="session")
def made():
    """Return a value by its name, made once."""
    values = {}

    def make(name):
        if name not in values:
            values[name] = MADE[name]()
        return values[name]

    return make


@pytest.fixture(scope="session")
def file_of(made, tmp_path_factory):
    """Return the report of a value, by its name, written once."""
    folder = tmp_path_factory.mktemp("reports")

    def write(name):
        path = folder / f"{name}.html"
        if not path.exists():
            lrrange.write_report(made(name), path)
        return path

    return write


@pytest.fixture(scope="session")
def chromium():
    if CHROMIUM is None:
        pytest.skip("there is no chromium to open a report with")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@attrs.define
class Opened:
    """A page in the browser, and what it said and asked for."""

    page: object
    messages: list = attrs.field(factory=list)
    requests: list = attrs.field(factory=list)


@pytest.fixture
def opened(chromium, file_of):
    """Open the report of a value, by its name, and wait until its charts are there."""
    contexts = []

    def open_report(name, width=1000, height=1000, **options):
        path = file_of(name) if isinstance(name, str) else name
        contexts.append(chromium.new_context(viewport={"width": width, "height": height}, **options))
        opened = Opened(page=contexts[-1].new_page())
        opened.page.on("console", lambda message: opened.messages.append(message.text))
        opened.page.on("pageerror", lambda error: opened.messages.append(str(error)))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(path.as_uri())
        if options.get("java_script_enabled", True):
            opened.page.wait_for_selector("html.ready")
        return opened

    yield open_report
    for context in contexts:
        context.close()
