"""Text from elsewhere is made safe to print in one place, and stays readable."""

import pickle
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrrange.errors import LoadError, LRRangeError
from lrrange.printable import printable

ATTACKS = {
    "colour": "\x1b[31mred",
    "clear screen": "\x1b[2J\x1b[H",
    "hyperlink": "\x1b]8;;http://example.com\x1b\\here\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "title": "\x1b]0;title\x07",
    "one-byte control sequence": "\x9b31mred",
    "one-byte operating system command": "\x9d52;c;eA==\x9c",
    "carriage return": "harmless\rError",
    "backspace": "safe\x08\x08\x08\x08",
    "bidi override": "lr=\u202e1.0",
    "bidi isolate": "\u2066lr\u2069",
    "zero width": "mid\u200bway",
    "byte order mark": "\ufeffmidway",
    "line separator": "one\u2028two",
    "lone surrogate": "half \ud800",
    "null": "one\0two",
    "delete": "one\x7f",
}


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_nothing_that_acts_on_a_terminal_or_a_page_is_left(text):
    shown = printable(text)
    assert shown.isprintable()
    assert shown != text
    shown.encode()


@pytest.mark.parametrize(
    "text", ["", "midway", "one\ntwo\tthree", "größer 3 µs, 学习率, \u00a0 \u3000", "[red] $x$ <b> \\x1b", "🙂"]
)
def test_text_that_does_nothing_is_left_as_it_is(text):
    assert printable(text) == text


@given(st.text(st.characters()))
def test_text_is_made_printable_once_and_for_all(text):
    shown = printable(text)
    assert printable(shown) == shown
    kept = {char for char in shown if not char.isprintable()}
    assert all(char in "\n\t" or unicodedata.category(char) == "Zs" for char in kept)


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_every_error_of_lrrange_has_a_printable_message(text):
    error = LoadError(f"file: {text}", path=text)
    assert str(error) == f"file: {printable(text)}"
    assert error.path == text
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(LRRangeError()) == ""
