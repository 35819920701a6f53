"""A report without a browser: what its file holds, and what it may do."""

import base64
import hashlib
import itertools
import json
import re
import sys

import pytest

import lrrange
from benchmarks.report.load_time import PAGE, RESULTS, rendered
from lrrange.errors import MissingExtra, OptionError, SaveError
from lrrange.report.formatting import format_rate
from tests.report.conftest import HOSTILE, MADE, falling, result_of
from tests.report.parsed import Parsed


@pytest.fixture(params=MADE)
def name(request):
    return request.param


@pytest.fixture
def text(file_of, name):
    return file_of(name).read_text(encoding="utf-8")


@pytest.fixture
def parsed(text):
    return Parsed(text)


def data_of(parsed):
    return [
        json.loads(script.text)
        for script in parsed.all("script")
        if script.attributes.get("type") == "application/json"
    ]


def scripts_of(parsed):
    return [script.text for script in parsed.all("script") if "type" not in script.attributes]


def test_every_element_is_closed_and_every_id_is_there_once(parsed):
    assert parsed.mistakes == []
    ids = [element.attributes["id"] for element in parsed.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))


def test_the_policy_allows_these_scripts_and_this_style_and_nothing_else(parsed):
    (policy,) = [
        meta.attributes["content"]
        for meta in parsed.all("meta")
        if meta.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    (style,) = parsed.all("style")
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed["default-src"] == "'none'"
    assert allowed["img-src"] == "data:"
    assert allowed["script-src"] == " ".join(map(hash_of, scripts_of(parsed)))
    assert allowed["style-src"] == hash_of(style.text)
    assert "unsafe" not in policy


def hash_of(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_nothing_is_loaded_from_elsewhere_and_no_attribute_acts(parsed):
    for element in parsed.elements:
        for attribute, value in element.attributes.items():
            assert not attribute.startswith("on"), (element.tag, attribute)
            assert attribute != "style", element.tag
            if attribute in ("src", "srcset", "href", "action", "data", "poster", "formaction"):
                assert value.startswith(("#", "data:image/svg+xml;base64,")), (element.tag, attribute, value[:80])
    assert "@import" not in parsed.all("style")[0].text
    assert "url(" not in parsed.all("style")[0].text


def test_it_is_read_in_order_by_landmarks_and_headings(parsed, name):
    assert len(parsed.all("main")) == 1
    levels = [int(element.tag[1]) for element in parsed.all("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert len(parsed.all("nav")) == (name in ("several", "mixed"))
    assert parsed.all("html")[0].attributes["lang"] == "en"
    assert parsed.all("title")[0].text


def test_every_input_has_a_label_and_every_picture_and_chart_a_text(parsed):
    labelled = {label.attributes["for"]: label.text for label in parsed.all("label")}
    for element in parsed.all("input"):
        assert labelled[element.attributes["id"]].strip()
    for button in parsed.all("button"):
        assert button.text.strip() or button.attributes.get("aria-label")
    assert parsed.all("img")
    for number, picture in enumerate(parsed.all("picture")):
        assert picture.tag, number
    for figure in parsed.all("figure"):
        assert figure.text.strip()
    charts = [element for element in parsed.elements if element.attributes.get("role") == "img"]
    assert charts
    assert all(len(chart.attributes["aria-label"]) > 20 for chart in charts)
    assert all("alt" in image.attributes for image in parsed.all("img"))


def test_its_json_can_be_read_and_has_a_text_for_each_position(parsed):
    assert data_of(parsed)
    for data in data_of(parsed):
        assert len(data["readouts"]) == len(data["positions"])
        assert data["positions"] == sorted(data["positions"])
        for chart in data["charts"]:
            assert "url" not in json.dumps(chart["data"])


def test_the_same_value_gives_the_same_bytes(made, file_of, name, tmp_path):
    again = tmp_path / "again.html"
    lrrange.write_report(made(name), again)
    assert again.read_bytes() == file_of(name).read_bytes()


def test_the_numbers_are_those_of_the_result(made, file_of):
    result, parsed = made("result"), Parsed(file_of("result").read_text(encoding="utf-8"))
    (main,) = parsed.all("main")
    for rate in (result.lr, *result.interval, *result.range, *(answer.lr for answer in result.answers)):
        assert format_rate(rate) in main.text
    assert result.verdict.word in main.text
    for reason in result.verdict.reasons:
        assert reason in main.text
    (data,) = data_of(parsed)
    assert data["positions"] == list(result.curve.lr)
    points = [row for source in data["charts"][0]["data"] if source["name"] == "curve" for row in source["values"]]
    highest = max(row["y"] for row in points)  # far above the chart, where a divergence has left it
    assert highest > 2 * result.curve.start
    assert [row["y"] for row in points] == pytest.approx([min(loss, highest) for loss in result.curve.loss], rel=1e-9)
    assert [row["s"] for row in points] == pytest.approx(
        [min(loss, highest) for loss in result.curve.smoothed], rel=1e-9
    )
    assert data["readouts"][7].startswith(f"Step 8 of 200: learning rate {format_rate(result.curve.lr[7])}, loss ")


def test_a_refusal_says_why_and_what_to_do(made, file_of):
    result, (main,) = made("refusal"), Parsed(file_of("refusal").read_text(encoding="utf-8")).all("main")
    finding, _, remedy = str(result.refusal).partition(". ")
    assert "No learning rate" in main.text
    assert finding[1:] in main.text
    assert remedy[1:] in main.text
    assert "result.apply" not in main.text


def test_the_rates_of_the_groups_are_in_a_table_and_at_every_step(made, file_of):
    result, parsed = made("groups"), Parsed(file_of("groups").read_text(encoding="utf-8"))
    assert format_rate(result.lr * 0.1) in parsed.all("main")[0].text
    assert "SGD: 1.00e-05 (10 times)" in data_of(parsed)[0]["readouts"][0]


def test_a_metric_and_its_loss_are_two_charts_with_one_cursor(file_of):
    (data,) = data_of(Parsed(file_of("metric").read_text(encoding="utf-8")))
    assert len(data["charts"]) == 2
    assert "accuracy 0.4" in data["readouts"][0]
    assert "loss 2." in data["readouts"][0]


def test_trials_sweeps_settings_and_policies_are_all_there(made, file_of):
    texts = {name: Parsed(file_of(name).read_text(encoding="utf-8")).all("main")[0].text for name in MADE}
    for trial in made("confirmed").confirmation.trials:
        assert format_rate(trial.lr) in texts["confirmed"]
    assert "each of 3 sweeps" in texts["repeats"]
    for cell in made("grid"):
        assert cell.label in texts["grid"]
    for policy in made("comparison").policies:
        assert policy.name in texts["comparison"]
    assert "one-cycle wins" in texts["comparison"]
    assert "All together" in texts["several"]
    assert "All together" not in texts["mixed"]


def test_text_of_users_is_shown_and_does_not_act(file_of):
    text = file_of("several").read_text(encoding="utf-8")
    parsed = Parsed(text)
    shown = HOSTILE.replace("\u202e", "\\u202e")
    assert shown in parsed.all("main")[0].text
    assert shown in parsed.all("nav")[0].text
    assert HOSTILE not in text
    assert not [image for image in parsed.all("img") if image.attributes.get("src") == "x"]
    assert len(scripts_of(parsed)) == 2


@pytest.mark.parametrize("name", ["result", "grid", "comparison"])
def test_every_value_writes_its_own_report(made, file_of, name, tmp_path):
    made(name).report(tmp_path / "x.html")
    assert (tmp_path / "x.html").read_bytes() == file_of(name).read_bytes()


def test_the_page_shows_the_times_that_were_measured():
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert rendered(rows) in PAGE.read_text(encoding="utf-8")


def test_a_title_of_the_user_is_the_heading(made, tmp_path):
    made("result").report(tmp_path / "x.html", title=HOSTILE)
    parsed = Parsed((tmp_path / "x.html").read_text(encoding="utf-8"))
    assert parsed.all("h1")[0].text == HOSTILE.replace("\u202e", "\\u202e")
    assert format_rate(made("result").lr) in parsed.all("title")[0].text


@pytest.mark.parametrize(
    "losses",
    [
        [1.0],
        [float("nan")] * 5,
        [1e300, -1e308, float("nan"), float("inf"), -float("inf"), 0.0, 1e-320] * 10,
        [-5.0 - i for i in range(40)],
        [0.0] * 40,
        [2.0 - 1e-13 * i for i in range(60)],
    ],
    ids=["one point", "NaN alone", "huge", "negative", "constant", "nearly constant"],
)
def test_any_losses_make_a_report(losses, tmp_path):
    result = result_of(losses, stop_reason=lrrange.StopReason.INTERRUPTED)
    result.report(tmp_path / "x.html")
    parsed = Parsed((tmp_path / "x.html").read_text(encoding="utf-8"))
    assert parsed.mistakes == []
    (data,) = data_of(parsed)
    assert len(data["positions"]) == len(losses)


def test_a_sweep_without_a_step_makes_a_report(tmp_path):
    result_of([], stop_reason=lrrange.StopReason.INTERRUPTED).report(tmp_path / "x.html")
    assert "No learning rate" in (tmp_path / "x.html").read_text(encoding="utf-8")


def test_ten_thousand_steps_are_thinned_and_every_peak_stays(tmp_path):
    result = falling(10_000)
    result.report(tmp_path / "x.html")
    parsed = Parsed((tmp_path / "x.html").read_text(encoding="utf-8"))
    (data,) = data_of(parsed)
    rows = next(source["values"] for source in data["charts"][0]["data"] if source["name"] == "curve")
    assert 1000 < len(rows) == len(data["positions"]) <= 2000
    assert {0, 9999} <= {row["i"] for row in rows}
    assert min(result.curve.loss) == pytest.approx(min(row["y"] for row in rows))
    assert "10,000 steps, drawn by at most 2,000 points" in parsed.all("main")[0].text
    assert (tmp_path / "x.html").stat().st_size < 2_500_000


def test_without_vl_convert_the_extra_is_named_before_anything_is_written(made, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    (tmp_path / "x.html").write_text("before")
    with pytest.raises(MissingExtra, match=re.escape("pip install 'lrrange[report]'")):
        made("result").report(tmp_path / "x.html")
    assert (tmp_path / "x.html").read_text() == "before"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (5, "not an int"),
        ("result.json", "not a str"),
        ([], "a report of nothing"),
        ({"a": 5}, "not an int"),
    ],
)
def test_what_is_no_result_is_refused(values, message, tmp_path):
    with pytest.raises(OptionError, match=message):
        lrrange.write_report(values, tmp_path / "x.html")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_is_an_error_of_lrrange(made, tmp_path):
    with pytest.raises(SaveError, match="the report could not be written"):
        made("result").report(tmp_path / "missing" / "x.html")
    with pytest.raises(OptionError, match="not the path of a file"):
        made("result").report(5)
