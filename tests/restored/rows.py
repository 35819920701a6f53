"""The rows of the table: a training with an object of each class, swept, and what the steps had changed of it."""

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import attrs
import torch
import torchmetrics
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune
from torch.utils import data as torch_data
from torch.utils.data import DataLoader, TensorDataset

import lrrange
from tests.backend_torch.picture import Picture
from tests.backend_torch.rigs import seed_all
from tests.restored import modules

_STEPS = 3


@attrs.frozen
class Training:
    """A training to sweep, and the object in it that the row is about."""

    model: nn.Module
    about: Any
    optimizer: torch.optim.Optimizer
    loader: Any
    metric: Any = None

    def step(self) -> None:
        """Take one ordinary step."""
        x, y = next(iter(self.loader))

        def closure() -> torch.Tensor:
            self.optimizer.zero_grad()
            outputs = self.model(x)
            loss = F.mse_loss(outputs, y)
            loss.backward()
            if self.metric is not None:
                self.metric(outputs.detach(), y)
            return loss

        self.optimizer.step(closure)

    def sweep(self) -> Any:
        """Sweep a few steps."""
        return lrrange.find_lr(
            self.model,
            optimizer=self.optimizer,
            loss_fn=F.mse_loss,
            loader=self.loader,
            metric=self.metric,
            metric_mode="max" if self.metric is None else "min",
            start_lr=1e-4,
            end_lr=1e-2,
            num_steps=_STEPS,
            verify_restore=True,
        )


@attrs.frozen
class Outcome:
    """What steps changed of an object, and whether a sweep left it and all around it as it was.

    Args:
        changed: names of what the steps changed.
        after: "as before", or what was not.
    """

    changed: tuple[str, ...]
    after: str


def run(make: Callable[[], Training]) -> Outcome:
    """Sweep a new training, and a second one that has taken steps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch, of what is old
        warnings.simplefilter("error", lrrange.errors.NotKeptWarning)
        seed_all()
        training = make()
        new = _problems_of(training)
        training.step()
        picture = Picture(about=training.about)
        training.step()
        changed = sorted({_short(name) for name in picture.changed(about=training.about)} - {"grad"})
        return Outcome(tuple(changed), "; ".join(new + _problems_of(training)) or "as before")


def _problems_of(training: Training) -> list[str]:
    held = attrs.asdict(training, recurse=False)
    picture = Picture(**held)
    details = training.sweep().provenance.details
    problems = [f"not kept: {', '.join(details['not_kept'])}"] if details["not_kept"] else []
    problems += [] if details["restore_verified"] else ["not verified"]
    return problems + picture.differences(**held)


def _short(path: str) -> str:
    """Return the last name in a path, such as `running_mean`."""
    names = re.findall(r"[A-Za-z_]\w*", re.sub(r"\bkey \d+", "", path))
    return str(names[-1]) if names else path


class _Around(nn.Module):
    """A model that adds the mean of what another module returns for an input of its own."""

    def __init__(self, inner: nn.Module, inputs: tuple[Any, ...]) -> None:
        super().__init__()
        self.inner = inner
        self.weight = nn.Parameter(torch.ones(1))
        self.inputs = inputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = self.inner(*(value.clone() for value in self.inputs))
        while not isinstance(outputs, torch.Tensor):
            outputs = outputs[0]
        return x.mean(1, keepdim=True) * self.weight + outputs.float().mean()


def _data(count: int = 24) -> TensorDataset:
    x = torch.randn(count, 6)
    return TensorDataset(x, x[:, :1])


def _loader() -> DataLoader[Any]:
    return DataLoader(_data(), 8)


def _of_module(make: Callable[[], modules.Made]) -> Callable[[], Training]:
    def training() -> Training:
        inner, inputs = make()
        model = _Around(inner, inputs)
        model(torch.randn(2, 6))  # which gives lazy parameters their shape
        return Training(model, inner, torch.optim.SGD(model.parameters(), 0.01, momentum=0.9), _loader())

    return training


class _Doubled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x


def _of_layer(change: Callable[[nn.Module], object]) -> Callable[[], Training]:
    def make() -> modules.Made:
        layer = nn.Linear(4, 4)
        change(layer)
        return layer, (torch.randn(2, 4),)

    return _of_module(make)


UTILS: dict[str, Callable[[nn.Module], object]] = {
    "weight_norm": nn.utils.weight_norm,
    "spectral_norm": nn.utils.spectral_norm,
    "parametrizations.weight_norm": parametrizations.weight_norm,
    "parametrizations.spectral_norm": parametrizations.spectral_norm,
    "parametrizations.orthogonal": parametrizations.orthogonal,
    "parametrize.register_parametrization": lambda m: parametrize.register_parametrization(m, "weight", _Doubled()),
    "prune.identity": lambda m: prune.identity(m, "weight"),
    "prune.random_unstructured": lambda m: prune.random_unstructured(m, "weight", 0.5),
    "prune.l1_unstructured": lambda m: prune.l1_unstructured(m, "weight", 0.5),
    "prune.random_structured": lambda m: prune.random_structured(m, "weight", 0.5, 0),
    "prune.ln_structured": lambda m: prune.ln_structured(m, "weight", 0.5, 2, 0),
    "prune.global_unstructured": lambda m: prune.global_unstructured([(m, "weight")], prune.L1Unstructured, amount=0.5),
    "prune.custom_from_mask": lambda m: prune.custom_from_mask(m, "weight", torch.eye(4)),
}


def _of_optimizer(name: str) -> Callable[[], Training]:
    def training() -> Training:
        cls = getattr(torch.optim, name)
        if name == "SparseAdam":
            model: nn.Module = _Around(nn.Embedding(5, 4, sparse=True), (torch.tensor([1, 2]),))
            optimizer = cls(model.inner.parameters(), 0.01)
        else:
            model = _Around(nn.Linear(4, 4, bias=False), (torch.randn(2, 4),))
            options = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
            options |= {"amsgrad": True} if name in ("Adam", "AdamW") else {}
            optimizer = cls(model.inner.parameters(), lr=0.01, **options)
        return Training(model, optimizer, optimizer, _loader())

    return training


OPTIMIZERS_WITHOUT_A_ROW = {"Optimizer": "the base class"}


class _Stream(torch_data.IterableDataset[Any]):
    def __init__(self) -> None:
        self.inner, self.passes = _data(), 0

    def __iter__(self) -> Any:
        self.passes += 1
        return iter([self.inner[index] for index in range(24)])


class _Noisy(torch_data.Dataset[Any]):
    """A data set with a generator and a count."""

    def __init__(self) -> None:
        self.inner, self.reads, self.generator = _data(), 0, torch.Generator()

    def __getitem__(self, index: int) -> Any:
        self.reads += 1
        x, y = self.inner[index]
        return x + 0.01 * torch.rand(1, generator=self.generator), y

    def __len__(self) -> int:
        return 24


def _sampled(make: Callable[[Any], Any]) -> Callable[[], Any]:
    return lambda: DataLoader(_Noisy(), 8, sampler=make(_Noisy()))


DATA: dict[str, Callable[[], Any]] = {
    "BatchSampler": lambda: DataLoader(
        _Noisy(), batch_sampler=torch_data.BatchSampler(torch_data.RandomSampler(range(24)), 8, True)
    ),
    "ChainDataset": lambda: DataLoader(torch_data.ChainDataset([_Stream(), _Stream()]), 8),
    "ConcatDataset": lambda: DataLoader(torch_data.ConcatDataset([_Noisy(), _Noisy()]), 8, shuffle=True),
    "DataLoader": lambda: DataLoader(_Noisy(), 8, shuffle=True, generator=torch.Generator()),
    "DistributedSampler": _sampled(lambda dataset: torch_data.DistributedSampler(dataset, 1, 0)),
    "IterableDataset": lambda: DataLoader(_Stream(), 8),
    "RandomSampler": _sampled(lambda dataset: torch_data.RandomSampler(dataset, generator=torch.Generator())),
    "SequentialSampler": _sampled(torch_data.SequentialSampler),
    "StackDataset": lambda: DataLoader(torch_data.StackDataset(*_data().tensors), 8, shuffle=True),
    "Subset": lambda: DataLoader(torch_data.Subset(_Noisy(), list(range(16))), 8),
    "SubsetRandomSampler": _sampled(lambda _: torch_data.SubsetRandomSampler(range(16), torch.Generator())),
    "TensorDataset": lambda: DataLoader(_data(), 8, shuffle=True),
    "WeightedRandomSampler": _sampled(
        lambda _: torch_data.WeightedRandomSampler([1.0, 2.0] * 12, 24, generator=torch.Generator())
    ),
    "random_split": lambda: DataLoader(torch_data.random_split(_Noisy(), [16, 8])[0], 8),
}

DATA_WITHOUT_A_ROW = {
    "DFIterDataPipe": "a base class of data pipes",
    "DataChunk": "a list of examples",
    "Dataset": "the base class",
    "IterDataPipe": "a base class of data pipes",
    "MapDataPipe": "a base class of data pipes",
    "Sampler": "the base class",
}


def _of_data(make: Callable[[], Any]) -> Callable[[], Training]:
    def training() -> Training:
        model = nn.Linear(6, 1)
        loader = make()
        return Training(model, loader, torch.optim.SGD(model.parameters(), 0.01), loader)

    return training


class _LikeAMetric:
    """A metric with states that its users add by name, as those of torchmetrics."""

    def __init__(self) -> None:
        self._defaults: dict[str, Any] = {}
        self.add_state("total", torch.zeros(1))
        self.add_state("seen", [])

    def add_state(self, name: str, default: Any) -> None:
        self._defaults[name] = default
        setattr(self, name, default)

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        value = F.mse_loss(outputs, targets)
        self.total = self.total + value
        self.seen.append(value)
        return value


class _Mean(nn.Module):
    """A metric of outputs alone, called with targets too."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.inner(outputs.mean())


METRICS: dict[str, Callable[[], Any]] = {
    "MeanSquaredError": torchmetrics.MeanSquaredError,
    "MeanAbsoluteError": torchmetrics.MeanAbsoluteError,
    "R2Score": torchmetrics.R2Score,
    "PearsonCorrCoef": torchmetrics.PearsonCorrCoef,
    "SpearmanCorrCoef": torchmetrics.SpearmanCorrCoef,
    "MeanMetric": lambda: _Mean(torchmetrics.MeanMetric()),
    "CatMetric": lambda: _Mean(torchmetrics.CatMetric()),
    "RunningMean": lambda: _Mean(torchmetrics.RunningMean(window=2)),
    "MinMaxMetric": lambda: _First(torchmetrics.MinMaxMetric(torchmetrics.MeanSquaredError())),
    "MetricCollection": lambda: _First(
        torchmetrics.MetricCollection([torchmetrics.MeanSquaredError(), torchmetrics.MeanAbsoluteError()])
    ),
    "a class like those": _LikeAMetric,
}


class _First(nn.Module):
    """The first of several metrics."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return next(iter(self.inner(outputs.squeeze(1), targets.squeeze(1)).values()))


class _Squeezed(nn.Module):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.inner(outputs.squeeze(1), targets.squeeze(1))


def _of_metric(make: Callable[[], Any]) -> Callable[[], Training]:
    def training() -> Training:
        model = nn.Linear(6, 1)
        metric = make()
        metric = _Squeezed(metric) if type(metric).__module__.startswith("torchmetrics") else metric
        return Training(model, metric, torch.optim.SGD(model.parameters(), 0.01), _loader(), metric)

    return training


class _Counting(nn.Module):
    calls: int
    history: list[int]

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 1)
        self.norm = nn.BatchNorm1d(6)
        self.register_buffer("seen", torch.zeros(1), persistent=False)
        self.calls, self.history = 0, [0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.seen += 1
        self.history.append(self.calls)
        return self.layer(self.norm(x))


def _loaded(module: Any) -> Any:
    file = io.BytesIO()
    torch.jit.save(module, file)
    file.seek(0)
    return torch.jit.load(file)


def _traced() -> Any:
    return torch.jit.trace(nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 1)), torch.randn(4, 6))


SCRIPTS: dict[str, Callable[[], Any]] = {
    "torch.jit.script": lambda: torch.jit.script(_Counting()),
    "torch.jit.trace": _traced,
    "torch.jit.load of a scripted module": lambda: _loaded(torch.jit.script(_Counting())),
    "torch.jit.load of a traced module": lambda: _loaded(_traced()),
}


def _of_script(make: Callable[[], Any]) -> Callable[[], Training]:
    def training() -> Training:
        model = make()
        return Training(model, model, torch.optim.SGD(model.parameters(), 0.01), _loader())

    return training


def optimizers() -> list[str]:
    """Return the names of all optimizers of PyTorch that have a row."""
    classes = [name for name in dir(torch.optim) if isinstance(getattr(torch.optim, name), type)]
    return [name for name in classes if name not in OPTIMIZERS_WITHOUT_A_ROW]


# Every training, by what the class is of, and its name.
TRAININGS: dict[tuple[str, str], Callable[[], Training]] = {
    **{("torch.nn", name): _of_module(lambda name=name: modules.make(name)) for name in modules.names()},
    **{("torch.nn.utils", name): _of_layer(change) for name, change in UTILS.items()},
    **{("torch.optim", name): _of_optimizer(name) for name in optimizers()},
    **{("torch.utils.data", name): _of_data(make) for name, make in DATA.items()},
    **{("torchmetrics", name): _of_metric(make) for name, make in METRICS.items()},
    **{("TorchScript", name): _of_script(make) for name, make in SCRIPTS.items()},
}
