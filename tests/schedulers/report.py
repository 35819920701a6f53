"""`python -m tests.schedulers.report`: write the table of schedulers in `docs/reliability.md`."""

import warnings

warnings.simplefilter("ignore")


def main() -> None:
    """Write the table."""
    from tests.schedulers.page import table, write

    write(table())


if __name__ == "__main__":
    main()
