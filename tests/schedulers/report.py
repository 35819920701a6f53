"""`python -m tests.schedulers.report`: write the tables of schedulers in `docs/evidence/reliability.md`."""

import warnings

warnings.simplefilter("ignore")


def main() -> None:
    """Write the tables."""
    from tests.schedulers.page import write

    write()


if __name__ == "__main__":
    main()
