import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
import torch
from torch import nn

import lrrange
from tests.compare.torch_training import make, make_adam, make_plain, make_with_groups, make_with_two_optimizers
from tests.compare.training import untimed


def compare(make_run=make, policies=(0.01, 0.1), *, steps=12, repeats=2, **options):
    return lrrange.compare(make_run, policies, steps=steps, repeats=repeats, **options)


def test_a_run_at_a_fixed_rate_is_ordinary_training():
    model, options = make(seed=1)
    optimizer, loss_fn, loader = options["optimizer"], options["loss_fn"], options["loader"]
    torch.manual_seed(1)
    loader.generator.manual_seed(1)
    optimizer.param_groups[0]["lr"] = 0.1
    losses = []
    for _, (inputs, targets) in zip(range(6), loader, strict=False):
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    run = compare(steps=6).of("0.1")[1]
    assert run.losses == tuple(losses)


def test_several_optimizers_train_at_their_ratios_in_a_comparison():
    model, options = make_with_two_optimizers(seed=1)
    torch.manual_seed(1)
    options["loader"].generator.manual_seed(1)
    for optimizer, rate in zip(options["optimizer"], (0.01, 0.0001), strict=True):
        optimizer.param_groups[0]["lr"] = rate
    losses = []
    for _, (inputs, targets) in zip(range(6), options["loader"], strict=False):
        for optimizer in options["optimizer"]:
            optimizer.zero_grad()
        loss = options["loss_fn"](model(inputs), targets)
        loss.backward()
        for optimizer in options["optimizer"]:
            optimizer.step()
        losses.append(loss.item())
    run = compare(make_with_two_optimizers, steps=6).of("0.01")[1]
    assert run.losses == tuple(losses)
    assert run.details["optimizer"] == "SGD, AdamW"


def test_runs_start_alike_and_are_judged_by_held_out_loss():
    comparison = compare()
    assert comparison.judged_by == "held-out loss"
    assert len({(run.seed, run.losses[0]) for run in comparison.runs}) == 2
    assert comparison.runs[0].details["versions"]["torch"] == torch.__version__


def make_without_val_loader(seed=0):
    model, options = make(seed)
    del options["val_loader"]
    return model, options


def test_without_a_val_loader_runs_are_judged_by_their_training_loss():
    comparison = compare(make_without_val_loader)
    assert comparison.judged_by == "mean training loss of the last tenth, because there is no held-out data"
    assert all(run.held_out == () for run in comparison.runs)


def test_held_out_losses_along_the_way_are_refused_without_a_val_loader():
    comparison = compare(make_without_val_loader, evaluate_every=4, retries=0)
    assert len(comparison.failed) == 4
    for run in comparison.failed:
        assert "OptionError: evaluate_every=4 needs held-out data, and the training has none" in run.error


@pytest.mark.parametrize("threads", [True, False], ids=["threads", "processes"])
def test_threads_and_processes_give_the_same_numbers_with_dropout(threads):
    spawn = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(3) if threads else ProcessPoolExecutor(1, mp_context=spawn) as pool:
        assert untimed(compare(executor=pool)) == untimed(compare())


class Momenta:
    """A make_run that notes the momentum of every param group at every optimizer step."""

    def __init__(self, make_run, read):
        self.make_run, self.read, self.seen = make_run, read, []

    def __call__(self, seed):
        model, options = self.make_run(seed)
        options["optimizer"].register_step_pre_hook(self.note)
        self.optimizer = options["optimizer"]
        return model, options

    def note(self, optimizer, *_):
        self.seen.append([self.read(group) for group in optimizer.param_groups])


def one_cycle(steps=12):
    from lrrange.cyclical import OneCycle

    return OneCycle(max_lr=0.1, total_steps=steps)


@pytest.mark.parametrize(
    ("make_run", "read", "before"),
    [(make, lambda group: group["momentum"], 0.9), (make_adam, lambda group: group["betas"][0], 0.9)],
    ids=["SGD", "Adam"],
)
def test_momentum_goes_the_other_way_and_is_put_back(make_run, read, before):
    noting = Momenta(make_run, read)
    comparison = compare(noting, {"one": one_cycle()}, repeats=1)
    assert [momentum for (momentum,) in noting.seen] == [one_cycle().momentum_at(step) for step in range(12)]
    assert read(noting.optimizer.param_groups[0]) == before
    assert comparison.runs[0].momentum


def test_an_sgd_without_momentum_stays_without():
    noting = Momenta(make_plain, lambda group: group["momentum"])
    comparison = compare(noting, {"one": one_cycle()}, repeats=1)
    assert {momentum for (momentum,) in noting.seen} == {0}
    assert not comparison.runs[0].momentum


def test_a_group_without_momentum_stays_without_beside_one_that_has_it():
    noting = Momenta(make_with_groups, lambda group: group["momentum"])
    compare(noting, {"one": one_cycle()}, repeats=1)
    assert {second for _, second in noting.seen} == {0}
    assert len({first for first, _ in noting.seen}) > 1


def test_the_users_own_weights_and_random_state_are_as_before():
    model, options = make(seed=0)
    before = [parameter.clone() for parameter in model.parameters()]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    compare(lambda seed: (model, options))
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_that_is_not_a_network_of_this_kind_is_a_failed_run():
    comparison = compare(lambda seed: (nn.Linear(2, 2), {"optimiser": None}), retries=0)
    assert "OptionError" in comparison.failed[0].error


def one_cycle_momenta():
    return [one_cycle().momentum_at(step) for step in range(12)]
