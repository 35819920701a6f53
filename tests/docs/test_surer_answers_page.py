"""The figures of the page on surer answers are those of the stored measurements."""

import json
import re

from tests.docs.pages import DOCS, ROOT, section

PAGE = DOCS / "guides" / "surer-answers.md"
FINDERS = json.loads((ROOT / "benchmarks" / "quality" / "results" / "report.json").read_text())["bank"]["finders"]

# The rows of the table, by the first of its columns.
ROWS = {
    "none": "lrrange",
    "`train_steps=`": "lrrange_train_steps",
    "`confirm=True`": "lrrange_confirm",
    "both": "lrrange_confirm_train_steps",
}


def percent(part: float) -> str:
    return f"{100 * part:.0f}%"


def test_the_table_has_what_was_measured_of_each_option() -> None:
    table = [line.strip("| ").split(" | ") for line in section(PAGE, "## What they gain").splitlines() if "|" in line]
    shown = {row[0]: row[1:] for row in table if row[0] in ROWS}
    for options, name in ROWS.items():
        measured = FINDERS[name]
        regret, coverage = measured["regret"], measured["coverage"]
        confident, _ = measured["confident_and_bad"]
        assert shown[options] == [
            f"{regret['mean']:.3f}",
            percent(sum(regret["bad"].values()) / len(regret["bad"])),
            percent(confident / coverage["answers"]),
            f"{coverage['width']:.1f}",
            f"{measured['steps']['forwards']:.0f}",
        ]


def test_the_sentences_below_the_table_have_what_was_measured() -> None:
    text = " ".join(section(PAGE, "## What they gain").split())
    confirmed, swept = FINDERS["lrrange_confirm_train_steps"], FINDERS["lrrange_train_steps"]
    confident, bad = confirmed["confident_and_bad"]
    assert f"with both options, {percent(bad / confident)} of them are bad" in text
    assert f"for {percent(confirmed['coverage']['inside'])} of the answers" in text
    assert f"does for {percent(swept['coverage']['inside'])}" in text
    (tasks,) = re.findall(r"means over the (\d+) trainings", text)
    report = json.loads((ROOT / "benchmarks" / "quality" / "results" / "report.json").read_text())
    assert int(tasks) == report["bank"]["tasks"]
