"""Run `python -m lrrange`, which is the command `lrrange`."""

from lrrange.cli import main

if __name__ == "__main__":
    main(prog_name="lrrange")
