"""A report in a real browser. `test_file.py` checks the same files where there is none."""

import re

import pytest

import lrrange
from lrrange.report.formatting import format_rate
from tests.report.conftest import HOSTILE, MADE, falling, result_of

# Waits until the charts show what was set.
_SETTLED = "() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))"


def marks(page):
    """Return the number of drawn symbols, lines and texts in the first figure."""
    page.evaluate(_SETTLED)
    return page.locator("figure").first.locator(".chart svg path, .chart svg line, .chart svg text").count()


def ticks(page):
    """Return the numbers at the axes of the first chart, in any order."""
    page.evaluate(_SETTLED)
    return sorted(page.locator(".chart").first.locator(".role-axis-label text").all_text_contents())


def readout(page):
    page.evaluate(_SETTLED)
    return page.locator("output").first.inner_text()


@pytest.mark.parametrize("name", MADE)
def test_it_opens_without_an_error_or_a_request_and_fits_a_phone(opened, name):
    opened = opened(name, width=400, height=800)
    assert opened.messages == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [opened.page.url]
    figures = opened.page.locator("figure")
    assert figures.count() == opened.page.locator("figure.live").count() > 0
    for chart in opened.page.locator(".chart").all():
        assert chart.locator("svg").bounding_box()["width"] > 300
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_pointing_at_the_chart_reads_the_nearest_step(opened, made):
    page, result = opened("result").page, made("result")
    page.locator("output").scroll_into_view_if_needed()
    box = page.locator(".chart svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 100)
    text = readout(page)
    step = int(re.match(r"Step (\d+) of 200", text)[1]) - 1
    lr, value = format_rate(result.curve.lr[step]), f"{result.curve.loss[step]:.4g}"
    assert f"learning rate {lr}, loss {value}, smoothed" in text
    assert f"{lr}: {value}" in page.locator(".chart svg").text_content()
    assert page.locator("input[type=range]").input_value() == str(step)
    # The rates are equally far apart, and so are the pixels.
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 100)
    further = int(re.match(r"Step (\d+)", readout(page))[1]) - 1
    assert 15 < further - step < 25


def test_a_tap_reads_the_nearest_step(opened):
    page = opened("result", width=400, has_touch=True).page
    page.locator(".chart svg").tap(position={"x": 200, "y": 100})
    assert readout(page).startswith("Step ")


def test_every_checkbox_changes_what_is_shown_and_back(opened):
    for name in ("result", "confirmed", "repeats", "several", "comparison"):
        page = opened(name).page
        for box in page.locator("figure").first.locator("input[type=checkbox]").all():
            before = marks(page)
            box.click()
            changed = marks(page)
            assert (changed < before) if not box.is_checked() else (changed > before), (name, box.get_attribute("id"))
            box.click()
            assert marks(page) == before


def test_buttons_zoom_around_the_answer_and_reset(opened, made):
    page, result = opened("result").page, made("result")
    whole = ticks(page)
    for _ in range(4):
        page.get_by_role("button", name="Zoom in").click()
    zoomed = ticks(page)
    assert zoomed != whole
    assert "lr " in page.locator(".chart svg").text_content()
    domain = page.evaluate(_DOMAIN)
    assert domain[0] < result.lr < domain[1] < 20 * domain[0]
    page.get_by_role("button", name="Zoom out").click()
    page.evaluate(_SETTLED)
    wider = page.evaluate(_DOMAIN)
    assert wider[1] / wider[0] > 1.5 * domain[1] / domain[0]
    page.get_by_role("button", name="Reset").click()
    assert ticks(page) == whole


# The rates at both ends of the chart, read by pointing there.
_DOMAIN = """() => {
  const svg = document.querySelector(".chart svg"), box = svg.getBoundingClientRect(), ends = [];
  for (const x of [box.left + 75, box.right - 20]) {
    svg.dispatchEvent(new PointerEvent("pointermove", {clientX: x, clientY: box.top + 50, bubbles: true}));
    ends.push(Number(document.querySelector("output").textContent.match(/learning rate (\\S+),/)[1]));
  }
  return ends;
}"""


def test_the_wheel_zooms_with_control_alone_and_dragging_moves(opened):
    page = opened("result").page
    whole = ticks(page)
    chart = page.locator(".chart svg")
    chart.hover(position={"x": 500, "y": 150})
    page.mouse.wheel(0, -200)
    assert ticks(page) == whole
    chart.hover(position={"x": 500, "y": 150})
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    zoomed = ticks(page)
    assert zoomed != whole
    chart.hover(position={"x": 500, "y": 150})
    page.mouse.down()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 150, steps=4)
    page.mouse.up()
    assert ticks(page) not in (whole, zoomed)


def test_all_can_be_done_with_the_keyboard(opened):
    page = opened("result").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert readout(page).startswith("Step 3 of 200")
    assert page.locator("input[type=range]").get_attribute("aria-valuetext") == readout(page)
    box = page.locator("input[type=checkbox]").first
    box.focus()
    before = marks(page)
    page.keyboard.press("Space")
    assert marks(page) < before
    zoom = page.get_by_role("button", name="Zoom in")
    whole = ticks(page)
    zoom.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    zoomed = ticks(page)
    assert zoomed != whole
    page.locator("input[type=range]").focus()
    page.keyboard.press("End")  # where the zoomed chart does not reach, so that it follows
    assert ticks(page) != zoomed


def test_the_code_can_be_copied(opened):
    page = opened("result", permissions=["clipboard-read", "clipboard-write"]).page
    page.get_by_role("button", name="Copy the code").last.click()
    page.locator(".copy", has_text="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("result.apply(optimizer)")


def test_dark_and_light_follow_the_reader_while_it_is_open(opened):
    page = opened("result", color_scheme="dark").page
    colour = "getComputedStyle(document.body).backgroundColor"
    line = "getComputedStyle(document.querySelector('.chart .mark-line path')).stroke"
    dark = page.evaluate(colour), page.evaluate(line)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(colour), page.evaluate(line)
    assert dark == ("rgb(20, 24, 29)", "rgb(92, 184, 240)")
    assert light == ("rgb(255, 255, 255)", "rgb(0, 114, 178)")


def test_paper_is_light_shows_everything_and_has_no_controls(opened):
    page = opened("result", color_scheme="dark").page
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("input:visible, button:visible").count() == 0
    assert page.locator(".chart svg").is_visible()
    assert page.get_by_text("smoothed loss", exact=True).is_visible()  # the legend
    assert not page.get_by_text("slide: ").is_visible()  # which is not drawn
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details dl").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_scripts_there_is_a_picture_and_no_dead_control(opened, scheme):
    page = opened("metric", java_script_enabled=False, color_scheme=scheme).page
    assert page.locator("picture img").count() == 2
    for picture in page.locator("picture img").all():
        assert picture.is_visible()
        assert picture.bounding_box()["width"] > 700
    assert page.locator("input:visible, button:visible").count() == 0
    assert page.get_by_text("smoothed accuracy", exact=True).is_visible()


def test_text_of_users_does_not_act(opened):
    opened = opened("several")
    assert opened.page.locator("nav a").nth(1).inner_text() == HOSTILE.replace("\u202e", "\\u202e")
    opened.page.locator("nav a").nth(2).click()
    assert opened.page.url.endswith("#part-3")
    assert opened.messages == []


@pytest.mark.parametrize(
    "result",
    [
        lambda: result_of([1.0], stop_reason=lrrange.StopReason.INTERRUPTED),
        lambda: result_of([], stop_reason=lrrange.StopReason.INTERRUPTED),
        lambda: result_of([float("nan")] * 5),
        lambda: result_of([1e300, -1e308, float("nan"), float("inf"), 0.0, 1e-320] * 10),
        lambda: falling(10_000),
    ],
    ids=["one point", "no point", "NaN alone", "huge", "ten thousand steps"],
)
def test_any_losses_are_drawn(opened, result, tmp_path):
    result().report(tmp_path / "x.html")
    opened = opened(tmp_path / "x.html")
    assert opened.messages == []
    assert opened.page.locator("figure.live .chart svg").is_visible()
    if opened.page.locator("input[type=range]").count():
        opened.page.locator("input[type=range]").focus()
        opened.page.keyboard.press("End")
        assert "learning rate 1.00e" in readout(opened.page)
    assert opened.messages == []
