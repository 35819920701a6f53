"""Small trainings whose runs are taken one after another and all together, and what must be equal in both cases."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import nn

import lrrange
from tests.backend_torch.observing import of_module, of_optimizer, of_random_states
from tests.backend_torch.rigs import data, loader_of, seed_all

# Makes a model and the options of `find_lr` for it, the same each time.
Make = Callable[[], tuple[nn.Module, dict[str, Any]]]

# Options of every test here, at rates where rounding errors do not grow: a first sweep, and two more.
SWEEP: dict[str, Any] = {
    "paired": False,
    "start_lr": 1e-4,
    "end_lr": 0.1,
    "num_steps": 30,
    "repeats": 3,
    "seed": 7,
    "heuristic": lambda curve: lrrange.Suggestion(heuristic="in the middle", lr=3e-3),
}
TOGETHER = "2 runs together"


def mlp(**options: Any) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 12, **options), nn.Tanh(), nn.Linear(12, 1, **options))


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, 0.01, momentum=0.9)


def training(
    model: Callable[[], nn.Module] = mlp,
    optimizer: Callable[[Any], torch.optim.Optimizer] = sgd,
    loader: Callable[[], Iterable[Any]] = lambda: loader_of(data()),
    loss_fn: Callable[..., torch.Tensor] = nn.functional.mse_loss,
    **options: Any,
) -> Make:
    def make() -> tuple[nn.Module, dict[str, Any]]:
        seed_all()
        made = model()
        return made, {"optimizer": optimizer(made.parameters()), "loss_fn": loss_fn, "loader": loader(), **options}

    return make


def observed(model: nn.Module, options: dict[str, Any]) -> Any:
    generator = getattr(options["loader"], "generator", None)
    return {
        "model": of_module(model),
        "optimizer": of_optimizer(options["optimizer"]),
        "random": of_random_states(*([] if generator is None else [generator])),
    }


def find(make: Make, parallel: Any, **options: Any) -> lrrange.RangeTestResult:
    """Run a range test, and check that everything is as before to the last bit."""
    model, made = make()
    before = observed(model, made)
    try:
        return lrrange.find_lr(model, **{**SWEEP, **made, **options}, parallel=parallel, verify_restore=True)
    finally:
        assert observed(model, made) == before


def ways(result: lrrange.RangeTestResult) -> list[str]:
    found: list[str] = result.provenance.details["parallel"]
    return found


def assert_same_losses(one: lrrange.RangeTestResult, other: lrrange.RangeTestResult, rel: float) -> None:
    assert one.stop_reason is other.stop_reason
    assert one.provenance.steps_run == other.provenance.steps_run
    assert len(one.sweeps) == len(other.sweeps)
    for curve, another in zip((one.curve, *one.sweeps), (other.curve, *other.sweeps), strict=True):
        assert another.lr == curve.lr
        assert another.loss == pytest.approx(curve.loss, rel=rel, nan_ok=True)
        assert another.names == curve.names
        if curve.also is not None:
            assert another.also is not None
            assert another.also.loss == pytest.approx(curve.also.loss, rel=rel, nan_ok=True)
    if one.confirmation is None:
        assert other.confirmation is None
        return
    assert other.confirmation is not None
    trials, others = one.confirmation.trials, other.confirmation.trials
    assert [trial.lr for trial in others] == pytest.approx([trial.lr for trial in trials], rel=1e-3)
    assert [trial.steps for trial in others] == [trial.steps for trial in trials]
    assert [trial.loss for trial in others] == pytest.approx([trial.loss for trial in trials], rel=10 * rel)


def assert_together_is_as_off(
    make: Make, rel: float = 1e-4, **options: Any
) -> tuple[lrrange.RangeTestResult, lrrange.RangeTestResult]:
    """Run the test both ways, compare, and return both results."""
    off, together = find(make, "off", **options), find(make, "vmap", **options)
    assert all("together" in way for way in ways(together)), ways(together)
    assert_same_losses(off, together, rel)
    return off, together
