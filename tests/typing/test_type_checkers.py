"""What mypy accepts and refuses at the front door."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

MARKER = "  # type: ignore[call-overload]"


# The stubs of torch and Lightning take mypy half a minute when it reads them first.
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mypy_accepts_what_users_write_and_refuses_wrong_names_wrong_values_and_swapped_arguments(
    tmp_path: Path,
) -> None:
    lines = (HERE / "refused.py").read_text().splitlines()
    refused = tmp_path / "refused.py"
    refused.write_text("\n".join(line.removesuffix(MARKER) for line in lines))
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", HERE / "accepted.py", refused]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parents[1])
    errors = [line.split(":") for line in done.stdout.splitlines() if ": error:" in line]
    assert {Path(file).name for file, *_ in errors} == {"refused.py"}, done.stdout + done.stderr
    complained = {int(number) for _, number, *_ in errors}
    assert complained == {number for number, line in enumerate(lines, 1) if line.endswith(MARKER)}
