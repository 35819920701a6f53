"""What optimizers tell about a training: their kind by the names of their classes, and the steps they have taken."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lrrange_torch.optimizer import facts_of
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import lrrange
from lrrange.errors import OptionError

OF_TORCH: dict[str, str] = {
    "SGD": "sgd",
    "ASGD": "sgd",
    "Adam": "adam",
    "AdamW": "adam",
    "NAdam": "adam",
    "RAdam": "adam",
    "Adamax": "adam",
    "SparseAdam": "adam",
    "RMSprop": "rmsprop",
    "Adagrad": "adagrad",
    "Adadelta": "adadelta",
    "Adafactor": "adafactor",
    "Rprop": "sign",
    "LBFGS": "lbfgs",
    "Muon": "muon",
}

# Names of classes in Apex, bitsandbytes, DeepSpeed, schedulefree, timm, torchao, transformers and others.
BY_NAME = {
    "adam": [
        *("FusedAdam", "Adam8bit", "AdamW8bit", "PagedAdamW8bit", "PagedAdamW32bit", "AdamW4bit", "_AdamW", "AdamWFp8"),
        *("DeepSpeedCPUAdam", "AdamWLegacy", "NAdamW", "NAdamLegacy", "AdamP", "Adan", "Adopt", "ADOPT", "AdaBelief"),
        *("AdamWScheduleFree", "RAdamScheduleFree", "AMSGrad", "AdEMAMix", "AdamMini", "LaProp", "adamw"),
    ],
    "sgd": ["FusedSGD", "SGDW", "SGDP", "SGDScheduleFree"],
    "rmsprop": ["RMSpropTF", "RMSprop8bit"],
    "adagrad": ["Adagrad8bit", "DeepSpeedCPUAdagrad", "MADGRAD"],
    "sign": ["Lion", "Lion8bit", "PagedLion8bit", "FusedLion", "DeepSpeedCPULion", "SignSGD", "Signum"],
    "adafactor": ["AdafactorBigVision"],
    "muon": ["MuonWithAuxAdam", "SingleDeviceMuon", "SingleDeviceMuonWithAuxAdam", "DistMuon"],
    None: ["Shampoo", "SOAP", "Prodigy", "Lamb", "MyOptimizer", "Sophia", "Dampened"],
}


def parameters(size: int = 4) -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(size, size))]


def made(name: str) -> Optimizer:
    cls = getattr(torch.optim, name)
    return cls(parameters(), lr=0.01)


def named(name: str, base: type[Optimizer] = Optimizer) -> Optimizer:
    cls = type(name, (base,), {})
    return cls(parameters(), {"lr": 0.1}) if base is Optimizer else cls(parameters(), lr=0.1)  # type: ignore[call-arg]


def take_steps(optimizer: Optimizer, number: int) -> None:
    for _ in range(number):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.ones_like(parameter)
                if isinstance(optimizer, torch.optim.SparseAdam):
                    parameter.grad = parameter.grad.to_sparse()
        if isinstance(optimizer, torch.optim.LBFGS):
            optimizer.step(lambda: torch.tensor(1.0))  # type: ignore[no-untyped-call]
        else:
            optimizer.step()


@pytest.mark.parametrize("name", [name for name in OF_TORCH if hasattr(torch.optim, name)])
def test_the_kind_of_every_optimizer_of_torch_is_known(name: str) -> None:
    assert facts_of([made(name)])["optimizer"] == OF_TORCH[name]


def test_no_optimizer_of_torch_is_left_out() -> None:
    known = {
        name
        for name, value in vars(torch.optim).items()
        if isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer
    }
    assert known <= OF_TORCH.keys()


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in BY_NAME.items() for name in names])
def test_optimizers_of_other_packages_are_known_by_name(kind: str | None, name: str) -> None:
    assert facts_of([named(name)]).get("optimizer") == kind


@pytest.mark.parametrize("name", [name for name in OF_TORCH if hasattr(torch.optim, name)])
def test_a_subclass_under_any_name_is_of_the_kind_of_its_base(name: str) -> None:
    mine = type("Mine", (getattr(torch.optim, name),), {})
    assert facts_of([mine(parameters(), lr=0.01)])["optimizer"] == OF_TORCH[name]


def test_the_nearest_base_that_is_known_counts() -> None:
    class Lion(torch.optim.SGD):
        """A sign-based optimizer that borrows SGD's constructor."""

    assert facts_of([Lion(parameters(), lr=0.1)])["optimizer"] == "sign"


@pytest.mark.parametrize("name", [name for name in OF_TORCH if hasattr(torch.optim, name)])
def test_the_steps_taken_are_counted(name: str) -> None:
    optimizer = made(name)
    before = facts_of([optimizer]).get("steps_taken")
    assert before == (None if name == "SGD" else 0) or name == "ASGD"
    take_steps(optimizer, 3)
    taken = facts_of([optimizer]).get("steps_taken")
    if name in ("Muon", "LBFGS"):  # which keep a trace of their steps, and no count of them
        assert taken == 1
    else:
        assert taken == (None if name == "SGD" else 3)


def test_sgd_shows_that_it_has_stepped_by_its_momentum_alone() -> None:
    plain, heavy = torch.optim.SGD(parameters(), 0.1), torch.optim.SGD(parameters(), 0.1, momentum=0.9)
    assert facts_of([plain]) == {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0}
    assert facts_of([heavy]) == {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.0, "steps_taken": 0}
    take_steps(plain, 3)
    take_steps(heavy, 3)
    assert "steps_taken" not in facts_of([plain])
    assert facts_of([heavy])["steps_taken"] == 1


@pytest.mark.parametrize("key", ["step", "k"])
def test_a_count_in_the_param_group_counts(key: str) -> None:
    optimizer = named("FusedAdam")
    optimizer.param_groups[0][key] = 7
    assert facts_of([optimizer])["steps_taken"] == 7


@pytest.mark.parametrize("odd", [None, "many", True, torch.tensor([1.0, 2.0]), torch.tensor(float("nan")), object()])
def test_a_count_that_is_no_number_is_passed_over(odd: object) -> None:
    optimizer = named("Adam")
    optimizer.state[optimizer.param_groups[0]["params"][0]]["step"] = odd
    assert facts_of([optimizer])["steps_taken"] == 0


def test_momentum_and_weight_decay_are_those_of_the_largest_group() -> None:
    groups = [{"params": parameters(1), "weight_decay": 0.0}, {"params": parameters(9), "betas": (0.8, 0.9)}]
    facts = facts_of([torch.optim.AdamW(groups, lr=0.1, weight_decay=0.05)])
    assert (facts["momentum"], facts["weight_decay"]) == (0.8, 0.05)


def test_of_several_optimizers_the_one_with_the_most_numbers_counts() -> None:
    small, large = torch.optim.SGD(parameters(2), 0.1), torch.optim.AdamW(parameters(8), 0.1)
    assert facts_of([small, large])["optimizer"] == facts_of([large, small])["optimizer"] == "adam"
    take_steps(large, 2)
    assert facts_of([small, large])["steps_taken"] == 2
    assert facts_of([named("Shampoo"), torch.optim.SGD(parameters(1), 0.1)]).get("optimizer") is None


def test_no_optimizer_and_an_empty_one_tell_nothing() -> None:
    assert facts_of([]) == {}
    optimizer = named("Shampoo")
    optimizer.param_groups.clear()
    assert facts_of([optimizer]) == {}


class Lookahead(Optimizer):
    """A wrapper that is of no known kind itself."""

    def __init__(self, base: Optimizer) -> None:
        self.base = base
        super().__init__(base.param_groups, {})
        self.param_groups = base.param_groups

    def step(self, closure: Any = None) -> Any:
        return self.base.step(closure)


def test_the_kind_inside_a_wrapper_is_found() -> None:
    inner = torch.optim.RMSprop(parameters(), lr=0.1, momentum=0.5)
    take_steps(inner, 4)
    assert facts_of([Lookahead(inner)]) == {
        "optimizer": "rmsprop",
        "momentum": 0.5,
        "weight_decay": 0.0,
        "steps_taken": 4,
    }


def test_parameters_without_a_shape_have_no_size() -> None:
    lazy = nn.LazyLinear(2)
    assert facts_of([torch.optim.SGD(lazy.parameters(), 0.1)])["optimizer"] == "sgd"


# -- through find_lr ---------------------------------------------------------------------------------------------------


@pytest.fixture
def training() -> dict[str, Any]:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    data = TensorDataset(torch.randn(40, 3), torch.randn(40, 1))
    return {
        "target": model,
        "optimizer": torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=0.1),
        "loss_fn": F.mse_loss,
        "loader": DataLoader(data, batch_size=4),
        "num_steps": 20,
    }


def find(training: dict[str, Any], **options: Any) -> lrrange.RangeTestResult:
    given = training | options
    return lrrange.find_lr(given.pop("target"), **given)


def test_the_loader_step_tells_the_facts(training: dict[str, Any]) -> None:
    facts = lrrange.TrainingFacts(optimizer="adam", momentum=0.9, weight_decay=0.1, steps_taken=0)
    assert find(training).facts == facts


def test_a_training_that_goes_on_is_known_as_such_and_the_sweep_s_own_steps_do_not_count(
    training: dict[str, Any],
) -> None:
    take_steps(training["optimizer"], 5)
    for _ in range(2):
        result = find(training)
        assert result.facts.steps_taken == 5


def test_an_own_step_tells_the_facts_of_its_optimizers(training: dict[str, Any]) -> None:
    model, optimizer = training["target"], training["optimizer"]

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss: torch.Tensor = model(torch.ones(2, 3)).pow(2).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss

    result = lrrange.find_lr(step, optimizer=optimizer, restore=model, num_steps=20, train_steps=50)
    assert (result.facts.optimizer, result.facts.steps_taken, result.facts.train_steps) == ("adam", 0, 50)
    with pytest.raises(OptionError, match="train_epochs"):
        lrrange.find_lr(step, optimizer=optimizer, restore=model, num_steps=20, train_epochs=3)


@pytest.mark.parametrize(
    ("epochs", "accumulate", "steps"), [(1, 1, 10), (3, 1, 30), (0.5, 1, 5), (3, 2, 15), (1, 4, 2), (0.001, 1, 1)]
)
def test_epochs_are_the_batches_of_the_loader_over_those_of_a_step(
    training: dict[str, Any], epochs: float, accumulate: int, steps: int
) -> None:
    result = find(training, train_epochs=epochs, accumulate=accumulate)
    assert result.facts.train_steps == steps


@pytest.mark.parametrize("epochs", [0, -1, True, "3", float("nan"), float("inf")])
def test_a_number_of_epochs_that_is_none_is_refused(training: dict[str, Any], epochs: Any) -> None:
    with pytest.raises(OptionError, match="train_epochs=.* is not a positive number of epochs"):
        find(training, train_epochs=epochs)


class Stream(IterableDataset):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield torch.ones(3), torch.ones(1)


class Batches:
    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        yield torch.ones(4, 3), torch.ones(4, 1)


@pytest.mark.parametrize(
    "make", [lambda: iter(list(Batches())), lambda: (b for b in Batches()), Batches, lambda: DataLoader(Stream())]
)
def test_epochs_of_a_loader_without_a_length_are_refused_with_what_to_give(
    training: dict[str, Any], make: Callable[[], Any]
) -> None:
    with pytest.raises(OptionError, match=r"this \w+ has no length. Give train_steps= instead"):
        find(training, train_epochs=3, loader=make())


def test_steps_and_epochs_together_are_refused(training: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="Give one of them"):
        find(training, train_epochs=3, train_steps=30)
    assert find(training, train_epochs=None, train_steps=30).facts.train_steps == 30


def test_runs_side_by_side_tell_the_same(training: dict[str, Any]) -> None:
    result = find(training, repeats=2, seed=0, parallel="vmap", train_epochs=2)
    assert (result.facts.optimizer, result.facts.train_steps) == ("adam", 20)
