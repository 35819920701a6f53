"""`python -m tests.restored.report`: sweep every training, and write its table in `docs/evidence/reliability.md`."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")


def main() -> None:
    """Sweep every training, and write the table."""
    from tests.restored.page import write
    from tests.restored.rows import TRAININGS, run

    write({key: run(make) for key, make in TRAININGS.items()})


if __name__ == "__main__":
    main()
