import json

import attrs
import pytest

import lrrange as library


def test_a_saved_curve_answers_again_with_another_heuristic(saved, lrrange):
    run = lrrange("suggest", saved, "--heuristic", "min/10", "--json")
    result = library.load(saved)
    document = json.loads(run.stdout)["result"]
    assert run.exit_code == 0
    assert document["heuristic"] == "min/10"
    wanted = next(answer for answer in result.answers if answer.heuristic == "min/10")
    assert next(a["lr"] for a in document["answers"] if a["heuristic"] == "min/10") == wanted.lr


def test_fastais_names_are_accepted(saved, lrrange):
    assert json.loads(lrrange("suggest", saved, "--heuristic", "steep", "--json").stdout)["result"]["heuristic"] == (
        "steepest"
    )


def test_without_options_the_answer_is_the_saved_one(saved, lrrange):
    run = lrrange("suggest", saved, "--json")
    saved.with_name("again.json").write_text(run.stdout)
    assert library.load(saved.with_name("again.json")) == library.load(saved)


def test_the_range_asked_for_comes_first(saved, lrrange):
    ranges = json.loads(lrrange("suggest", saved, "--range", "max/4", "--json").stdout)["result"]["ranges"]
    before = [attrs.asdict(bounds) for bounds in library.load(saved).ranges]
    (requested,) = [bounds for bounds in before if bounds["rule"] == "max/4"]
    assert ranges == [requested, *(bounds for bounds in before if bounds["rule"] != "max/4")]


def test_the_table_shows_the_range_asked_for_with_its_source(saved, lrrange):
    run = lrrange("suggest", saved, "--range", "max/10", "-v")
    bounds = library.load(saved).range_by("max/10")
    assert f"{bounds.base_lr:.2e} to {bounds.max_lr:.2e}  max/10, from base_lr to max_lr" in run.stdout
    assert "max/10: Smith 2018" in run.stdout


@pytest.mark.parametrize(("option", "value"), [("--heuristic", "nonesuch"), ("--range", "nonesuch")])
def test_an_unknown_name_is_one_line_that_lists_those_there_are(saved, lrrange, one_error_line, option, value):
    line = one_error_line(lrrange("suggest", saved, option, value), 1)
    assert "'nonesuch' is not one of" in line


def test_a_heuristic_that_refuses_is_exit_code_1_though_others_answer(saved, lrrange, one_error_line):
    short = attrs.evolve(library.load(saved), curve=library.Curve(lr=[1e-3, 1e-2], loss=[2.0, 1.0]))
    short.save(saved)
    run = lrrange("suggest", saved, "--heuristic", "valley")
    assert "needs 12 finite losses and this curve has 2" in one_error_line(run, 1)
    assert '"valley" refused' in run.stdout


def test_the_cause_of_a_refusal_is_the_first_thing_on_standard_error(saved, lrrange, one_error_line):
    whole = library.load(saved)
    curve = library.Curve(lr=whole.curve.lr[:20], loss=whole.curve.loss[:20])
    attrs.evolve(whole, curve=curve, stop_reason=library.StopReason.DATA_EXHAUSTED).save(saved)
    run = lrrange("suggest", saved)
    line = one_error_line(run, 1)
    assert line.startswith(
        f"Error: the data ran out: there were batches for 20 of the {whole.plan.num_steps} steps needed"
    )
    assert "the data ran out" in run.stdout


def test_a_range_of_a_curve_that_has_none_is_one_line(project, lrrange, one_error_line):
    lrrange("find", "train:make_frozen", "--save", "flat.json")
    assert "does not fall" in one_error_line(lrrange("suggest", "flat.json", "--range", "max/3"), 1)


def test_a_plug_ins_heuristic_can_be_asked_for(saved, lrrange):
    class Offer:
        @library.hookimpl
        def lrrange_offer_heuristics(self):
            return {"third": lambda curve: curve.lr[3]}

    library.register(Offer(), "offer")
    try:
        run = lrrange("suggest", saved, "--heuristic", "third", "--json")
    finally:
        library.unregister("offer")
    result = json.loads(run.stdout)["result"]
    rates = [answer["lr"] for answer in result["answers"] if answer["heuristic"] == "third"]
    assert rates == [result["curve"]["lr"][3]]
    assert result["heuristic"] == "third"


def test_the_answer_of_a_heuristic_that_is_not_installed_here_still_stands(saved, lrrange):
    def mine(curve):
        return 0.125

    library.load(saved).with_heuristic(mine).save(saved)
    again = lrrange("suggest", saved)
    by_name = lrrange("suggest", saved, "--heuristic", "mine")
    assert (again.exit_code, by_name.exit_code) == (0, 0)
    assert "1.25e-01  mine, as asked" in again.stdout
    assert "1.25e-01  mine, as asked" in by_name.stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("not json", "is not JSON"),
        ("{}", "not a result that lrrange saved"),
        ('{"format": "lrrange result", "schema": 99, "lrrange": "9.9"}', "written by lrrange 9.9"),
        ('{"format": "lrrange result", "schema": 1, "result": {}}', "damaged"),
    ],
)
@pytest.mark.parametrize("command", ["suggest", "plot"])
def test_a_file_that_is_no_result_is_one_line(tmp_path, lrrange, one_error_line, command, content, says):
    path = tmp_path / "x.json"
    path.write_text(content)
    assert says in one_error_line(lrrange(command, path), 1)


@pytest.mark.parametrize("command", ["suggest", "plot"])
def test_a_file_that_is_not_there_is_a_mistake_in_the_command(tmp_path, lrrange, command):
    run = lrrange(command, tmp_path / "x.json")
    assert run.exit_code == 2
    assert "does not exist" in run.stderr
