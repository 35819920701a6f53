"""Optimizers around other optimizers, and those with demands of their own: swept, or refused with what to write."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from lrrange_torch.optimizer import RateControl
from lrrange_torch.snapshot import Snapshot
from torch import nn
from torch.nn import functional as F

import lrrange
from lrrange import testing
from lrrange.errors import OptionError, RateNotInForce
from tests.backend_torch.observing import of_module, of_optimizer, plain
from tests.backend_torch.rigs import data, loader_of, rig_of, rounds, seed_all, step_of

# The steps here draw from a generator, which cannot be put back.
pytestmark = pytest.mark.filterwarnings("ignore::lrrange.errors.NotKeptWarning")


class Lookahead(torch.optim.Optimizer):
    """As it is copied from repository to repository: `super().__init__()` is never called."""

    def __init__(self, optimizer: torch.optim.Optimizer, k: int = 3, alpha: float = 0.5) -> None:
        self.optimizer = optimizer
        self.param_groups = optimizer.param_groups
        self.state = defaultdict(dict)
        self.k, self.alpha, self.counter = k, alpha, 0

    def step(self, closure: Any = None) -> Any:
        loss = self.optimizer.step(closure)
        self.counter += 1
        for group in self.param_groups:
            for parameter in group["params"]:
                slow = self.state[parameter].setdefault("slow", parameter.detach().clone())
                if self.counter % self.k == 0:
                    slow.add_(parameter.detach() - slow, alpha=self.alpha)
                    parameter.data.copy_(slow)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.optimizer.zero_grad(set_to_none)


class TableOfHooks(Lookahead):
    """As in timm: it has tables of hooks, so that nothing fails, and calls none of them."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(optimizer)
        self._optimizer_step_pre_hooks: Any = OrderedDict()
        self._optimizer_step_post_hooks: Any = OrderedDict()
        self.defaults = optimizer.defaults


class Private(torch.optim.Optimizer):
    """The shape of Opacus' DPOptimizer: everything is passed on, and the step clips and may be skipped."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.original_optimizer = optimizer
        self.taken = 0

    @property
    def param_groups(self) -> Any:
        return self.original_optimizer.param_groups

    @property
    def state(self) -> Any:
        return self.original_optimizer.state

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            nn.utils.clip_grad_norm_(group["params"], 1.0)
        self.taken += 1
        return self.original_optimizer.step()

    def zero_grad(self, set_to_none: bool = False) -> None:
        self.original_optimizer.zero_grad(set_to_none)


class Standalone(torch.optim.Optimizer):
    """Wraps nothing, and has neither hooks nor a call of `super().__init__()`."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        self.param_groups = [{"params": list(parameters), "lr": lr}]
        self.state = defaultdict(dict)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.sub_(group["lr"] * parameter.grad)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None


class SAM(torch.optim.Optimizer):
    """The copied one, from davda54/sam."""

    def __init__(self, params: Any, base_optimizer: Any, rho: float = 0.05, **kwargs: Any) -> None:
        super().__init__(params, {"rho": rho, **kwargs})
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups
        self.defaults.update(self.base_optimizer.defaults)

    @torch.no_grad()
    def first_step(self, zero_grad: bool = False) -> None:
        held = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.norm(torch.stack([p.grad.norm(p=2) for p in held]), p=2)
        for p in held:
            self.state[p]["old_p"] = p.data.clone()
            p.add_(p.grad * (self.param_groups[0]["rho"] / (norm + 1e-12)))
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad: bool = False) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.data = self.state[p]["old_p"]
        self.base_optimizer.step()
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        assert closure is not None, "Sharpness Aware Minimization requires closure, but it was not provided"
        closure = torch.enable_grad()(closure)
        self.first_step(zero_grad=True)
        closure()
        self.second_step()


class WantsClosure(torch.optim.SGD):
    """Its signature says `closure=None`, and its step calls the closure."""

    def __init__(self, params: Any, lr: float, message: str | None = None) -> None:
        super().__init__(params, lr)
        self.message = message

    def step(self, closure: Any = None) -> Any:
        if self.message is not None and closure is None:
            raise RuntimeError(self.message)
        loss = closure()
        super().step()
        return loss


class ScheduleFree(torch.optim.Optimizer):
    """The interface and the rule of schedulefree's SGD: trained at y, evaluated at x, with steps in train mode only."""

    def __init__(self, params: Any, lr: float = 0.1, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "k": 0, "train_mode": False})

    def _switch(self, train: bool) -> None:
        for group in self.param_groups:
            if group["train_mode"] is not train:
                weight = 1 - group["momentum"] if train else 1 - 1 / group["momentum"]
                for p in group["params"]:
                    if "z" in self.state[p]:
                        p.data.lerp_(self.state[p]["z"], weight)
                group["train_mode"] = train

    def eval(self) -> None:
        self._switch(False)

    def train(self) -> None:
        self._switch(True)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        if not self.param_groups[0]["train_mode"]:
            raise Exception("Optimizer was not in train mode when step is called.")
        for group in self.param_groups:
            group["k"] += 1
            for p in group["params"]:
                if p.grad is None:
                    continue
                z = self.state[p].setdefault("z", p.detach().clone())
                p.lerp_(z, weight=1 / group["k"])
                p.sub_(p.grad, alpha=group["lr"] * (1 - group["momentum"] * (1 - 1 / group["k"])))
                z.sub_(p.grad, alpha=group["lr"])


def network() -> nn.Sequential:
    seed_all()
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 1))


WRAPPERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "Lookahead": lambda p: Lookahead(torch.optim.SGD(p, 0.05, momentum=0.9)),
    "Lookahead with tables of hooks": lambda p: TableOfHooks(torch.optim.Adam(p, 0.01)),
    "the shape of DPOptimizer": lambda p: Private(torch.optim.SGD(p, 0.05)),
    "a wrapper in a wrapper": lambda p: Private(Lookahead(torch.optim.SGD(p, 0.05))),
    "neither hooks nor another inside": lambda p: Standalone(p, 0.05),
}


def wrapped_rig(make: Callable[[Any], torch.optim.Optimizer]) -> testing.Rig:
    model = network()
    optimizer = make(model.parameters())
    rig = rig_of(model, optimizer, loader_of(data()), nn.MSELoss())
    inner = [one for one in vars(optimizer).values() if isinstance(one, torch.optim.Optimizer)]
    return testing.Rig(
        target=rig.target,
        options=rig.options,
        observe=lambda: (rig.observe(), [of_optimizer(one) for one in inner], plain(dict(optimizer.state))),
        train=rig.train,
        sweep=rig.sweep,
    )


@pytest.mark.parametrize("make", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_an_optimizer_that_never_calls_super_init_keeps_the_contract(
    check: Callable[[testing.MakeRig], None], make: Callable[[Any], torch.optim.Optimizer]
) -> None:
    check(lambda: wrapped_rig(make))


@pytest.mark.parametrize("make", WRAPPERS.values(), ids=WRAPPERS)
def test_the_rate_of_a_wrapper_is_checked_at_each_of_its_steps(make: Callable[[Any], torch.optim.Optimizer]) -> None:
    model = network()
    optimizer = make(model.parameters())
    batches = rounds(loader_of(data()))
    moves = False

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        inputs, targets = next(batches)
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        if moves:
            optimizer.param_groups[0]["lr"] = 0.3
        optimizer.step()
        return loss

    result = lrrange.find_lr(step, optimizer=optimizer, restore=model, num_steps=20, start_lr=1e-5, end_lr=0.1)
    assert result.provenance.details["optimizer_steps"] == result.provenance.details["calls"] == 20
    assert "step" not in vars(optimizer)
    moves = True
    with pytest.raises(RateNotInForce, match=r"it is 0.3"):
        lrrange.find_lr(step, optimizer=optimizer, restore=model, num_steps=20)
    assert "step" not in vars(optimizer)


def test_an_inner_optimizer_at_a_rate_of_its_own_is_named() -> None:
    class Detached(Lookahead):
        def __init__(self, optimizer: torch.optim.Optimizer) -> None:
            super().__init__(optimizer)
            self.param_groups = [dict(group) for group in optimizer.param_groups]  # as after some load_state_dict

    model = network()
    optimizer = Detached(torch.optim.SGD(model.parameters(), 0.05))
    with pytest.raises(RateNotInForce, match=r"set to lr=1e-07, and the SGD inside it .* at 0.05.*Give the SGD"):
        lrrange.find_lr(model, optimizer=optimizer, loss_fn=nn.MSELoss(), loader=loader_of(data()))


def sam_rig(model: nn.Module, optimizer: torch.optim.Optimizer) -> testing.Rig:
    loader = loader_of(data())
    rig = rig_of(model, optimizer, loader, nn.MSELoss())

    def train(steps: int) -> list[float]:
        batches, losses = rounds(loader), []
        for _ in range(steps):
            inputs, targets = next(batches)

            def closure(inputs: Any = inputs, targets: Any = targets) -> torch.Tensor:
                optimizer.zero_grad()
                loss = F.mse_loss(model(inputs), targets)
                loss.backward()
                return loss

            losses.append(float(closure().detach()))
            optimizer.step(closure)
        return losses

    return testing.Rig(target=model, options=rig.options, observe=rig.observe, train=train, sweep=rig.sweep)


def sam_alone() -> testing.Rig:
    model = network()
    return sam_rig(model, SAM(model.parameters(), torch.optim.SGD, lr=0.05, momentum=0.9))


def sam_in_lookahead() -> testing.Rig:
    model = network()
    return sam_rig(model, Lookahead(SAM(model.parameters(), torch.optim.SGD, lr=0.05)))


def closure_by_assertion() -> testing.Rig:
    model = network()
    return sam_rig(model, WantsClosure(model.parameters(), 0.05, "this optimizer needs a closure"))


def closure_that_is_called() -> testing.Rig:
    model = network()
    return sam_rig(model, WantsClosure(model.parameters(), 0.05))


CLOSURES = (sam_alone, sam_in_lookahead, closure_by_assertion, closure_that_is_called)


@pytest.mark.parametrize("make_rig", CLOSURES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_an_optimizer_that_wants_a_closure_keeps_the_contract(
    check: Callable[[testing.MakeRig], None], make_rig: testing.MakeRig
) -> None:
    finds_out = make_rig in (closure_by_assertion, closure_that_is_called)
    if finds_out and check is testing.check_a_paired_sweep_sees_its_batches_again:
        # That it wants a closure is found out by its first step, which has drawn random numbers by then.
        with pytest.raises(AssertionError, match="cannot be paired: the first step gave the loss"):
            check(make_rig)
        return
    check(make_rig)


def test_sam_is_swept_with_the_losses_of_its_training_at_the_same_rate() -> None:
    trained = sam_alone()
    optimizer: Any = trained.options["optimizer"]
    optimizer.param_groups[0]["lr"] = 0.02
    losses = trained.train(12)
    swept = sam_alone()
    result = lrrange.find_lr(
        swept.target,
        **swept.options,
        start_lr=0.02,
        end_lr=0.02 * (1 + 1e-6),
        num_steps=12,
        shape="linear",
        paired=False,
    )
    assert result.curve.loss == pytest.approx(losses, rel=1e-5)
    assert result.provenance.details["batches_taken"] == 12


@pytest.mark.parametrize("given", ["sam", "base optimizer"])
def test_the_two_steps_of_sam_are_swept_as_a_step_of_ones_own(given: str) -> None:
    model = network()
    sam = SAM(model.parameters(), torch.optim.SGD, lr=0.05)
    batches = rounds(loader_of(data()))

    def step() -> torch.Tensor:
        inputs, targets = next(batches)
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        sam.first_step(zero_grad=True)
        F.mse_loss(model(inputs), targets).backward()
        sam.second_step(zero_grad=True)
        return loss

    result = lrrange.find_lr(
        step,
        optimizer=sam if given == "sam" else sam.base_optimizer,
        restore=(model, sam),
        num_steps=30,
        start_lr=1e-4,
        end_lr=1.0,
        verify_restore=True,
    )
    assert result.provenance.details["optimizer_steps"] == len(result.curve.lr)
    assert list(result.provenance.details["not_kept"]) == ["step, variable batches"]  # which the step draws from


@pytest.mark.parametrize("make_rig", CLOSURES, ids=lambda make: make.__name__)
def test_an_optimizer_that_wants_a_closure_is_refused_with_a_grad_scaler(make_rig: testing.MakeRig) -> None:
    rig = make_rig()
    before = rig.observe()
    scaler = torch.amp.GradScaler("cpu")
    with pytest.raises(OptionError, match="cannot be used with a GradScaler"):
        lrrange.find_lr(rig.target, **rig.options, grad_scaler=scaler, autocast=torch.bfloat16)
    assert rig.observe() == before


def test_gradients_are_clipped_within_a_closure() -> None:
    model = network()
    norms: list[float] = []

    class Looking(torch.optim.SGD):
        def step(self, closure: Any) -> Any:  # type: ignore[override]
            loss = closure()
            norms.append(float(torch.cat([p.grad.flatten() for p in model.parameters()]).norm()))
            super().step()
            return loss

    lrrange.find_lr(
        model,
        optimizer=Looking(model.parameters(), 0.1),
        loss_fn=nn.MSELoss(),
        loader=loader_of(data()),
        clip_norm=1e-3,
        num_steps=30,
    )
    assert max(norms) == pytest.approx(1e-3, rel=1e-3)


def schedule_free_rig() -> testing.Rig:
    model = network()
    optimizer = ScheduleFree(model.parameters())
    rig = rig_of(model, optimizer, loader_of(data()), nn.MSELoss(), val_loader=list(loader_of(data(count=32))))

    def train(steps: int) -> list[float]:
        optimizer.train()
        losses = rig.train(steps)
        optimizer.eval()  # as a validation pass leaves it
        return losses

    return testing.Rig(
        target=model, options=rig.options, observe=rig.observe, train=train, sweep={"start_lr": 1e-4, "end_lr": 3.0}
    )


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_a_schedule_free_optimizer_in_eval_mode_keeps_the_contract(check: Callable[[testing.MakeRig], None]) -> None:
    check(schedule_free_rig)


@pytest.mark.parametrize("wrap", [lambda one: one, Lookahead], ids=["alone", "in Lookahead"])
def test_held_out_losses_are_those_of_the_averaged_weights(wrap: Callable[[Any], Any]) -> None:
    rig = schedule_free_rig()
    optimizer: Any = rig.options["optimizer"]
    modes: list[tuple[bool, bool]] = []
    model: Any = rig.target
    model.register_forward_pre_hook(
        lambda module, _: modes.append((module.training, optimizer.param_groups[0]["train_mode"]))
    )
    lrrange.find_lr(
        model,
        **{**rig.options, "optimizer": wrap(optimizer)},
        start_lr=1e-4,
        end_lr=3.0,
        num_steps=20,
        read_on="validation",
    )
    assert {training for training, _ in modes} == {True, False}
    assert all(training is mode for training, mode in modes)
    assert optimizer.param_groups[0]["train_mode"] is False


def test_a_schedule_free_optimizer_in_eval_mode_is_swept_in_a_step_of_ones_own() -> None:
    rig = schedule_free_rig()
    rig.train(5)
    optimizer: Any = rig.options["optimizer"]
    model: Any = rig.target
    step = step_of(model, optimizer, rounds(loader_of(data())))
    before = of_module(model), of_optimizer(optimizer)
    result = lrrange.find_lr(step, optimizer=optimizer, restore=model, num_steps=20, start_lr=1e-4, end_lr=1.0)
    assert len(result.curve.lr) == 20
    assert optimizer.param_groups[0]["train_mode"] is False
    assert (of_module(model), of_optimizer(optimizer)) == before


class Around:
    """A wrapper that is no Optimizer, like schedulefree's ScheduleFreeWrapper and many in other libraries."""

    def __init__(self, base: torch.optim.Optimizer) -> None:
        self.base = base

    @property
    def param_groups(self) -> Any:
        return self.base.param_groups

    def step(self) -> None:
        self.base.step()

    def zero_grad(self) -> None:
        self.base.zero_grad()

    def state_dict(self) -> Any:
        return self.base.state_dict()

    def load_state_dict(self, state: Any) -> None:
        self.base.load_state_dict(state)


@pytest.mark.parametrize("form", ["loader step", "own step", "a list"])
def test_a_wrapper_that_is_no_optimizer_is_refused_with_the_call_that_works(form: str) -> None:
    model = network()
    wrapper: Any = Around(torch.optim.SGD(model.parameters(), 0.05))
    batches = rounds(loader_of(data()))

    def step() -> torch.Tensor:
        wrapper.zero_grad()
        inputs, targets = next(batches)
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        wrapper.step()
        return loss

    said = r"a Around, which is no .* around the SGD in its base\. .*optimizer=wrapper\.base, restore=\(model, wrapper"
    with pytest.raises(OptionError, match=said):
        if form == "own step":
            lrrange.find_lr(step, optimizer=wrapper, restore=model)
        else:
            given = wrapper if form == "loader step" else [torch.optim.SGD(model[0].parameters(), 0.1), wrapper]
            lrrange.find_lr(model, optimizer=given, loss_fn=nn.MSELoss(), loader=loader_of(data()))
    result = lrrange.find_lr(step, optimizer=wrapper.base, restore=(model, wrapper), num_steps=60, end_lr=10.0)
    assert min(result.curve.loss) < 0.9 * result.curve.loss[0]


def test_steps_of_a_wrapper_and_of_what_it_wraps_count_once() -> None:
    model = network()
    control = RateControl([SAM(model.parameters(), torch.optim.SGD, lr=0.1)])
    (sam,) = control.optimizers
    assert [type(one).__name__ for one in control.hooked] == ["SAM", "SGD"]
    state = Snapshot()
    control.watch(state)
    control.set(0.1)
    for _ in range(3):

        def closure() -> torch.Tensor:
            loss = model(torch.ones(2, 6)).square().mean()
            loss.backward()
            return loss

        closure()
        sam.step(closure)
    control.unwatch()
    assert (control.optimizer_steps, control.steps_watched) == (3, 6)
