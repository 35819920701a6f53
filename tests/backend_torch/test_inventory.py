"""Whatever a model, a loss, a metric or an optimizer holds is put back, or named in the result."""

import functools
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune

import lrrange
from lrrange.errors import NotKeptWarning
from tests.backend_torch.rigs import data, loader_of
from tests.backend_torch.sweeping import STEPS, Trained, sweep

HELD: dict[str, Callable[[], dict[str, Any]]] = {
    "a tensor": lambda: {"held": torch.randn(3)},
    "an array": lambda: {"held": numpy.arange(6.0)},
    "a tensor in a list in a dict": lambda: {"held": {"a": [torch.randn(3)]}},
    "an array of objects": lambda: {"held": numpy.array([torch.ones(2), None], dtype=object)},
    "an empty array": lambda: {"held": numpy.zeros((0, 3))},
    "a masked array": lambda: {"held": numpy.ma.masked_array([1.0, 2.0], [True, False])},
    "a record array": lambda: {"held": numpy.zeros(3, dtype=[("a", "f4"), ("b", "i8")])},
    "a complex tensor": lambda: {"held": torch.randn(3, dtype=torch.complex64)},
    "a conjugated view": lambda: {"held": torch.randn(3, dtype=torch.complex64).conj()},
    "a quantized number": lambda: {"held": torch.randn(3).to(torch.float8_e4m3fn)},
    "a sparse tensor": lambda: {"held": torch.eye(3).to_sparse()},
    "a compressed sparse tensor": lambda: {"held": torch.eye(3).to_sparse_csr()},
    "an expanded tensor": lambda: {"held": torch.ones(1).expand(3)},
    "an inference tensor": lambda: {"held": inference_tensor()},
    "a nested tensor": lambda: {"held": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])},
    "a tensor with a history": lambda: {"held": torch.ones(3, requires_grad=True) * 2},
    "a NumPy number": lambda: {"held": numpy.float32(2)},
    "a device and a dtype": lambda: {"held": (torch.device("cpu"), torch.float32, torch.Size([1]))},
    "NaN": lambda: {"held": [float("nan"), torch.tensor(float("nan")), numpy.array([numpy.nan])]},
}


def inference_tensor() -> torch.Tensor:
    with torch.inference_mode():
        return torch.ones(3)


@pytest.mark.filterwarnings("ignore:.*prototype stage:UserWarning")
@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")
@pytest.mark.parametrize("what", HELD)
def test_a_model_may_hold_any_kind_of_array(what: str) -> None:
    sweep(Trained(**HELD[what]()))


class LikeADataFrame:
    """An object whose truth, equality and length raise, as with those of pandas."""

    def __init__(self) -> None:
        self.values = numpy.ones((2, 2))

    def __bool__(self) -> bool:
        raise ValueError("the truth value of a frame is ambiguous")

    def __eq__(self, other: object) -> bool:
        raise ValueError("can only compare identically-labeled frames")

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        raise TypeError("a frame has no length here")


def test_an_object_without_a_truth_value_is_put_back() -> None:
    sweep(Trained(lambda module: module.held.values.__iadd__(1), held=LikeADataFrame()))
    sweep(Trained(lambda module: setattr(module, "held", LikeADataFrame()), held=LikeADataFrame()))
    sweep(Trained(lambda module: module.held.append(LikeADataFrame()), held=[LikeADataFrame()]))
    sweep(Trained(lambda module: module.held.update(b=LikeADataFrame()), held={"a": LikeADataFrame()}))


def test_a_data_frame_is_put_back() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    before = frame.copy(deep=True)
    series = pandas.Series([1, 2, 3])

    def change(module: Any) -> None:
        module.frame.loc[0, "a"] += 1
        module.frame["c"] = 3
        module.series += 1

    sweep(Trained(change, frame=frame, series=series), before=0)
    pandas.testing.assert_frame_equal(frame, before)
    assert list(series) == [1, 2, 3]


CHANGES: dict[str, Callable[[], nn.Module]] = {
    "a count": lambda: Trained(lambda m: setattr(m, "calls", m.calls + 1), calls=0),
    "running statistics": lambda: Trained(
        lambda m: m.stats.update(n=m.stats["n"] + 1, new=1), stats={"n": 1, "old": 2}
    ),
    "the order of a dict": lambda: Trained(lambda m: m.held.update(a=m.held.pop("a")), held={"a": 1, "b": 2, "c": 3}),
    "the order of attributes": lambda: Trained(
        lambda m: m.__dict__.update(calls=m.__dict__.pop("calls")), calls=1, b=2
    ),
    "an average of weights": lambda: Trained(
        lambda m: m.average[0].lerp_(m.layer.weight.detach(), 0.1), average=[torch.zeros(1, 6)]
    ),
    "a deque": lambda: Trained(lambda m: m.recent.append(len(m.recent)), recent=deque([1, 2, 3], maxlen=3)),
    "a list of tensors": lambda: Trained(
        lambda m: (m.held.pop(0), m.held.append(torch.ones(2))), held=[torch.ones(1)] * 2
    ),
    "a set": lambda: Trained(lambda m: m.seen.add(len(m.seen)), seen={"a", 1.5}),
    "a bytearray": lambda: Trained(lambda m: m.held.append(7), held=bytearray(b"ab")),
    "an array": lambda: Trained(lambda m: m.held.__iadd__(1), held=numpy.ones(3)),
    "an element of an array of objects": lambda: Trained(
        lambda m: (m.held.__setitem__(1, m), m.held[0].add_(1)), held=numpy.array([torch.ones(2), None], dtype=object)
    ),
    "a slice of an array": lambda: Trained(lambda m: m.held[1].__iadd__(1), held=[*[numpy.ones((3, 4))] * 2]),
    "the length of an array": lambda: Trained(
        lambda m: m.held.resize(len(m.held) + 1, refcheck=False), held=numpy.ones(3)
    ),
    "a tensor that is replaced": lambda: Trained(lambda m: setattr(m, "held", m.held + 1), held=torch.zeros(2)),
    "a tensor that is deleted": lambda: Trained(lambda m: m.__dict__.pop("held", None), held=torch.zeros(2)),
    "a new attribute": lambda: Trained(lambda m: setattr(m, "late", torch.ones(2))),
    "a new buffer": lambda: Trained(lambda m: m.register_buffer("late", torch.ones(2))),
    "a new module": lambda: Trained(lambda m: m.add_module("late", nn.Linear(1, 1))),
    "a removed module": lambda: Trained(lambda m: m._modules.pop("spare", None), spare=nn.Linear(2, 2)),
    "a hook": lambda: Trained(lambda m: m.register_forward_hook(lambda *_: None)),
    "the mode": lambda: Trained(lambda m: m.layer.eval()),
    "a shared list": lambda: shared_list(),
    "a mark on a parameter": lambda: Trained(lambda m: setattr(m.layer.weight, "mark", [1])),
    "a list on a parameter": lambda: with_list_on_a_parameter(),
    "what requires a gradient": lambda: Trained(lambda m: m.spare.requires_grad_(False), spare=nn.Linear(2, 2)),
    "the memory of a parameter": lambda: Trained(
        lambda m: setattr(m.layer.weight, "data", m.layer.weight.data.clone())
    ),
    "a view": lambda: Trained(lambda m: m.view.add_(1), view=torch.zeros(4, 4)[1:3, ::2]),
    "the metadata of a tensor": lambda: Trained(lambda m: m.held.unsqueeze_(0), held=torch.zeros(3)),
    "the transposition of a tensor": lambda: Trained(lambda m: m.held.t_(), held=torch.zeros(3, 2)),
    "an iterator over a list": lambda: Trained(lambda m: next(m.held), held=iter(list(range(99)))),
    "an iterator over a range": lambda: Trained(lambda m: next(m.held), held=iter(range(99))),
    "a Python generator of random numbers": lambda: Trained(
        lambda m: m.held.random(), held=__import__("random").Random(3)
    ),
    "a generator of torch": lambda: Trained(lambda m: torch.rand(2, generator=m.held), held=torch.Generator()),
    "a generator of NumPy": lambda: Trained(lambda m: m.held.random(), held=numpy.random.default_rng(3)),
    "a bit generator of NumPy": lambda: Trained(lambda m: m.held.random_raw(), held=numpy.random.MT19937(3)),
    "an old generator of NumPy": lambda: Trained(lambda m: m.held.rand(), held=numpy.random.RandomState(3)),
    "a generator that spawns": lambda: Trained(lambda m: m.held.spawn(1), held=numpy.random.default_rng(3)),
    "a seed that spawns": lambda: Trained(lambda m: m.held.spawn(1), held=numpy.random.SeedSequence(3)),
    "a generator made lazily": lambda: Trained(lambda m: setattr(m, "held", m.held or torch.Generator()), held=None),
    "half of a Gaussian pair": lambda: Trained(
        lambda m: (m.a.gauss(0, 1), m.b.randn()), a=__import__("random").Random(3), b=numpy.random.RandomState(3)
    ),
}


def shared_list() -> nn.Module:
    shared: list[int] = [1]
    return Trained(lambda m: m.a.append(len(m.b)), a=shared, b=shared)


def with_list_on_a_parameter() -> nn.Module:
    model = Trained(lambda m: m.layer.weight.notes.append(1))
    model.layer.weight.notes = []
    return model


@pytest.mark.parametrize("what", CHANGES)
def test_a_forward_pass_may_change(what: str) -> None:
    sweep(CHANGES[what]())


def spectral(model: nn.Module) -> nn.Module:
    nn.utils.spectral_norm(model.layer)
    return model


def with_mask(model: nn.Module) -> nn.Module:
    prune.l1_unstructured(model.layer, "weight", 0.5)
    return model


class Doubled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return 2 * x


NORMS: dict[str, Callable[[nn.Module], object]] = {
    "weight_norm of torch.nn.utils": lambda layer: nn.utils.weight_norm(layer),
    "weight_norm of parametrizations": lambda layer: parametrizations.weight_norm(layer),
    "spectral_norm of torch.nn.utils": lambda layer: nn.utils.spectral_norm(layer),
    "spectral_norm of parametrizations": lambda layer: parametrizations.spectral_norm(layer),
    "orthogonal": lambda layer: parametrizations.orthogonal(layer),
    "prune": lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
    "a parametrization": lambda layer: parametrize.register_parametrization(layer, "weight", Doubled()),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize("norm", NORMS)
def test_a_layer_may_compute_its_weights(norm: str) -> None:
    model = Trained()
    NORMS[norm](model.layer)
    sweep(model)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))
        self.history: list[float] = []

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        self.history.append(float(self.seen))
        return F.mse_loss(outputs, targets)


class Center(nn.Module):
    """A loss with a centre that follows the outputs, and a queue."""

    def __init__(self) -> None:
        super().__init__()
        self.center = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.queue: deque[torch.Tensor] = deque(maxlen=4)

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.center.data.lerp_(outputs.detach().mean(0), 0.1)
        self.queue.append(outputs.detach().mean())
        return F.mse_loss(outputs - self.center, targets)


class Counted:
    def __init__(self) -> None:
        self.calls = 0
        self.scale = torch.ones(1)

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.scale *= 1.01
        return F.mse_loss(outputs, targets) * self.scale.item()

    method = __call__


class Slotted:
    __slots__ = ("calls", "late")

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.late = [self.calls]
        return F.mse_loss(outputs, targets)


def closure() -> Callable[..., torch.Tensor]:
    seen, inner, holder = torch.zeros(1), Counting(), Counted()

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.add_(1)
        return inner(outputs, targets) + holder(outputs, targets)

    return loss


def closure_that_rebinds() -> Callable[..., torch.Tensor]:
    average = torch.zeros(1)

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        nonlocal average
        average = 0.9 * average + 0.1 * outputs.detach().mean()
        return F.mse_loss(outputs - average, targets)

    return loss


def with_default(outputs: Any, targets: Any, seen: torch.Tensor = torch.zeros(1), *, inner: Any = Counted()) -> Any:  # noqa: B008
    seen += 1
    return inner(outputs, targets)


CALLED = Counted()
SEEN = torch.zeros(1)


def with_globals(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    global SEEN
    SEEN = SEEN + 1
    return CALLED(outputs, targets)


def added(scale: torch.Tensor, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    scale += 0.1
    return F.mse_loss(outputs, targets) * scale.item()


def with_attribute() -> Callable[..., torch.Tensor]:
    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        loss.inner.seen += 1  # type: ignore[attr-defined]
        return F.mse_loss(outputs, targets)

    loss.inner = Counting()  # type: ignore[attr-defined]
    return loss


LOSSES: dict[str, Callable[[], Callable[..., torch.Tensor]]] = {
    "a module with a buffer": Counting,
    "a module with a centre and a queue": Center,
    "a module in a module": lambda: Wrapping(Counting()),
    "a callable": Counted,
    "a callable with slots": Slotted,
    "a bound method": lambda: Counted().method,
    "a bound __call__": lambda: Counted().__call__,
    "a closure": closure,
    "a closure that rebinds": closure_that_rebinds,
    "a function with defaults": lambda: with_default,
    "a function with globals": lambda: with_globals,
    "a function with an attribute": with_attribute,
    "a partial with a tensor": lambda: functools.partial(added, torch.ones(1)),
    "a partial of a partial of a module": lambda: functools.partial(functools.partial(Counting().forward)),
    "a lambda over a callable": lambda: (lambda counted: lambda outputs, targets: counted(outputs, targets))(Counted()),
    "a wrapped function": lambda: functools.wraps(with_globals)(closure()),
    "a cached function": lambda: cached(),
}


class Wrapping(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.inner(outputs, targets)


def cached() -> Callable[..., torch.Tensor]:
    counted = Counted()

    @functools.cache
    def make() -> Counted:
        return counted

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return make()(outputs, targets)

    return loss


@pytest.mark.parametrize("what", LOSSES)
def test_a_loss_may_be(what: str) -> None:
    loss_fn = LOSSES[what]()
    sweep(loss_fn=loss_fn, also=[CALLED, SEEN, with_default.__defaults__])


class Metric(Counted):
    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return -super().__call__(outputs, targets)


@pytest.mark.parametrize("metric", [Metric, Counting, lambda: Metric().method, closure])
def test_a_metric_may_count(metric: Callable[[], Any]) -> None:
    sweep(metric=metric(), metric_mode="min")


def test_the_lists_and_numbers_of_a_function_are_its_notes_and_stay() -> None:
    history: list[float] = []
    steps = 0

    def loss(outputs: torch.Tensor, targets: torch.Tensor, counts: dict[str, int] = {"n": 0}) -> torch.Tensor:  # noqa: B006
        nonlocal steps
        steps += 1
        counts["n"] += 1
        value = F.mse_loss(outputs, targets)
        history.append(value.item())
        return value

    sweep(loss_fn=loss, before=0, differs=["loss_fn"])
    assert steps == loss.__defaults__[0]["n"] == len(history) == STEPS


OPTIMIZER_STATE: dict[str, Callable[[], tuple[Any, Callable[[Any], Any]]]] = {
    "a dict": lambda: ({"n": 1}, lambda held: held.update(n=2, m=3)),
    "a deque": lambda: (deque([1], maxlen=2), lambda held: held.append(2)),
    "a generator": lambda: (numpy.random.default_rng(1), lambda held: held.random()),
    "a list of tensors": lambda: ([torch.zeros(2)], lambda held: held[0].add_(1)),
    "an object": lambda: (Counted(), lambda held: held.scale.add_(1)),
    "a bytearray": lambda: (bytearray(b"a"), lambda held: held.append(2)),
    "an iterator": lambda: (iter([1] * 30), lambda held: next(held)),
}


class Keeping(torch.optim.SGD):
    """An optimizer that keeps an object of any kind: in its state, its group and itself."""

    def __init__(self, parameters: Any, held: Any, change: Callable[[Any], Any]) -> None:
        super().__init__(parameters, 0.01)
        self.change, self.own, self.calls = change, held, 0
        self.param_groups[0]["held"] = held
        self.state["held"] = held

    def step(self, closure: Any = None) -> Any:
        self.calls += 1
        self.change(self.own)
        for group in self.param_groups:
            group["calls"] = self.calls
            for parameter in group["params"]:
                self.state[parameter]["calls"] = self.calls
        return super().step(closure)


@pytest.mark.parametrize("what", OPTIMIZER_STATE)
def test_the_state_of_an_optimizer_may_hold(what: str) -> None:
    model = Trained()
    sweep(model, optimizer=Keeping(model.parameters(), *OPTIMIZER_STATE[what]()))


NOT_KEPT: dict[str, Callable[[], Any]] = {
    "a counter": lambda: itertools.count(),
    "a cycle": lambda: itertools.cycle([1, 2]),
    "a chain": lambda: itertools.chain([1] * 50, [2] * 50),
    "a generator": lambda: (number for number in range(100)),
    "an iterator over a dict": lambda: iter(dict.fromkeys(range(100), 1)),
    "an iterator over a set": lambda: iter(set(range(100))),
    "a zip": lambda: zip(range(100), range(100), strict=True),
    "a map": lambda: map(str, range(100)),
    "an enumeration": lambda: enumerate(range(100)),
    "an iterator that calls": lambda: iter(lambda: 1, 2),
}


@pytest.mark.parametrize("what", NOT_KEPT)
def test_an_iterator_that_moves_and_cannot_be_set_back_is_named(what: str) -> None:
    held = NOT_KEPT[what]()
    differs = ["model.held"] if what in ("a counter", "an iterator over a dict", "an iterator over a set") else []
    sweep(Trained(lambda module: next(module.held), held=held), not_kept=["model.held"], differs=differs)


def test_a_counter_that_does_not_move_is_not_named() -> None:
    sweep(Trained(held=itertools.count(3)))


def test_the_warning_says_what_cannot_be_put_back_and_what_to_do() -> None:
    model = Trained(lambda module: next(module.held), held=itertools.count())
    with pytest.warns(
        NotKeptWarning, match=r"cannot be put back: model\.held \(an iterator\)\. .* name it in restore="
    ):
        result = lrrange.find_lr(
            model,
            optimizer=torch.optim.SGD(model.parameters(), 0.1),
            loss_fn=F.mse_loss,
            loader=loader_of(data()),
            num_steps=STEPS,
        )
    assert result.provenance.details["not_kept"] == {"model.held": "an iterator"}
    assert result.provenance.details["restore_verified"] is False


class Calls:
    """A counter of calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *_: Any) -> None:
        self.calls += 1


def test_an_object_that_only_a_hook_leads_to_takes_notes_unless_it_is_named() -> None:
    model, notes = Trained(), Calls()
    model.register_forward_pre_hook(notes)
    sweep(model, before=0, differs=["model"])
    assert notes.calls == STEPS
    sweep(model, before=0, restore=notes)
    assert notes.calls == STEPS


def test_a_list_of_notes_is_put_back_if_it_is_named() -> None:
    history: list[float] = []

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        value = F.mse_loss(outputs, targets)
        history.append(value.item())
        return value

    sweep(loss_fn=loss, before=0, restore=[history])
    assert history == []


def test_an_object_that_a_hook_leads_to_and_a_loss_holds_is_put_back() -> None:
    class Loss(nn.Module):
        def __init__(self, inner: Calls) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return F.mse_loss(outputs, targets)

    model, calls = Trained(), Calls()
    model.register_forward_pre_hook(calls)
    sweep(model, Loss(calls), before=2)
    assert calls.calls == 2
