"""Bad input: a clear error before the first step, and nothing touched."""

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from lrrange_torch.endless_batches import is_one_example
from lrrange_torch.optimizer import GroupRates
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange.errors import LossError, LRRangeError, NoData, OptionError, PlanError, RateNotInForce, TargetError
from tests.backend_torch.observing import of_module, of_optimizer, of_random_states
from tests.backend_torch.rigs import data, loader_of, seed_all


class Counting(nn.Sequential):
    """Counts its forward passes where no snapshot can put the count back."""

    forwards: list[int]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        type(self).forwards.append(1)
        return super().forward(x)


@pytest.fixture
def training() -> dict[str, Any]:
    seed_all()
    Counting.forwards = []
    model = Counting(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1))
    return {
        "model": model,
        "optimizer": torch.optim.Adam(model.parameters()),
        "loss_fn": nn.MSELoss(),
        "loader": loader_of(data()),
    }


BAD: dict[str, tuple[dict[str, Any], type[LRRangeError], str]] = {
    "one step": ({"num_steps": 1}, PlanError, "num_steps=1 .*at least 2"),
    "rates out of order": ({"start_lr": 1.0, "end_lr": 0.1}, PlanError, "end_lr=0.1 is not above start_lr=1"),
    "equal rates": ({"start_lr": 0.1, "end_lr": 0.1}, PlanError, "Swap them, or raise end_lr"),
    "a rate of zero": ({"start_lr": 0.0}, PlanError, "start_lr=0 is not a positive"),
    "a negative rate": ({"start_lr": -1e-3}, PlanError, "start_lr=-0.001"),
    "an infinite rate": ({"end_lr": float("inf")}, PlanError, "end_lr=inf"),
    "an unknown shape": ({"shape": "cubic"}, PlanError, "cubic"),
    "an unknown heuristic": ({"heuristic": "vale"}, LRRangeError, "vale.*valley"),
    "an unknown backend": ({"backend": "tensorflow"}, LRRangeError, "tensorflow.*torch"),
    "an unknown option": ({"lodaer": []}, OptionError, "lodaer.*loader="),
    "an empty loader": ({"loader": []}, NoData, "no batch"),
    "a loader without batches": ({"loader": iter(())}, NoData, "no batch"),
    "no loader": ({"loader": 3}, TargetError, "int"),
    "no loss function": ({"loss_fn": "mse"}, OptionError, "loss_fn is a str"),
    "an optimizer class": (
        {"optimizer": torch.optim.Adam},
        OptionError,
        "optimizer is the class Adam.*Call it",
    ),
    "no accumulation": ({"accumulate": 0}, OptionError, "accumulate=0"),
    "a negative norm": ({"clip_norm": -1.0}, OptionError, "clip_norm=-1"),
    "an unknown batch form": ({"batch_form": "pairs"}, OptionError, "pairs"),
    "dict batches": ({"loader": [{"x": torch.ones(2, 6)}]}, TargetError, "dict of length 1.*batch_form='whole'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_before_the_first_step(training: dict[str, Any], case: str) -> None:
    changes, error, message = BAD[case]
    model, optimizer = training.pop("model"), training["optimizer"]
    generator = training["loader"].generator
    before = of_module(model), of_optimizer(optimizer), of_random_states(generator)
    with pytest.raises(error, match=message):
        lrrange.find_lr(model, **{**training, **changes})
    assert (of_module(model), of_optimizer(optimizer), of_random_states(generator)) == before
    assert Counting.forwards == []


def test_a_loader_shorter_than_one_batch_is_named(training: dict[str, Any]) -> None:
    model = training.pop("model")
    training["loader"] = torch.utils.data.DataLoader(data(count=5), batch_size=16, drop_last=True)
    with pytest.raises(NoData, match="drop_last"):
        lrrange.find_lr(model, **training)


def test_an_optimizer_of_another_model_is_named(training: dict[str, Any]) -> None:
    model = training.pop("model")
    training["optimizer"] = torch.optim.SGD(nn.Linear(3, 1).parameters(), 0.1)
    with pytest.raises(TargetError, match="holds none of the 4 trainable parameters") as error:
        lrrange.find_lr(model, **training)
    assert error.value.trainable == 4


def test_lazy_parameters_are_named(training: dict[str, Any]) -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 1))
    training["optimizer"] = torch.optim.SGD(model.parameters(), 0.1)
    training.pop("model")
    with pytest.raises(TargetError, match="lazy parameters"):
        lrrange.find_lr(model, **training)


def test_a_rate_of_none_is_named(training: dict[str, Any]) -> None:
    model = training.pop("model")
    training["optimizer"].param_groups[0]["lr"] = None
    with pytest.raises(TargetError, match="param group 0 has lr=None"):
        lrrange.find_lr(model, **training)


@pytest.mark.parametrize(
    ("loss_fn", "error", "message"),
    [
        (lambda output, target: F.mse_loss(output, target, reduction="none"), LossError, r"shape \(16, 1\)"),
        (lambda output, target: 1.0, LossError, "float"),
        (lambda output, target: F.mse_loss(output.detach(), target), TargetError, "does not depend on any parameter"),
    ],
)
def test_a_loss_that_cannot_train_is_named_and_nothing_is_changed(
    training: dict[str, Any], loss_fn: Callable[..., Any], error: type[LRRangeError], message: str
) -> None:
    model = training.pop("model")
    before = of_module(model), of_optimizer(training["optimizer"])
    with pytest.raises(error, match=message):
        lrrange.find_lr(model, **{**training, "loss_fn": loss_fn})
    assert (of_module(model), of_optimizer(training["optimizer"])) == before


class Output(dict[str, Any]):
    """The shape of a ModelOutput of transformers."""

    loss: Any = None


LOSSES: dict[str, tuple[Callable[[torch.Tensor], Any], str]] = {
    "a model output": (lambda loss: Output(loss=loss, logits=loss), r"a Output that holds its loss as 'loss'.*outputs"),
    "a dict with a loss": (lambda loss: {"loss": loss, "acc": 0.5}, r"a dict that holds its loss as 'loss'"),
    "a dict of losses": (
        lambda loss: {"loss_box": loss, "loss_mask": loss},
        r"a dict of 2 losses \(loss_box, loss_mask\)\. Return their sum: sum\(losses\.values\(\)\)",
    ),
    "a dict of others": (lambda loss: {"a": loss, "b": "text"}, r"a dict of 2 values \(a, b\)\. Return the loss among"),
    "an empty dict": (lambda loss: {}, r"a dict of 0 values"),
    "a tuple": (
        lambda loss: (loss, torch.ones(16, 1)),
        r"a tuple of 2 values \(Tensor of shape \(\), Tensor of shape \(16, 1\)\)\. Return the loss alone",
    ),
    "a list": (lambda loss: [loss], r"a list of 1 values .*Return the loss alone"),
    "nothing": (lambda loss: None, r"None instead of its loss\. Return the loss from it"),
    "text": (lambda loss: "0.5", r"a str, not one number"),
    "one loss for each example": (
        lambda loss: loss.expand(16, 1),
        r"a Tensor of shape \(16, 1\), 16 numbers .*\.mean",
    ),
}
NUMBERS: dict[str, Callable[[torch.Tensor], Any]] = {
    "item": lambda loss: loss.item(),
    "numpy": lambda loss: loss.detach().numpy().mean(),
    "int": lambda loss: 1,
}


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_that_is_no_tensor_of_one_number_is_named_with_what_to_write(
    training: dict[str, Any], kind: str
) -> None:
    wrap, message = LOSSES[kind]
    model, optimizer = training.pop("model"), training["optimizer"]
    training["loss_fn"] = lambda outputs, targets: wrap(F.mse_loss(outputs, targets))
    with pytest.raises(LossError, match="loss_fn returned " + message):
        lrrange.find_lr(model, **training)

    def step() -> Any:
        loss = F.mse_loss(model(data().tensors[0]), data().tensors[1])
        loss.backward()
        optimizer.step()
        return wrap(loss)

    with pytest.raises(LossError, match=r"step\(\) returned " + message):
        lrrange.find_lr(step, optimizer=optimizer, restore=model)


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_loss_without_a_gradient_is_named_and_an_own_step_may_return_it(training: dict[str, Any], kind: str) -> None:
    model, optimizer = training.pop("model"), training["optimizer"]
    training["loss_fn"] = lambda outputs, targets: NUMBERS[kind](F.mse_loss(outputs, targets))
    with pytest.raises(LossError, match=r"a number without a gradient: \.item\(\), float\(\) or NumPy"):
        lrrange.find_lr(model, **training)

    def step() -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(model(data().tensors[0]), data().tensors[1])
        loss.backward()
        optimizer.step()
        return NUMBERS[kind](loss)

    fifth = lambda curve: lrrange.Suggestion(lr=curve.lr[4], index=4, heuristic="fifth")  # noqa: E731  shorter
    result = lrrange.find_lr(step, optimizer=optimizer, restore=model, num_steps=10, heuristic=fifth)
    assert result.lr == result.curve.lr[4]


def no_optimizers(model: nn.Module) -> dict[str, tuple[Any, str]]:
    adam = torch.optim.Adam(model.parameters())
    return {
        "a class": (
            torch.optim.Adam,
            r"the class Adam, which has not been called\. Call it with the model's parameters",
        ),
        "a partial": (functools.partial(torch.optim.SGD, lr=0.1), r"a partial of SGD, which has not been called"),
        "a partial of a partial": (functools.partial(functools.partial(torch.optim.SGD), lr=0.1), "partial of SGD"),
        "a function": (
            lambda parameters: torch.optim.SGD(parameters, 0.1),
            r"a function, not an optimizer.*call it first",
        ),
        "parameters": (model.parameters(), r"a generator of 4 parameters or param groups\. Make an optimizer of them"),
        "named parameters": (model.named_parameters(), r"a generator of 4 parameters"),
        "a list of parameters": (list(model.parameters()), r"a list of 4 parameters"),
        "param groups": ([{"params": list(model.parameters()), "lr": 0.1}], r"a list of 1 parameters or param groups"),
        "a parameter": (next(model.parameters()), r"a Parameter\. Make an optimizer"),
        "the model": (model, r"a Counting\. Make an optimizer"),
        "a scheduler": (torch.optim.lr_scheduler.StepLR(adam, 5), r"a StepLR, an LR scheduler\. Give its optimizer"),
        "a dict": ({"adam": adam}, r"a dict, not an optimizer\. Several optimizers go in a list"),
        "nothing": (None, r"optimizer= is missing"),
        "text": ("adam", r"a str, not a torch\.optim\.Optimizer"),
        "an empty list": ([], r"a list without any optimizer in it"),
        "a list with something else": ([adam, 0.1], r"optimizer\[1\] is a float, not a torch\.optim\.Optimizer"),
        "a list with a class": ([adam, torch.optim.SGD], r"optimizer\[1\] is the class SGD"),
        "what configure_optimizers returns": ([[adam], []], r"optimizer\[0\] is a list inside another"),
        "the same groups twice": ([adam, around(adam)], r"a Adam and a Around with the same param groups: one wraps"),
    }


def around(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    class Around(torch.optim.Optimizer):
        def __init__(self) -> None:
            self.inside = optimizer
            self.param_groups = optimizer.param_groups

        def step(self, closure: Any = None) -> Any:
            return self.inside.step(closure)

    return Around()


@pytest.mark.parametrize("case", no_optimizers(nn.Linear(1, 1)))
def test_what_is_no_optimizer_is_named_with_what_to_give(training: dict[str, Any], case: str) -> None:
    model = training.pop("model")
    given, message = no_optimizers(model)[case]
    with pytest.raises(OptionError, match=message):
        lrrange.find_lr(model, **{**training, "optimizer": given})
    assert Counting.forwards == []


@pytest.mark.parametrize("case", ["a class", "a partial", "a list of parameters", "a scheduler", "a dict"])
def test_what_is_no_optimizer_of_an_own_step_is_named_too(training: dict[str, Any], case: str) -> None:
    given, message = no_optimizers(training["model"])[case]
    with pytest.raises(OptionError, match=message):
        lrrange.find_lr(lambda: 1.0, optimizer=given, restore=())


class OwnDataset(torch.utils.data.Dataset[Any]):
    def __getitem__(self, index: int) -> Any:
        return data()[index]

    def __len__(self) -> int:
        return 96


class Described(list[Any]):
    """The shape of a dataset of Hugging Face: it is of no class of torch, and describes its columns."""

    features: ClassVar[dict[str, str]] = {"x": "float", "y": "float"}


def examples(label: bool = False) -> list[Any]:
    inputs, targets = data().tensors
    if label:
        return [(x, int(y > 0)) for x, y in zip(inputs, targets[:, 0], strict=True)]
    return list(zip(inputs, targets, strict=True))


class Streamed(torch.utils.data.IterableDataset[Any]):
    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __iter__(self) -> Any:
        return iter(self.items)


class OwnIteration(OwnDataset):
    def __iter__(self) -> Any:
        return iter(batches())


def batches() -> list[Any]:
    return list(zip(*(part.split(16) for part in data().tensors), strict=True))


DATASETS: dict[str, Callable[[], Any]] = {
    "a TensorDataset": data,
    "an own dataset": OwnDataset,
    "a subset": lambda: torch.utils.data.Subset(data(), range(40)),
    "a random split": lambda: torch.utils.data.random_split(data(), [48, 48])[0],
    "a subset of a subset": lambda: torch.utils.data.Subset(torch.utils.data.Subset(data(), range(40)), range(20)),
    "a concatenation": lambda: torch.utils.data.ConcatDataset([data(), data()]),
    "a dataset of Hugging Face": lambda: Described([{"x": [1.0] * 6, "y": 1.0}] * 10),
}
EXAMPLES: dict[str, Callable[[], Any]] = {
    "a list of examples": examples,
    "a list with labels": lambda: examples(label=True),
    "a list with labels as tensors": lambda: [(x, torch.tensor(y)) for x, y in examples(label=True)],
    "a list with numbers": lambda: [(x, float(y)) for x, y in examples()],
    "an iterable dataset": lambda: Streamed(examples()),
    "a loader without a batch size": lambda: torch.utils.data.DataLoader(data(), batch_size=None),
    "a generator": lambda: iter(examples(label=True)),
}
BATCHES: dict[str, Callable[[], Any]] = {
    "a list": batches,
    "an iterable dataset": lambda: Streamed(batches()),
    "a subset of a list": lambda: torch.utils.data.Subset(batches(), [0, 1, 2, 3]),  # type: ignore[arg-type]
    "a dataset with its own iteration": OwnIteration,
    "a loader without a batch size": lambda: torch.utils.data.DataLoader(Streamed(batches()), batch_size=None),
    "a loader of one example": lambda: torch.utils.data.DataLoader(data(), batch_size=1),
    "a batch of one": lambda: [(x[None], y[None]) for x, y in examples()],
}


@pytest.mark.parametrize("kind", DATASETS)
def test_a_dataset_in_place_of_a_loader_is_refused(training: dict[str, Any], kind: str) -> None:
    model = training.pop("model")
    message = r"is a \w+, a dataset, which gives one example at a time\. Give DataLoader\(dataset, batch_size="
    for form in ("inputs_and_targets", "whole"):
        with pytest.raises(TargetError, match="^loader " + message):
            lrrange.find_lr(model, **{**training, "loader": DATASETS[kind]()}, batch_form=form)
    with pytest.raises(TargetError, match="^val_loader " + message):
        lrrange.find_lr(model, **training, val_loader=DATASETS[kind]())
    assert Counting.forwards == []


@pytest.mark.parametrize("kind", EXAMPLES)
def test_single_examples_in_place_of_batches_are_refused(training: dict[str, Any], kind: str) -> None:
    model = training.pop("model")
    with pytest.raises(TargetError, match=r"one example at a time: inputs of shape \(6,\) with a target .*DataLoader"):
        lrrange.find_lr(model, **{**training, "loader": EXAMPLES[kind]()})
    assert Counting.forwards == []


@pytest.mark.parametrize("kind", BATCHES)
def test_batches_that_come_from_elsewhere_than_a_data_loader_are_swept(training: dict[str, Any], kind: str) -> None:
    model = training.pop("model")
    result = lrrange.find_lr(model, **{**training, "loader": BATCHES[kind]()}, num_steps=50, start_lr=1e-4)
    assert len(result.curve.lr) > 10


@pytest.mark.parametrize(
    ("inputs", "targets", "example"),
    [
        (torch.ones(3, 8, 8), 1, True),
        (torch.ones(3, 8, 8), torch.tensor(1), True),
        (torch.ones(8, 8), 3, True),
        (torch.ones(6), torch.ones(1), True),
        (torch.tensor(1.0), torch.tensor(2.0), True),
        (torch.ones(32, 3, 8, 8), 1, False),  # the label of a domain
        (torch.ones(32, 2), 0.0, False),  # a residual that is to be zero at all points
        (torch.ones(1), torch.ones(1), False),
        (torch.ones(6), torch.ones(6), False),
        (torch.ones(1, 6), torch.ones(1), False),
        (torch.ones(5, 6), torch.ones(1), False),  # one graph of five nodes
        (["a", "b"], torch.ones(2), False),
        (torch.ones(6), "a", False),
    ],
)
def test_only_what_is_surely_one_example_is_taken_for_one(inputs: Any, targets: Any, example: bool) -> None:
    assert is_one_example(inputs, targets) is example


def test_adafactor_is_swept_up_to_the_rate_of_its_next_step_and_no_further() -> None:
    seed_all()
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.Adafactor(model.parameters())
    training = {"optimizer": optimizer, "loss_fn": nn.MSELoss(), "loader": loader_of(data())}
    assert lrrange.find_lr(model, **training).plan.end_lr == 1.0  # though the loss still falls there
    for _ in range(24):
        model(torch.ones(2, 6)).square().mean().backward()
        optimizer.step()
    assert lrrange.find_lr(model, **training).plan.end_lr == pytest.approx(0.2)
    head = torch.optim.SGD(model[2].parameters(), 0.1)
    body = torch.optim.Adafactor(model[0].parameters(), 0.01)
    assert GroupRates([head, body]).bounds() == pytest.approx({"highest_lr": 10.0})


def test_a_step_that_returns_nothing_is_named(training: dict[str, Any]) -> None:
    with pytest.raises(LossError, match="returned None"):
        lrrange.find_lr(lambda: training["optimizer"].step(), optimizer=training["optimizer"], restore=())


def test_a_step_that_never_moves_the_optimizer_is_named(training: dict[str, Any]) -> None:
    with pytest.raises(TargetError, match="took no step"):
        lrrange.find_lr(lambda: 1.0, optimizer=training["optimizer"], restore=())


def test_a_step_that_sets_its_own_rate_is_named(training: dict[str, Any]) -> None:
    optimizer = training["optimizer"]

    def step() -> float:
        optimizer.param_groups[0]["lr"] = 1e-3  # a warm-up that forgot about the sweep
        optimizer.step()
        return 1.0

    with pytest.raises(RateNotInForce, match=r"set param group 0 to lr=1e-07.*it is 0.001") as error:
        lrrange.find_lr(step, optimizer=optimizer, restore=())
    assert (error.value.wanted, error.value.actual) == (1e-7, 1e-3)
    assert optimizer.param_groups[0]["lr"] == 1e-3


def test_something_that_cannot_be_put_back_is_named_before_the_first_step(training: dict[str, Any]) -> None:
    calls: list[int] = []
    with pytest.raises(TargetError, match="restore= holds an object"):
        lrrange.find_lr(lambda: calls.append(1), optimizer=training["optimizer"], restore=object())
    assert calls == []


def test_the_error_for_a_module_without_an_optimizer_lists_the_options(training: dict[str, Any]) -> None:
    with pytest.raises(
        OptionError, match=r"optimizer=, loss_fn= and loader= are missing.*find_lr\(model, optimizer=.*loader=loader\)"
    ):
        lrrange.find_lr(training["model"])


def test_the_error_for_a_target_that_nothing_can_train_lists_the_plugins() -> None:
    with pytest.raises(TargetError, match=r"a str.*torch \(not of its kind\)"):
        lrrange.find_lr("a string")
