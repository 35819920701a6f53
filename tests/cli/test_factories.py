import json

import pytest


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nonesuch:make", "there is no module 'nonesuch'"),
        ("nonesuch.inner:make", "there is no module 'nonesuch.inner'"),
        ("train:nonesuch", "module 'train' has no 'nonesuch'"),
        ("train:Loop.nonesuch", "module 'train' has no 'Loop.nonesuch'"),
        ("train:not_callable", "of type int"),
        ("train:mkae", "Did you mean 'make'?"),
        ("train:keep", "keep() does not work: it takes (loop). Let it take no argument, or give each a default."),
        ("odd:model", "odd:model is a Model. Give a function that makes the training, called as model()"),
        ("train", "is not MODULE:FACTORY"),
        ("train:", "is not MODULE:FACTORY"),
        (":make", "is not MODULE:FACTORY"),
        ("train.py:make", "Try train:make"),
        ("./sub/train.py:make", "Try sub.train:make"),
    ],
)
def test_what_is_no_factory_is_one_line_and_exit_code_2(project, lrrange, one_error_line, name, says):
    project.path.joinpath("odd.py").write_text(
        "class Model:\n    def __call__(self, *inputs, **options):\n        raise AssertionError\nmodel = Model()\n"
    )
    assert says in one_error_line(lrrange("find", name), 2)


def test_a_factory_may_be_a_class_or_lie_within_one(project, lrrange):
    assert lrrange("find", "train:Loop").exit_code == 0


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("make_nothing", "returned None"),
        ("make_triple", "(Loop, dict, int)"),
        ("make_pair_without_options", "(Loop, int)"),
    ],
)
def test_a_wrong_return_value_is_one_line_that_says_what_to_return(project, lrrange, one_error_line, factory, says):
    line = one_error_line(lrrange("find", f"train:{factory}"), 1)
    assert says in line
    assert "(target, options)" in line


def test_a_target_that_nothing_can_train_is_one_line(project, lrrange, one_error_line):
    project.path.joinpath("odd.py").write_text("def make():\n    return 'a string'\n")
    assert "nothing installed can train a str" in one_error_line(lrrange("find", "odd:make"), 1)


def test_an_unknown_option_of_the_factory_is_one_line_that_names_it(project, lrrange, one_error_line):
    project.path.joinpath("odd.py").write_text("import train\ndef make():\n    return train.Loop(), {'lerning': 3}\n")
    assert "lerning" in one_error_line(lrrange("find", "odd:make"), 1)


def line_of(project, text):
    lines = project.path.joinpath("train.py").read_text().splitlines()
    return next(i for i, line in enumerate(lines, start=1) if text in line)


def test_a_factory_that_raises_is_one_line_with_type_message_file_and_line(project, lrrange, one_error_line):
    line = one_error_line(lrrange("find", "train:make_failing"), 1)
    place = f"{project.path / 'train.py'}:{line_of(project, 'raise ValueError')}"
    assert line == f"Error: ValueError: two lines of [brackets] ({place})"


def test_a_training_step_that_raises_is_one_line_and_the_target_is_put_back(project, lrrange, one_error_line):
    line = one_error_line(lrrange("find", "train:make_failing_later"), 1)
    assert "RuntimeError: out of memory" in line
    assert f"train.py:{line_of(project, 'raise RuntimeError')}" in line
    assert project.loops()[0].log[-1] == "restored"


def test_an_error_deep_in_a_library_points_at_the_users_own_line(project, lrrange, one_error_line):
    project.path.joinpath("deep.py").write_text("import json\ndef make():\n    return json.loads('{')\n")
    line = one_error_line(lrrange("find", "deep:make"), 1)
    assert line.startswith("Error: JSONDecodeError: ")
    assert line.endswith(f"({project.path / 'deep.py'}:3)")


def test_a_module_that_imports_a_missing_one_names_that_one_and_its_line(project, lrrange, one_error_line):
    project.path.joinpath("needy.py").write_text("\nimport nonesuch_library\n")
    line = one_error_line(lrrange("find", "needy:make"), 1)
    assert "ModuleNotFoundError: No module named 'nonesuch_library'" in line
    assert "needy.py:2" in line


def test_a_syntax_error_points_at_its_line(project, lrrange, one_error_line):
    project.path.joinpath("broken.py").write_text("x = 1\ndef make(:\n")
    line = one_error_line(lrrange("find", "broken:make"), 1)
    assert line == f"Error: SyntaxError: invalid syntax ({project.path / 'broken.py'}:2)"


def test_traceback_shows_the_way_to_the_error_and_the_line_after_it(project, lrrange):
    run = lrrange("find", "train:make_failing", "--traceback")
    assert run.exit_code == 1
    assert run.stderr.startswith("Traceback (most recent call last):")
    assert "in make_failing" in run.stderr
    assert run.stderr.splitlines()[-1].startswith("Error: ValueError: two lines")


def test_with_json_the_place_of_the_users_error_is_a_field(project, lrrange):
    error = json.loads(lrrange("find", "train:make_failing", "--json").stdout)["error"]
    assert error["message"] == "two lines of [brackets]"
    assert error["where"].endswith(f"train.py:{line_of(project, 'raise ValueError')}")


def test_an_error_without_a_line_of_the_users_names_no_file_of_lrrange(monkeypatch, project, lrrange, one_error_line):
    def fail(*_, **__):
        raise RuntimeError("no line of yours")

    monkeypatch.setattr("lrrange.cli.commands.find_lr", fail)
    line = one_error_line(lrrange("find", "train:make"), 1)
    assert "RuntimeError: no line of yours" in line
    assert "lrrange/" not in line
