"""Whatever ends runs that are taken together, everything is back to the last bit, and the error is the user's own.

`find` compares all that a training changes from before and after, also where it raises.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from lrrange_torch.loader_step import LoaderStep
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange import StopReason
from lrrange.errors import RestoreFailed
from tests.backend_torch.observing import of_random_states
from tests.backend_torch.rigs import data, loader_of
from tests.backend_torch.side_by_side import Make, find, observed, training, ways


class Enough(Exception):
    pass


def loss_that_raises(number: int, error: type[BaseException]) -> Callable[..., torch.Tensor]:
    """Return a loss function that raises from call `number` on. The first sweep makes 30 calls."""
    calls = itertools.count(1)

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if next(calls) >= number:
            raise error("from the loss function")
        return F.mse_loss(output, target)

    return loss


def momentous(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, 0.01, amsgrad=True)


def trained(**options: Any) -> Make:
    """A training with optimizer state, left-over gradients, and a loader whose generator has been used."""

    def make() -> tuple[nn.Module, dict[str, Any]]:
        model, made = training(optimizer=momentous)()
        for inputs, targets in made["loader"]:
            made["optimizer"].zero_grad()
            F.mse_loss(model(inputs), targets).backward()
            made["optimizer"].step()
        return model, {**made, **options}

    return make


# The first loss of the runs together, the batched pass that is compared with it, and steps.
@pytest.mark.parametrize("number", [31, 32, 33, 34, 50, 62])
@pytest.mark.parametrize("error", [Enough, KeyboardInterrupt, SystemExit])
def test_an_error_of_the_loss_function_is_raised_and_everything_is_restored(
    number: int, error: type[BaseException]
) -> None:
    loss = loss_that_raises(number, error)
    # An error in the batched pass only sends the runs one by one. Then the first of them raises the error itself.
    with pytest.raises(error, match="from the loss function"):
        find(trained(loss_fn=loss), "vmap")


@pytest.mark.parametrize("number", [31, 35, 60])
def test_an_error_of_the_loader_is_raised_and_everything_is_restored(number: int) -> None:
    taken: list[Any] = []  # a count of the loader's own would be put back after each run

    class Failing:
        def __iter__(self) -> Iterator[Any]:
            for batch in loader_of(data()):
                taken.append(batch)
                if len(taken) > number:
                    raise Enough("from the loader")
                yield batch

    with pytest.raises(Enough, match="from the loader"):
        find(trained(loader=Failing()), "vmap")


class Refusing:
    """A watcher that raises at the `number`-th call of one hook."""

    def __init__(self, hook: str, number: int, error: type[BaseException] = Enough) -> None:
        self.hook, self.number, self.error = hook, number, error
        self.started = self.finished = 0
        self.ends: list[StopReason | None] = []

    def _count(self, hook: str) -> None:
        if hook == self.hook:
            self.number -= 1
            if self.number == 0:
                raise self.error("from a watcher")

    @lrrange.hookimpl
    def lrrange_started(self, sweep: lrrange.Sweep) -> None:
        self.started += 1
        self._count("started")

    @lrrange.hookimpl
    def lrrange_advanced(self, sweep: lrrange.Sweep) -> None:
        self._count("advanced")

    @lrrange.hookimpl
    def lrrange_finished(self, sweep: lrrange.Sweep) -> None:
        self.finished += 1
        self.ends.append(sweep.stop_reason)
        self._count("finished")


@pytest.mark.parametrize(
    ("hook", "number"),
    [("started", 2), ("started", 3), ("advanced", 31), ("advanced", 44), ("advanced", 90), ("finished", 2)],
)
@pytest.mark.parametrize("error", [Enough, KeyboardInterrupt])
def test_an_error_of_a_watcher_is_raised_and_everything_is_restored(
    hook: str, number: int, error: type[BaseException]
) -> None:
    watcher = Refusing(hook, number, error)
    with pytest.raises(error, match="from a watcher"):
        find(trained(), "vmap", watchers=[watcher])
    assert watcher.finished == watcher.started


def test_sweeps_that_are_interrupted_say_so() -> None:
    watcher = Refusing("advanced", 40, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        find(trained(), "vmap", watchers=[watcher])
    assert watcher.ends == [StopReason.COMPLETED, StopReason.INTERRUPTED, StopReason.INTERRUPTED]


def test_an_error_of_the_reset_is_raised_and_everything_is_restored() -> None:
    def make() -> tuple[nn.Module, dict[str, Any]]:
        model, options = trained()()
        calls = itertools.count()

        def reset() -> None:
            with torch.no_grad():
                model[0].weight.zero_()
            torch.rand(3)
            if next(calls) == 1:
                raise Enough("from the reset")

        return model, {**options, "reset": reset}

    with pytest.raises(Enough, match="from the reset"):
        find(make, "vmap")


def test_an_error_in_the_held_out_batches_is_raised_and_everything_is_restored() -> None:
    class Failing:
        def __iter__(self) -> Iterator[Any]:
            raise Enough("from the held-out batches")
            yield

    with pytest.raises(Enough, match="from the held-out batches"):
        find(trained(val_loader=Failing()), "vmap", repeats=1, confirm=True, confirm_steps=90)


def test_training_continues_afterwards_as_if_there_had_been_no_sweep() -> None:
    def train(swept: bool) -> list[float]:
        model, options = trained()()
        if swept:
            find(lambda: (model, options), "vmap", confirm=True, confirm_steps=90)
        losses = []
        for inputs, targets in options["loader"]:
            options["optimizer"].zero_grad()
            loss = F.mse_loss(model(inputs), targets)
            loss.backward()
            options["optimizer"].step()
            losses.append(float(loss.detach()))
        return losses

    assert train(swept=True) == train(swept=False)


def test_a_second_test_gives_the_sweeps_of_the_first() -> None:
    model, options = trained()()
    first, second = (find(lambda: (model, options), "vmap") for _ in range(2))
    assert first.sweeps == second.sweeps


@pytest.mark.parametrize("parallel", ["vmap", "off"])
@pytest.mark.parametrize("number", [40, None])
def test_an_incomplete_restore_is_found_even_if_the_run_raised(parallel: Any, number: int | None) -> None:
    class Leaving(LoaderStep):
        """Its second restore is not complete."""

        restores = 0

        def restore(self, state: Any) -> None:
            super().restore(state)
            self.restores += 1

        def digest(self) -> Any:
            yield from super().digest()
            yield "what is left", self.restores > 1

    model, options = trained()()
    if number is not None:
        options["loss_fn"] = loss_that_raises(number, Enough)
    with pytest.raises(RestoreFailed, match="what is left is not as it was") as raised:
        lrrange.find_lr(
            Leaving(model, **options), num_steps=30, repeats=3, seed=1, parallel=parallel, verify_restore=True
        )
    assert (raised.value.__cause__ is None) == (number is None)


def test_the_random_state_is_restored_if_only_trials_are_taken_together() -> None:
    model, options = trained()()
    before, states = observed(model, options), of_random_states()
    result = lrrange.find_lr(
        model,
        confirm=True,
        confirm_steps=90,
        parallel="vmap",
        num_steps=30,
        heuristic=lambda curve: lrrange.Suggestion(heuristic="in the middle", lr=3e-3),
        **options,
    )
    assert ways(result) == ["2 runs together"]
    assert observed(model, options) == before
    assert of_random_states() == states
