"""Notebooks, executed as Jupyter does, by a kernel of the Python that runs the tests."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbclient
import nbformat


class Client(nbclient.NotebookClient):
    """A client of a kernel that notes the type of each message and the cell that it belongs to."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.messages: list[tuple[int, str]] = []

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        self.messages.append((cell_index, msg["msg_type"]))
        return super().process_message(msg, cell, cell_index)


def execute(
    sources: Sequence[str], folder: Path, allow_errors: bool = False
) -> tuple[list[list[Any]], list[tuple[int, str]]]:
    """Return the outputs of each cell as they are saved, and the kernel's messages: the cell's number and the type.

    Args:
        sources: of the cells.
        folder: in which the kernel works.
        allow_errors: whether a cell may end with an error.
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    resources = {"metadata": {"path": str(folder)}}
    client = Client(notebook, timeout=120, allow_errors=allow_errors, kernel_name="python3", resources=resources)
    client.km = client.create_kernel_manager()
    client.km.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client.execute()
    return [cell.outputs for cell in notebook.cells], client.messages
