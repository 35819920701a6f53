"""Loading: a file is read as a result, or refused with the reason."""

import copy
import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lrrange import Suggestion, find_lr, load
from lrrange.errors import LoadError
from lrrange.result import dumps
from lrrange.storage.documents import SCHEMA
from tests.core.strategies import Landscape, json_values, results
from tests.core.training import Loop, SeededLoop

WHOLE = dumps(find_lr(SeededLoop(Landscape(noise=0.02)), num_steps=30, confirm=True, repeats=2, seed=1))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Write these bytes, or this document, to a file and load it."""
    path = tmp_path_factory.mktemp("load") / "result.json"

    def write_and_load(content):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        path.write_bytes(content)
        return load(path)

    write_and_load.path = path
    return write_and_load


def changed(*path, to):
    """Return the document with the value at this path replaced."""
    document = json.loads(WHOLE)
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = to
    return document


def places(value, path=()):
    """Yield the path of every value inside."""
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from places(inner, (*path, key))


# Of a long list of numbers, the first two stand for all.
PLACES = [path for path in places(json.loads(WHOLE)) if not (isinstance(path[-1], int) and path[-1] > 1)]


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.json")


def test_a_folder_is_an_os_error(tmp_path):
    with pytest.raises(OSError):  # noqa: PT011  which one depends on the system
        load(tmp_path)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_file_that_was_cut_short_is_refused_and_asked_about(loaded, part):
    with pytest.raises(LoadError, match="is not JSON.*Was it cut short") as caught:
        loaded(WHOLE[: int(part * len(WHOLE))].rstrip().encode())
    assert caught.value.path == str(loaded.path)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"\xff\xfe{}", b"lr: 0.1", b"[" * 100_000, b"NaN"])
def test_a_file_that_is_no_json_is_refused(loaded, content):
    with pytest.raises(LoadError, match="is not JSON"):
        loaded(content)


@pytest.mark.parametrize("document", [{}, [], 3, None, "lrrange result", {"format": "something else"}, {"schema": 1}])
def test_json_of_something_else_is_refused(loaded, document):
    with pytest.raises(LoadError, match="not a result that lrrange saved"):
        loaded(document)


@pytest.mark.parametrize("schema", [0, 5, 99, None, "1", [1], {}])
def test_a_schema_that_this_version_does_not_know_is_refused_with_the_version_that_wrote_it(loaded, schema):
    document = changed("schema", to=schema) | {"lrrange": "9.9"}
    with pytest.raises(LoadError, match="written by lrrange 9.9.*reads schema 1 to 4.*Install that version") as caught:
        loaded(document)
    assert caught.value.schema == schema


def test_a_file_from_before_answers_said_what_they_read_is_loaded_without_it(loaded):
    document = json.loads(WHOLE) | {"schema": 2}
    for answer in document["result"]["answers"]:
        answer.pop("read", None)
    result = loaded(document)
    assert not any(answer.read for answer in result.answers if isinstance(answer, Suggestion))
    assert result.lr == pytest.approx(loaded(WHOLE.encode()).lr)


def test_a_document_without_its_result_is_refused(loaded):
    document = json.loads(WHOLE)
    del document["result"]
    with pytest.raises(LoadError, match="damaged result"):
        loaded(document)


@pytest.mark.parametrize(
    "path", [("result",), ("result", "plan"), ("result", "curve"), ("result", "answers", 0), ("result", "provenance")]
)
def test_a_key_too_many_is_refused(loaded, path):
    document = json.loads(WHOLE)
    at = document
    for key in path:
        at = at[key]
    at["added_later"] = 1
    with pytest.raises(LoadError, match="damaged result.*added_later"):
        loaded(document)


BROKEN = {
    "a rate that falls": (("result", "curve", "lr", 1), 1e-9),
    "a rate of zero": (("result", "curve", "lr", 0), 0.0),
    "a rate that is true": (("result", "curve", "lr", 0), True),
    "a loss that is text": (("result", "curve", "loss", 0), "low"),
    "a loss that is null": (("result", "curve", "loss", 0), None),
    "a loss missing": (("result", "curve", "loss"), [1.0, 2.0]),
    "an end below the start": (("result", "plan", "end_lr"), 1e-9),
    "steps that are not whole": (("result", "plan", "num_steps"), 30.5),
    "more steps than floats": (("result", "plan", "num_steps"), 10**400),
    "a shape": (("result", "plan", "shape"), "cosine"),
    "a reason to stop": (("result", "stop_reason"), "tired"),
    "an answer of zero": (("result", "answers", 0, "lr"), 0.0),
    "a range that falls": (("result", "ranges", 0, "max_lr"), 1e-12),
    "a version that is a number": (("result", "provenance", "versions"), {"torch": 2}),
    "a seed that is text": (("result", "provenance", "seed"), "1"),
    "answers that are no list": (("result", "answers"), 3),
    "an interval below zero": (("result", "answers", 0, "low"), -1.0),
    "a flag that is a number": (("result", "confirmation", "held_out"), 1),
    "a confirmation without a trial": (("result", "confirmation", "trials"), []),
    "a confirmed peak that is no rate": (("result", "confirmation", "max_lr"), "nan"),
    "a trial at no rate": (("result", "confirmation", "trials", 0, "lr"), 0.0),
}


@pytest.mark.parametrize(("path", "value"), BROKEN.values(), ids=BROKEN)
def test_a_value_that_no_result_has_is_refused(loaded, path, value):
    with pytest.raises(LoadError, match="damaged result") as caught:
        loaded(changed(*path, to=value))
    assert caught.value.schema == SCHEMA


def test_nan_and_infinity_are_read_from_their_text_alone(loaded):
    result = loaded(changed("result", "curve", "loss", 0, to="inf"))
    assert result.curve.loss[0] == math.inf
    with pytest.raises(LoadError, match="damaged result"):
        loaded(changed("result", "curve", "loss", 0, to="Infinity"))
    with pytest.raises(LoadError, match="NaN is not a JSON number"):
        loaded(WHOLE.replace(f'"schema": {SCHEMA}', '"schema": NaN').encode())


def is_read_or_refused(loaded, content):
    """Check that only LoadError or OSError is raised, and that a result that is read can be used."""
    try:
        result = loaded(content)
    except (LoadError, OSError):
        return
    assert dumps(result)
    assert isinstance(result._repr_html_(), str)


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf{}")
@example(b'{"format": "\\ud800"}')
def test_whatever_the_bytes_they_are_read_or_refused(loaded, content):
    is_read_or_refused(loaded, content)


@given(json_values)
def test_whatever_the_json_it_is_read_or_refused(loaded, document):
    is_read_or_refused(loaded, document)


@given(st.sampled_from(PLACES), st.one_of(json_values, st.just(10**400), st.sampled_from(["nan", "inf", "-inf"])))
def test_whatever_one_value_is_changed_to_the_file_is_read_or_refused(loaded, path, value):
    is_read_or_refused(loaded, changed(*path, to=value))


@given(st.sampled_from(PLACES))
def test_whichever_value_is_missing_the_file_is_read_or_refused(loaded, path):
    document = copy.deepcopy(json.loads(WHOLE))
    at = document
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    is_read_or_refused(loaded, document)


@given(results(), st.data())
def test_whichever_bytes_of_a_file_are_damaged_it_is_read_or_refused(loaded, result, data):
    content = bytearray(dumps(result).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    is_read_or_refused(loaded, bytes(content))


def test_a_result_of_a_heuristic_that_is_not_there_any_more_is_read(loaded, tmp_path):
    def mine(curve):
        return curve.lr[-1]

    path = tmp_path / "mine.json"
    find_lr(Loop(), heuristic=mine).save(path)
    assert load(path).chosen.heuristic == "mine"
