"""The command line: `python -m benchmarks.quality --help`."""

from benchmarks.quality.command import main

main(prog_name="python -m benchmarks.quality")
