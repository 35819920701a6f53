"""Small stand-ins for the measurements and images of the quality benchmark."""

import json
import struct

import torch

from benchmarks.quality.asking import SEEDS
from benchmarks.quality.store import Store

RATES = [0.001, 0.01, 0.1, 1.0]


# The losses of a sweep of 200 steps over eight decades: flat, falling from 1e-4 to 1e-2, and rising from 1e-1.
SWEEP = (
    [10.0 + 0.01 * (i % 3) for i in range(75)]
    + [10 - 0.16 * i for i in range(50)]
    + [2.0] * 25
    + [2.5**i for i in range(50)]
)


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
    store.save_sweeps(
        task, {"start_lr": 1e-7, "end_lr": 10.0, "sweeps": {"200": {str(seed): [SWEEP] for seed in SEEDS}}}
    )
    store.save_constant_answers("original", {task: constant_answer})
    return store


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
