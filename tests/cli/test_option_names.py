"""An option has one name: the keyword of Python with dashes. What differs is listed here, with the reason."""

import inspect

import attrs
import click

import lrrange
from lrrange.cli import main
from lrrange.finder.settings import Settings

# Of every command: what a terminal needs and a program does not.
TERMINAL = {"--json", "--help", "--traceback", "--verbose"}

# Keywords that cannot be typed, because their values are objects. The factory may return each of `find_lr`'s.
FIND_OBJECTS = {"reset": "a function", "watchers": "objects"}
FIND_TYPED = {"--save": "result.save(path)", "--plot": "result.plot(path=)"}

# Of what only one backend knows, this is no part of the training: it is a question to the range test. The rest is
# returned by the factory, beside the target: the optimizer, the loader, how gradients are clipped.
OF_BACKENDS = {"train_epochs"}

COMPARE_OBJECTS = {
    "make_run": "MODULE:FACTORY",
    "policies": "--policy, once for each",
    "executor": "--jobs makes one of processes",
    "watchers": "objects",
}
COMPARE_TYPED = {
    "--policy": "policies, one at a time",
    "--jobs": "executor, of so many processes",
    "--save": "comparison.save(path)",
    "--plot": "comparison.plot(path=)",
}


def typed(command: str) -> set[str]:
    """Return the options of a command, each by its first name."""
    return (
        {
            parameter.opts[0]
            for parameter in main.commands[command].get_params(click.Context(main.commands[command]))
            if isinstance(parameter, click.Option)
        }
        - TERMINAL
        - {"-h"}
    )


def dashed(names, objects) -> set[str]:
    return {f"--{name.replace('_', '-')}" for name in names if name not in objects}


def test_find_has_every_option_of_find_lr_under_its_name_and_no_other():
    names = {field.name for field in attrs.fields(Settings)} | OF_BACKENDS
    assert names <= set(inspect.signature(lrrange.find_lr).parameters)
    assert typed("find") - set(FIND_TYPED) == dashed(names, FIND_OBJECTS)


def test_compare_has_every_option_of_compare_under_its_name_and_no_other():
    assert typed("compare") - set(COMPARE_TYPED) == dashed(
        inspect.signature(lrrange.compare).parameters, COMPARE_OBJECTS
    )


def test_the_options_of_the_demo_are_those_of_find_and_of_its_factory():
    of_factory = {"--data", "--root", "--seed"}
    assert typed("demo") <= typed("find") | of_factory | {"--out-dir"}


def test_plot_takes_the_argument_of_plot_and_suggest_what_it_chooses():
    assert typed("plot") == {"--path"}
    assert typed("suggest") == {"--heuristic", "--range"}  # result.with_heuristic(), and result.range


def test_an_old_name_is_a_mistake_that_names_the_new_one(project, lrrange):
    run = lrrange("find", "train:make", "--steps", "50")
    assert run.exit_code == 2
    assert "--num-steps" in run.stderr
