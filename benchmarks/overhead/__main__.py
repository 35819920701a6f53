"""The command line: `python -m benchmarks.overhead --help`."""

from benchmarks.overhead.command import main

main(prog_name="python -m benchmarks.overhead")
