"""Small stand-ins for the measurements and images of the quality benchmark."""

import json
import struct

import torch

from benchmarks.quality.bank.generator import BANK, ORIGINS
from benchmarks.quality.bank.store import BankStore
from benchmarks.quality.store import Store

RATES = [0.001, 0.01, 0.1, 1.0]


def store_with_ground_truth(root, task, constant, onecycle, initial=10.0, constant_answer=8.0):
    """Return a store with one task: a validation loss for each of four rates, the same for two seeds."""
    folder = root / "original"
    (folder / "ground_truth").mkdir(parents=True, exist_ok=True)
    ground_truth = {
        "lr": RATES,
        "initial": [initial, initial],
        "constant": [[loss, loss] for loss in constant],
        "onecycle": [[loss, loss] for loss in onecycle],
    }
    (folder / "ground_truth" / f"{task}.json").write_text(json.dumps(ground_truth))
    store = Store(root)
    store.save_constant_answers("original", {task: constant_answer})
    return store


def add_to_bank(root, task, constant, onecycle=None, *, initial=10.0, constant_answer=None, earlier=None, spread=0.0):
    """Measure a task of the bank by decree, and return the store.

    Args:
        root: the folder of all measurements.
        task: name of the task.
        constant: the validation loss for each of four rates at the task's budget.
        onecycle: the same for the one-cycle. Default: as at a constant rate.
        initial, constant_answer: losses without any learning.
        earlier: losses at a constant rate at other budgets.
        spread: by how much the second seed is worse than the first.
    """
    store = BankStore(root)
    store.folder.mkdir(parents=True, exist_ok=True)
    budgets = {**(earlier or {}), BANK[task].steps: constant}
    rows = {str(budget): [[loss, loss + spread] for loss in losses] for budget, losses in budgets.items()}
    measured = {
        "task": task,
        "families": ORIGINS[task].families,
        "steps": BANK[task].steps,
        "initial": [initial, initial],
        "lr": RATES,
        "constant": rows,
        "onecycle": [[loss, loss + spread] for loss in onecycle or constant],
        "constant_answer": constant_answer,
    }
    (store.folder / f"{task}.json").write_text(json.dumps(measured))
    return store


def suggestion(task, lr, seed=10, **more):
    """Return a row of a finder that suggests one rate."""
    empty = dict.fromkeys(("low", "high", "confident", "error", "version")) | {"evaluations": 0}
    return {
        "task": task,
        "seed": seed,
        "lr": lr,
        "max_lr": lr,
        "forwards": 100,
        "optimizer_steps": 100,
        **empty,
        **more,
    }


def held_out(task, lr, axis, chance, form="default", seed=10):
    """Return a row of an answer with constants fitted without the task's family. Its interval is a decade wide."""
    low, high = (None, None) if lr is None else (lr / 10**0.5, lr * 10**0.5)
    answer = {"lr": lr, "max_lr": lr, "low": low, "high": high, "chance_of_bad": chance}
    return {"task": task, "seed": seed, "axis": axis, "form": form, "steps": 200, **answer}


def write_images(root):
    """Write both folders of images: noise, a few images for each class, and more than the largest batch has."""
    generator = torch.Generator().manual_seed(0)
    for folder, kind in (("mnist-10k", "MNIST"), ("fashion-mnist-mini", "FashionMNIST")):
        raw = root / folder / kind / "raw"
        raw.mkdir(parents=True)
        for part, count in (("train", 600), ("t10k", 50)):
            images = torch.randint(256, (count, 28, 28), generator=generator, dtype=torch.uint8)
            labels = torch.arange(count, dtype=torch.uint8) % 10
            for kind_of_file, array in (("images-idx3", images), ("labels-idx1", labels)):
                header = bytes([0, 0, 8, array.dim()]) + struct.pack(f">{array.dim()}i", *array.shape)
                (raw / f"{part}-{kind_of_file}-ubyte").write_bytes(header + array.numpy().tobytes())
    return root
