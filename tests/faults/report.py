"""`python -m tests.faults.report`: run every cell of the matrix, and write it to `docs/evidence/reliability.md`."""

import os
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")
warnings.simplefilter("ignore")


def main() -> None:
    """Run every cell, and write the table."""
    from tests.faults.matrix import run_cell
    from tests.faults.page import ROWS, write
    from tests.faults.trainings import BACKENDS

    write({(fault, backend): run_cell(fault, backend) for fault in ROWS for backend in BACKENDS})


if __name__ == "__main__":
    main()
