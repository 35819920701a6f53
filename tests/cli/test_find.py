import json
import sys
import warnings

import pytest

import lrrange as library


def test_an_answer_is_exit_code_0_and_shows_every_heuristic_the_range_and_the_stop_reason(project, lrrange):
    run = lrrange("find", "train:make", "--verbose", "--no-progress")
    assert (run.exit_code, run.stderr) == (0, "")
    for shown in ("steepest", "valley", "min/10", "slide", "midway", "diverged at step", "Loop:"):
        assert shown in run.stdout


def test_the_target_is_put_back_after_the_sweep(project, lrrange):
    lrrange("find", "train:make")
    assert project.loops()[0].log[-1] == "restored"


def test_saving_writes_a_result_that_load_reads(project, lrrange):
    run = lrrange("find", "train:make", "--save", "run.json", "--start-lr", "1e-5", "--num-steps", "50")
    result = library.load("run.json")
    assert run.exit_code == 0
    assert "Wrote run.json" in run.stdout
    assert (result.plan.start_lr, result.plan.num_steps) == (1e-5, 50)


def test_json_is_one_document_that_load_reads_and_nothing_else_is_on_stdout(project, lrrange):
    run = lrrange("find", "train:make_noisy_prints", "--json", "--save", "run.json")
    project.path.joinpath("stdout.json").write_text(run.stdout)
    assert library.load("stdout.json") == library.load("run.json")
    assert "loading data" in run.stderr
    assert "training at" in run.stderr
    assert "Wrote run.json" in run.stderr


def test_what_training_prints_stays_on_stdout_without_json(project, lrrange):
    run = lrrange("find", "train:make_noisy_prints")
    assert "loading data" in run.stdout
    assert "training at" in run.stdout


def test_the_factorys_options_reach_the_sweep(project, lrrange):
    document = json.loads(lrrange("find", "train:make_with_options", "--json").stdout)["result"]
    assert (document["plan"]["end_lr"], document["heuristic"]) == (0.5, "steepest")


def test_what_is_typed_goes_before_the_factorys_options(project, lrrange):
    run = lrrange("find", "train:make_with_options", "--json", "--heuristic", "slide", "--num-steps", "80")
    document = json.loads(run.stdout)["result"]
    plan = document["plan"]
    assert (plan["end_lr"], plan["num_steps"], document["heuristic"]) == (0.5, 80, "slide")


def test_shape_and_smoothing_are_passed_on(project, lrrange):
    run = lrrange("find", "train:make", "--json", "--shape", "linear", "--smoothing", "none", "--end-lr", "0.1")
    result = json.loads(run.stdout)["result"]
    assert result["plan"]["shape"] == "linear"
    assert result["curve"]["smoothed"] == result["curve"]["loss"]


def test_a_curve_that_every_heuristic_refuses_is_shown_and_exit_code_1(project, lrrange, one_error_line):
    run = lrrange("find", "train:make_frozen")
    assert "does not fall" in one_error_line(run, 1)
    assert "every heuristic refused" in run.stdout


def test_a_refused_result_is_still_a_whole_json_document(project, lrrange, one_error_line):
    run = lrrange("find", "train:make_frozen", "--json")
    one_error_line(run, 1)
    answers = json.loads(run.stdout)["result"]["answers"]
    assert {answer["kind"] for answer in answers} == {"FlatCurve"}


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["train:make", "--start-lr", "1", "--end-lr", "0.1"], "PlanError"),
        (["train:make", "--num-steps", "1"], "PlanError"),
        (["train:make", "--seed", "3"], "OptionError"),
        (["train:make", "--heuristic", "nonesuch"], "UnknownName"),
        (["train:make", "--backend", "nonesuch"], "BackendNotFound"),
        (["train:make_nothing"], "TargetError"),
        (["train:make_triple"], "TargetError"),
        (["train:make_pair_without_options"], "TargetError"),
        (["train:not_callable"], "FactoryNotFound"),
        (["train:make_failing"], "ValueError"),
    ],
)
def test_with_json_an_error_is_one_document_with_its_type(project, lrrange, one_error_line, arguments, kind):
    run = lrrange("find", *arguments, "--json")
    line = one_error_line(run, 2 if kind == "FactoryNotFound" else 1)
    error = json.loads(run.stdout)["error"]
    assert error["type"] == kind
    assert error["message"] in line


def test_a_save_path_in_no_folder_is_refused_before_the_first_step(project, lrrange, one_error_line):
    run = lrrange("find", "train:make_interrupted", "--save", "nowhere/run.json")  # a step would interrupt: code 130
    assert "there is no folder nowhere" in one_error_line(run, 1)


def test_a_read_only_folder_is_refused_before_the_first_step(project, lrrange, one_error_line, monkeypatch):
    monkeypatch.setattr("lrrange.cli.output.os.access", lambda *_: False)  # root may write everywhere
    run = lrrange("find", "train:make_interrupted", "--save", "run.json")
    assert "run.json cannot be written: no permission" in one_error_line(run, 1)


def test_a_result_that_cannot_be_saved_is_printed_all_the_same(project, lrrange, one_error_line, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lrrange.storage.atomic.os.replace", full)
    run = lrrange("find", "train:make", "--save", "run.json")
    assert "No space left on device" in one_error_line(run, 1)
    assert "verdict" in run.stdout
    assert sorted(path.name for path in project.path.glob("*.json*")) == []


def test_a_plot_without_matplotlib_names_the_extra_before_the_first_step(project, lrrange, one_error_line, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run = lrrange("find", "train:make_interrupted", "--plot", "run.png")
    assert "pip install 'lrrange[plot]'" in one_error_line(run, 1)


def test_confirm_shows_each_rate_that_was_tried_with_the_loss_it_reached(project, lrrange):
    run = lrrange("find", "train:make", "--confirm", "--confirm-steps", "180", "--save", "run.json")
    result = library.load("run.json")
    assert run.exit_code == 0
    assert result.confirmation.steps <= 180
    assert "training loss" in run.stdout
    assert "+/-" in run.stdout  # the error of a difference
    for trial in result.confirmation.trials:
        assert f"{trial.lr:.2e}" in run.stdout
        assert f"{trial.loss:.4g}" in run.stdout
    (line,) = [line for line in run.stdout.splitlines() if line.split()[:1] == ["lr"]]
    assert f"{result.lr:.2e}" in line
    assert f"moved from {result.chosen.lr:.2e}" in line


def test_a_budget_too_small_to_confirm_is_one_line_before_the_first_step(project, lrrange, one_error_line):
    assert "confirm_steps=10" in one_error_line(lrrange("find", "train:make", "--confirm", "--confirm-steps", "10"), 1)
    assert project.loops()[0].log == []


def test_repeats_of_a_loop_that_takes_no_seed_is_one_line(project, lrrange, one_error_line):
    assert "repeats=3" in one_error_line(lrrange("find", "train:make", "--repeats", "3"), 1)


def test_the_json_holds_the_answer_in_one_place(project, lrrange):
    answer = json.loads(lrrange("find", "train:make", "--json", "--save", "run.json").stdout)["answer"]
    result = library.load("run.json")
    assert answer == {
        "lr": result.lr,
        "low": result.low,
        "high": result.high,
        "verdict": str(result.verdict),
        "chance_of_bad": result.verdict.chance_of_bad,
        "base_lr": result.range.base_lr,
        "max_lr": result.range.max_lr,
    }


def test_the_json_of_a_refused_result_says_why(project, lrrange):
    answer = json.loads(lrrange("find", "train:make_frozen", "--json").stdout)["answer"]
    assert list(answer) == ["refused"]
    assert "does not fall" in answer["refused"]


@pytest.mark.parametrize(("typed", "shown"), [("on", "no: a step"), ("auto", None), ("off", None)])
def test_pairing_is_passed_on(project, lrrange, typed, shown):
    """The loss of this training has a logarithm of the rate in it, which rate zero has not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = lrrange("find", "train:make", "--paired", typed, "--json")
    said = json.loads(run.stdout)["result"]["provenance"]["details"].get("paired")
    assert said == shown or said.startswith(shown)


def test_another_way_of_pairing_is_a_mistake_in_the_command(project, lrrange):
    assert lrrange("find", "train:make", "--paired", "always").exit_code == 2


@pytest.mark.parametrize(
    ("flag", "stop_reason"), [("--divergence", "diverged"), ("--no-divergence", "completed"), (None, "diverged")]
)
def test_stopping_early_can_be_switched_off(project, lrrange, flag, stop_reason):
    run = lrrange("find", "train:make", "--json", *([flag] if flag else []))
    assert json.loads(run.stdout)["result"]["stop_reason"] == stop_reason


def test_the_number_of_non_finite_losses_is_passed_on(project, lrrange):
    project.path.joinpath("nans.py").write_text(
        "import math, train\nclass Nans(train.Loop):\n"
        "    def step(self, lr):\n        return math.nan if lr > 1e-2 else super().step(lr)\n"
    )
    lengths = [
        len(
            json.loads(lrrange("find", "nans:Nans", "--json", "--non-finite-limit", limit).stdout)["result"]["curve"][
                "lr"
            ]
        )
        for limit in (1, 5)
    ]
    assert lengths[1] - lengths[0] == 4


@pytest.mark.parametrize(("flag", "length"), [("--no-confirm", 0), ("--confirm", 1), (None, 1)])
def test_a_flag_overrides_the_factory_in_both_directions(project, lrrange, flag, length):
    project.path.joinpath("sure.py").write_text(
        "import train\ndef make():\n    return train.Loop(), {'confirm': True}\n"
    )
    run = lrrange("find", "sure:make", "--json", *([flag] if flag else []))
    assert bool(json.loads(run.stdout)["result"]["confirmation"]) == bool(length)


@pytest.mark.parametrize(("flag", "verified"), [("--verify-restore", True), ("--no-verify-restore", False)])
def test_verifying_is_passed_on(project, lrrange, flag, verified):
    """A loop of one's own has no digest to take."""
    run = lrrange("find", "train:make", "--json", flag)
    if verified:
        assert "verify_restore" in json.loads(run.stdout)["error"]["message"]
    else:
        assert "answer" in json.loads(run.stdout)
