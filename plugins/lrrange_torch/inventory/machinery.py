"""What lies outside a training: types whose objects hold nothing that a training step changes and that can be put back.

The values of some cannot change. Others are the machinery around a training: threads, files, loggers, compiled code,
process groups. Putting the attributes of those back would put them at odds with what is outside of this process.
"""

import functools
import os
import sys
from types import CodeType, NoneType

import torch

# Types whose objects never change and are compared by value.
PLAIN = frozenset({str, int, float, bool, complex, bytes, NoneType, torch.dtype, torch.device, torch.Size})

# The packages and modules of machinery, and of libraries whose objects only read data, translate text or keep logs.
_MACHINERY = frozenset(
    {
        *("_hashlib", "_io", "_queue", "_thread", "abc", "ast", "asyncio", "concurrent", "contextlib", "contextvars"),
        *("ctypes.util", "dis", "importlib", "inspect", "io", "logging", "mmap", "multiprocessing", "os", "pathlib"),
        *("pdb", "re", "select", "selectors", "signal", "socket", "sqlite3", "ssl", "string", "subprocess"),
        *("tarfile", "tempfile", "threading", "traceback", "typing", "unittest", "warnings", "weakref", "zipfile"),
        *("torch.autograd", "torch.cuda", "torch.distributed", "torch.export", "torch.fx", "torch.library"),
        *("torch.package", "torch.profiler", "torch.utils.hooks", "torch.utils.tensorboard"),
        *("torch._C", "torch._dynamo", "torch._functorch", "torch._inductor", "torch._ops", "torch._subclasses"),
        *("lightning", "lightning_fabric", "lightning_utilities", "pytorch_lightning"),
        *("lrrange", "lrrange_clr", "lrrange_lightning", "lrrange_torch", "pluggy"),
        *("PIL", "av", "cv2", "decord", "h5py", "lmdb", "polars", "pyarrow", "safetensors", "sentencepiece"),
        *("tiktoken", "tokenizers", "zarr"),
        *("aim", "clearml", "comet_ml", "loguru", "mlflow", "neptune", "rich", "tensorboard", "tensorboardX", "tqdm"),
        *("wandb", "_pytest", "pytest", "hypothesis", "matplotlib"),
    }
)

_STANDARD_LIBRARY = os.path.dirname(os.__file__)

# Parts of machinery that hold state all the same.
_STATE = frozenset({"multiprocessing.sharedctypes"})


@functools.cache
def is_machinery(module: str) -> bool:
    """Return whether the classes and functions of this module are machinery around a training."""
    if module in _STATE:
        return False
    parts = module.split(".")
    return any(".".join(parts[:length]) in _MACHINERY for length in range(1, len(parts) + 1))


@functools.cache
def is_standard(module: str) -> bool:
    """Return whether this module belongs to Python's standard library."""
    return module.partition(".")[0] in sys.stdlib_module_names


@functools.cache
def is_users(code: CodeType) -> bool:
    """Return whether a function of this code is the user's own, and not one of a library or of Python."""
    name = code.co_filename
    return not (name.startswith((_STANDARD_LIBRARY, "<frozen")) or "site-packages" in name or "dist-packages" in name)
