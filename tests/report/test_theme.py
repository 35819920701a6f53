"""The colours of a report stand out from its background, in the page as in the charts."""

import pytest

from lrrange.report.html_report.document import _style
from lrrange.report.html_report.theme import DARK, LIGHT, SERIES, look_of


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("background", ["paper", "card"])
@pytest.mark.parametrize("ink", ["ink", "muted", *SERIES])
def test_text_and_lines_stand_out(theme, background, ink):
    assert contrast(theme[ink], theme[background]) >= 4.5


def test_both_themes_have_the_same_names_and_the_page_has_all_of_them():
    assert LIGHT.keys() == DARK.keys()
    for name, value in {**LIGHT, **DARK}.items():
        assert f"--{name}:{value}" in _style()


def test_no_two_of_many_curves_look_alike():
    looks = {(color, tuple(dash)) for color, dash in map(look_of, range(18))}
    assert len(looks) == 18
