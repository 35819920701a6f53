"""The generator of the bank: it combines subjects with optimizers, batch sizes, budgets, clipping and weight decay.

TaskSet (Metz et al. 2020, arXiv:2002.11887) samples its trainings in this way. Here every draw comes from one seed, so
that a task is known by its name, and each subject and each optimizer comes up about equally often.
"""

import copy
import functools
import random
from typing import Any

import attrs
import torch
from torch.optim import Optimizer

from benchmarks.quality.bank.optimizers import RECIPES, Recipe
from benchmarks.quality.bank.subject import Subject
from benchmarks.quality.bank.subjects import SUBJECTS
from benchmarks.quality.tasks.task import Problem, Task, Tensors

# What a family can be held out by.
AXES = ("architecture", "optimizer", "data", "budget")

_SEED = 20261126
_PER_SUBJECT = 4
_BUDGETS = (150, 250, 400, 700, 1200)

# How often each optimizer is in the deck that they are drawn from.
_DECK = {
    "sgd": 4, "momentum": 4, "nesterov": 1, "adam": 4, "adamw": 3, "adam_short": 1, "nadam": 1, "radam": 1,
    "rmsprop": 2, "adagrad": 2, "adafactor": 1, "lion": 2, "muon": 2,
}  # fmt: skip

_CLIPPED, _DECAYED, _RESUMED = 0.2, 0.25, 0.12
_DECAY = {"sgd": 5e-4, "momentum": 5e-4, "adam": 1e-3, "sign": 0.1, "muon": 0.1}
STEPS_BEFORE = 100

# Subjects that are trained with four budgets each, from 150 to 5,000 steps, to see how the best rate moves.
_LADDERS = (
    ("mlp_digits", "adam", 32),
    ("mlp_mnist", "sgd", 32),
    ("mlp_mnist", "momentum", 32),
    ("gaussian_likelihood", "adamw", 64),
)
_LADDER = (150, 500, 1500, 5000)


@attrs.frozen(kw_only=True)
class Origin:
    """The parts that a task of the bank is made of. Each of its families can be held out as a whole."""

    subject: Subject
    recipe: Recipe
    batch_size: int
    steps: int
    clip: float | None = None
    weight_decay: float | None = None
    resumed: bool = False

    @property
    def name(self) -> str:
        """Name of the task."""
        parts = [self.subject.name, self.recipe.name, f"b{self.batch_size or 'all'}", str(self.steps)]
        parts += ["clip"] * (self.clip is not None) + ["decay"] * (self.weight_decay is not None)
        return "-".join(parts + ["resumed"] * self.resumed)

    @property
    def families(self) -> dict[str, str]:
        """The families that the task belongs to."""
        budget = "short" if self.steps < 400 else "middle" if self.steps < 1500 else "long"
        state = "resumed" if self.resumed else "fresh"
        return {
            "architecture": self.subject.architecture,
            "optimizer": self.recipe.kind,
            "data": self.subject.data,
            "budget": budget,
            "state": state,
        }

    def make(self) -> Problem:
        """Build a problem from the state of the random number generator."""
        model, criterion, (train, validation) = self.subject.make()
        decay = {} if self.weight_decay is None else {"weight_decay": self.weight_decay}

        def optimizer(lr: float) -> Optimizer:
            made = self.recipe(model.parameters(), lr, **decay)
            if self.clip is not None:
                made.register_step_pre_hook(functools.partial(_clip, self.clip))
            return made

        size = self.batch_size or len(train[0])
        problem = Problem(model, criterion, optimizer, Tensors(*train), size, *validation)
        if self.resumed:
            self._resume(problem)
        return problem

    def _resume(self, problem: Problem) -> None:
        weights, state = _trained_before(self.name)
        problem.model.load_state_dict(weights)
        fresh = problem.optimizer

        def optimizer(lr: float) -> Optimizer:
            made = fresh(lr)
            # A copy, because the optimizer updates the tensors that it was given in place.
            made.load_state_dict(copy.deepcopy(state))
            for group in made.param_groups:
                group["lr"] = lr
            return made

        problem.optimizer = optimizer

    @property
    def _about(self) -> str:
        parts = [f"{self.subject.make.__doc__}, {self.recipe.name}"]
        parts += [f"batch {self.batch_size}" if self.batch_size else "all data in one batch"]
        parts += ["clipped gradients"] * (self.clip is not None) + ["weight decay"] * (self.weight_decay is not None)
        return ", ".join(parts + ["goes on with a training"] * self.resumed)

    def task(self) -> Task:
        """Return the task."""
        return Task(self.name, self.steps, self.recipe.default_lr, self._about, self.make)


def _clip(norm: float, optimizer: Optimizer, *_: Any) -> None:
    torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], norm)


@functools.cache
def _trained_before(name: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return a task's weights and optimizer state after some training, the same in every process."""
    origin = ORIGINS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        problem = attrs.evolve(origin, resumed=False).make()
        optimizer = problem.optimizer(origin.recipe.default_lr)
        for _, batch in zip(range(STEPS_BEFORE), problem.batches(), strict=False):
            problem.update(optimizer, batch)
    weights = {name: value.clone() for name, value in problem.model.state_dict().items()}
    return weights, optimizer.state_dict()


def _deck(rng: random.Random) -> list[str]:
    cards = [name for name, count in _DECK.items() for _ in range(count)]
    rng.shuffle(cards)
    return cards


def _draw() -> list[Origin]:
    rng, cards, origins = random.Random(_SEED), [], []
    for subject in SUBJECTS.values():
        taken: set[str] = set()
        while len(taken) < _PER_SUBJECT:
            if not set(cards) - taken:
                cards = cards + _deck(rng)
            name = next(card for card in cards if card not in taken)
            cards.remove(name)
            taken.add(name)
            recipe = RECIPES[name]
            decays = recipe.kind in _DECAY and "weight_decay" not in recipe.options and rng.random() < _DECAYED
            origin = Origin(
                subject=subject,
                recipe=recipe,
                batch_size=rng.choice(subject.batches),
                steps=rng.choice([steps for steps in _BUDGETS if steps <= subject.longest]),
                clip=1.0 if rng.random() < _CLIPPED else None,
                weight_decay=_DECAY[recipe.kind] if decays else None,
                resumed=rng.random() < _RESUMED,
            )
            origins.append(origin)
    for subject, recipe, batch_size in _LADDERS:
        origins += [
            Origin(subject=SUBJECTS[subject], recipe=RECIPES[recipe], batch_size=batch_size, steps=steps)
            for steps in _LADDER
        ]
    return origins


ORIGINS: dict[str, Origin] = {origin.name: origin for origin in _draw()}

BANK: dict[str, Task] = {name: origin.task() for name, origin in ORIGINS.items()}
