"""The tests that the wheel passes without any extra import nothing that such an installation lacks."""

import ast
import re
import sys
import tomllib
from pathlib import Path

from tests.architecture.conftest import WriteTree

ROOT = Path(__file__).parents[2]

# Installed beside the wheel by .ci/test-wheel. `train` is a module that a test writes.
BESIDE = {"pytest", "hypothesis", "lrrange", "train"}


def folders_of_the_plain_wheel() -> list[str]:
    """Return the folders that .ci/test-wheel runs with the wheel alone, and the files that pytest loads with them."""
    found = re.search(r"plain/bin/python\" -m pytest -q (.+)", (ROOT / ".ci/test-wheel").read_text())
    assert found is not None
    return found[1].split()


def missing_imports(root: Path, folders: list[str]) -> list[str]:
    """Return the imports, at the head of a test or of a file that it imports from, of what is not installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = BESIDE | sys.stdlib_module_names | {re.split(r"\W", need)[0] for need in project["dependencies"]}
    waiting = [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]
    waiting += [root / "tests/conftest.py"]
    seen, found = set(waiting), []
    while waiting:
        path = waiting.pop()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                names = [node.module]
            for name in names:
                ours = root / f"{name.replace('.', '/')}.py"
                if name.startswith("tests.") and ours not in seen and ours.exists():
                    seen.add(ours)
                    waiting.append(ours)
                elif not name.startswith("tests.") and name.partition(".")[0] not in known:
                    found.append(f"{path.relative_to(root).as_posix()} imports {name}")
    return found


def test_the_tests_of_the_plain_wheel_need_no_extra() -> None:
    folders = folders_of_the_plain_wheel()
    assert "tests/core" in folders
    assert missing_imports(ROOT, folders) == []


def test_a_missing_package_is_found_also_behind_another_file_of_tests(write_tree: WriteTree) -> None:
    root = write_tree(
        {
            "tests/conftest.py": "import os",
            "tests/core/test_x.py": "import pytest\nfrom tests.rigs import make\n\ndef test_x():\n    import torch",
            "tests/rigs.py": "from nbclient import NotebookClient",
            "tests/other.py": "import torch",
        }
    )
    assert missing_imports(root, ["tests/core"]) == ["tests/rigs.py imports nbclient"]
