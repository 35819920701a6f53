"""Help pages whose options and commands stand in sections."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

# The section of each option, by the name of its parameter. An option that is not here is in the last one.
_SECTIONS = {
    "Data": ("data", "root"),
    "Sweep": ("start_lr", "end_lr", "num_steps", "shape", "seed", "repeats", "parallel"),
    "Stop": ("divergence", "non_finite_limit"),
    "Answer": ("heuristic", "rule", "train_steps", "train_epochs", "smoothing", "paired", "confirm", "confirm_steps"),
    "Files": ("save", "plot", "out_dir", "out"),
}
_LAST = "Other options"


class SectionedCommand(click.Command):
    """A command with its options in sections, and with examples.

    Args:
        examples: command lines.
        sections: the names of the parameters in each section, where they are not those of a range test.
    """

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        sections: Mapping[str, Sequence[str]] = _SECTIONS,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.examples = examples
        self._sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section of options."""
        section_of = {name: section for section, names in self._sections.items() for name in names}
        rows: dict[str, list[tuple[str, str]]] = {section: [] for section in (*self._sections, _LAST)}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None and isinstance(parameter, click.Option):  # arguments are in the usage line
                rows[section_of.get(parameter.name or "", _LAST)].append(row)
        written = {section: records for section, records in rows.items() if records}
        for section, records in written.items():
            with formatter.section(section if len(written) > 1 else "Options"):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  the signature of click
        """Write the examples."""
        _write_examples(self.examples, formatter)


class SectionedGroup(click.Group):
    """A command group with its commands in sections, in the order in which they are added.

    Args:
        examples: command lines.
        sections: the names of the commands in each section.
        exit_codes: what each exit code means.
    """

    command_class = SectionedCommand

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str],
        sections: Mapping[str, Sequence[str]],
        exit_codes: Mapping[int, str],
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.examples = examples
        self._sections = sections
        self._exit_codes = exit_codes

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the signature of click
        """Return the names of the commands in the order of the help page."""
        return [name for names in self._sections.values() for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  as above
        """Write each section of commands, and the exit codes."""
        width = max(map(len, self.commands))
        for section, names in self._sections.items():
            with formatter.section(section):
                limit = formatter.width - 6 - width
                formatter.write_dl(
                    [(f"{name:{width}}", self.commands[name].get_short_help_str(limit)) for name in names]
                )
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in self._exit_codes.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  the signature of click
        """Write the examples."""
        _write_examples(self.examples, formatter)


def _write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    if examples:
        with formatter.section("Examples" if len(examples) > 1 else "Example"):
            for example in examples:  # not wrapped, so that they can be copied
                formatter.write(f"{'':{formatter.current_indent}}$ {example}\n")
