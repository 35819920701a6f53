"""What the shell completes after TAB, beyond the options, choices and files that click knows."""

import ast
import re
from pathlib import Path

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

from lrrange.advice.ranges import RANGE_RULES
from lrrange.comparison.policies import FROM_RANGE_TEST
from lrrange.plugins import heuristics, list_plugins, make_manager


def complete_heuristic(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
    """Return the heuristics of lrrange and of its plug-ins that begin with what is typed."""
    return [name for name in heuristics(make_manager()) if name.startswith(typed)]


def complete_range_rule(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
    """Return the rules for a range that begin with what is typed."""
    return [name for name in RANGE_RULES if name.startswith(typed)]


def complete_backend(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
    """Return the plug-ins that adapt targets and whose names begin with what is typed."""
    return [
        plugin.name for plugin in list_plugins() if "lrrange_adapt" in plugin.hooks and plugin.name.startswith(typed)
    ]


def complete_policy(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
    """Return the named policies that begin with what is typed."""
    return [name for name in FROM_RANGE_TEST if name.startswith(typed)]


def complete_factory(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
    """Return MODULE:FACTORY of each function in the working directory that can be called without arguments.

    The files are read and not run, so that TAB has no effects and takes no time.
    """
    module = typed.partition(":")[0]
    return [
        name
        for file in sorted(Path().glob("*.py"))
        if file.stem.startswith(module) and file.stem.isidentifier()
        for name in _factories(file)
        if name.startswith(typed)
    ]


def _factories(file: Path) -> list[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return [f"{file.stem}:{function.name}" for function in functions if _needs_nothing_but_a_seed(function.args)]


def _needs_nothing_but_a_seed(arguments: ast.arguments) -> bool:
    positional = [*arguments.posonlyargs, *arguments.args]
    needed = positional[: len(positional) - len(arguments.defaults)]
    needed += [name for name, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if not default]
    return {argument.arg for argument in needed} <= {"seed"}


class _Bash(BashComplete):
    """Completion for bash, which takes the colon of MODULE:FACTORY for the end of a word.

    Join the words again, and answer with what follows the colon.
    """

    _before_colon = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        *args, incomplete = re.sub("\0:(\0|$)", ":", "\0".join([*args, incomplete])).split("\0")
        self._before_colon = incomplete[: incomplete.rfind(":") + 1]
        return args, incomplete

    def format_completion(self, item: "CompletionItem[str]") -> str:
        item.value = item.value.removeprefix(self._before_colon)
        return super().format_completion(item)


add_completion_class(_Bash)
