"""Random graphs of objects, changed at random while the sweep runs, are as before: to the bit, and object by object.

`pytest tests/backend_torch/test_inventory_graphs.py --hypothesis-profile=explore` tries 1,000 of each kind.
"""

import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lrrange_torch.snapshot import Snapshot
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

import lrrange
from lrrange.errors import NotKeptWarning, RestoreFailed
from tests.backend_torch.graphs import Graph
from tests.backend_torch.picture import Picture
from tests.backend_torch.rigs import data, seed_all

PLACES = ("model", "loss", "optimizer", "dataset", "restore")

SEEDS = st.integers(0, 2**32)
SIZES = st.integers(1, 30)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 1)
        self.held: list[Any] = []
        self.graph: Graph | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


class Loss:
    def __init__(self) -> None:
        self.held: list[Any] = []

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(outputs, targets)


class Examples(Dataset[Any]):
    def __init__(self) -> None:
        self.inner = data(count=16)
        self.held: list[Any] = []

    def __getitem__(self, index: int) -> Any:
        return self.inner[index]

    def __len__(self) -> int:
        return len(self.inner)


class Training:
    """A training that holds a random graph in one place, and changes it at every step."""

    def __init__(self, place: str, seed: int, size: int) -> None:
        seed_all()
        self.graph = Graph(seed, size)
        self.model, self.loss, self.dataset = Model(), Loss(), Examples()
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.01)
        self.loader = DataLoader(self.dataset, 8)
        self.restore = [self.graph.root] if place == "restore" else []
        if place == "optimizer":
            self.optimizer.state["held"] = {"graph": self.graph.root}
        elif place != "restore":
            getattr(self, place).held.append(self.graph.root)
        self.changed = Counter[str]()
        # Of the module, found by nobody: the graph itself is no part of the training.
        self.model.layer.register_forward_pre_hook(_Changes.of(self))

    @property
    def held(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("model", "loss", "optimizer", "loader", "restore")}

    @property
    def options(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer, "loss_fn": self.loss, "loader": self.loader, "restore": self.restore}

    def sweep(self) -> lrrange.RangeTestResult:
        return lrrange.find_lr(self.model, **self.options, num_steps=4, start_lr=1e-5, end_lr=1e-2, verify_restore=True)


class _Changes:
    """A hook that leads nowhere: it finds its training in a table that no object holds."""

    now: Training | None = None

    @classmethod
    def of(cls, training: Training) -> Any:
        cls.now = training
        return _change


def _change(*_: Any) -> None:
    changes = vars(_Changes)["now"]
    for _ in range(changes.graph.random.randrange(6)):
        changes.changed[changes.graph.change()] += 1


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    _Changes.now = None


ignoring = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.parametrize("place", PLACES)
@given(seed=SEEDS, size=SIZES)
@ignoring
def test_a_random_graph_is_as_before(place: str, seed: int, size: int) -> None:
    training = Training(place, seed, size)
    picture = Picture(**training.held)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NotKeptWarning)
        details = training.sweep().provenance.details
    differences = picture.differences(**training.held)
    # Only an iterator that came to its end may differ, and is named.
    assert set(details["not_kept"].values()) <= {"an iterator"}
    assert len(differences) == len(details["not_kept"])
    assert all("list_iterator" in text for text in differences)
    assert details["restore_verified"] is (not differences)
    assert len(caught) == bool(differences)


@pytest.mark.parametrize("place", PLACES)
@given(seed=SEEDS, size=SIZES, which=st.integers(0, 2**16))
@ignoring
def test_a_restore_that_leaves_something_out_is_found(place: str, seed: int, size: int, which: int) -> None:
    """One of the functions that put something back is not called. If that leaves a difference, the digest has it."""
    training = Training(place, seed, size)
    picture = Picture(**training.held)
    restore = Snapshot.restore

    def forgets(snapshot: Snapshot) -> None:
        del snapshot._undos[which % len(snapshot._undos)]
        restore(snapshot)

    found = False
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotKeptWarning)
        patch.setattr(Snapshot, "restore", forgets)
        try:
            details = training.sweep().provenance.details
        except RestoreFailed:
            found = True
    if not found and not details["not_kept"]:
        assert picture.differences(**training.held) == []


def test_the_graphs_have_and_the_changes_reach_every_kind_of_object() -> None:
    kinds, changes = Counter[str](), Counter[str]()
    for seed in range(300):
        graph = Graph(seed, 20)
        kinds.update(type(node).__name__ for node in graph.nodes)
        changes.update(graph.change() for _ in range(20))
    wanted = {
        "Tensor",
        "Parameter",
        "ndarray",
        "Generator",
        "RandomState",
        "Random",
        "list",
        "dict",
        "deque",
        "Slotted",
    }
    wanted |= {
        "Both",
        "OwnDict",
        "OwnList",
        "OrderedDict",
        "defaultdict",
        "BatchNorm1d",
        "Module",
        "bytearray",
        "array",
    }
    assert wanted <= {name for name, count in kinds.items() if count > 20}
    assert wanted <= {name for name, count in changes.items() if count}
    assert changes["nothing"] < changes.total() / 3
