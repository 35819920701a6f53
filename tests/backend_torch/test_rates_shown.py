"""After a sweep over several param groups or optimizers, the table and `apply` say the rate of each."""

import pytest
import torch

import lrrange


@pytest.fixture
def parts():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    inputs = torch.randn(64, 4)
    targets = inputs.sum(1, keepdim=True)
    loader = [(inputs[start : start + 16], targets[start : start + 16]) for start in range(0, 64, 16)]
    return model, {"loss_fn": torch.nn.functional.mse_loss, "loader": loader, "seed": 0}


def test_a_group_at_a_hundred_times_the_rate_is_shown_and_set(parts):
    model, options = parts
    groups = [{"params": model[0].parameters(), "lr": 1e-5}, {"params": model[2].parameters(), "lr": 1e-3}]
    optimizer = torch.optim.Adam(groups)
    result = lrrange.find_lr(model, optimizer=optimizer, **options)
    shown = f"group 0 at {result.lr:.2e}, group 1 at {100 * result.lr:.2e} (100 times)"
    assert f"\n groups   {shown}\n" in str(result)
    assert shown in result._repr_html_()
    applied = result.apply(optimizer)
    assert list(applied) == ["param group 0", "param group 1"]
    assert list(applied.values()) == pytest.approx([result.lr, 100 * result.lr])


def test_several_optimizers_have_a_line_each(parts):
    model, options = parts
    optimizers = [
        torch.optim.Adam(model[0].parameters(), lr=1e-3),
        torch.optim.SGD(model[2].parameters(), lr=1e-2),
    ]
    result = lrrange.find_lr(model, optimizer=optimizers, **options)
    assert f"\n groups   Adam: {result.lr:.2e}\n          SGD: {10 * result.lr:.2e} (10 times)\n" in str(result)
    assert list(result.apply(optimizers).values()) == pytest.approx([result.lr, 10 * result.lr])


def test_one_rate_for_all_is_not_said_twice(parts):
    model, options = parts
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    assert "groups" not in str(lrrange.find_lr(model, optimizer=optimizer, **options))
