"""Measure the time of imports, in units of `import torch`."""

import subprocess
import sys
import time

from benchmarks.overhead.records import Record, machine, spread

IMPORTS = {
    "python": "pass",
    "torch": "import torch",
    "lrrange": "import lrrange",
    "lrrange_torch": "import torch, lrrange, lrrange_torch.loader_step",
    "lrrange_lightning": "import pytorch_lightning, lrrange, lrrange_lightning.driver",
    "torch_lr_finder": "import torch_lr_finder",
    "ignite": "import ignite.handlers",
    "monai": "import monai.optimizers",
    "lightning": "import pytorch_lightning",
    "fastai": "import fastai.callback.schedule",
}


def measure_imports(repetitions: int) -> Record:
    """Time every import in a fresh interpreter, in turn, and return the ratios to `import torch`.

    The files are in the cache by then. The interpreter's own start is subtracted.
    """
    failed = {name: error for name, code in IMPORTS.items() if (error := _error_of(code)) is not None}
    names = [name for name in IMPORTS if name not in failed]
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repetitions):
        for name in names:
            began = time.perf_counter()
            _run(IMPORTS[name])
            times[name].append(time.perf_counter() - began)
    torch_alone = [whole - start for whole, start in zip(times["torch"], times["python"], strict=True)]
    return {
        "machine": machine(),
        "repetitions": repetitions,
        "failed": failed,
        "code": {name: IMPORTS[name] for name in names},
        "modules": {name: int(_run(f"{IMPORTS[name]}\nimport sys; print(len(sys.modules))")) for name in names},
        "in_imports_of_torch": {
            name: spread(
                [
                    (whole - start) / unit
                    for whole, start, unit in zip(times[name], times["python"], torch_alone, strict=True)
                ]
            )
            for name in names
            if name != "python"
        },
    }


def _run(code: str) -> str:
    process = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return process.stdout.strip().rpartition("\n")[2]


def _error_of(code: str) -> str | None:
    process = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    return process.stderr.strip().splitlines()[-1] if process.returncode else None
