"""Mistakes at the front door. mypy, strict, must refuse each line that has an ignore, and no other."""

import lrrange_clr
import lrrange_torch
import pytorch_lightning
import torch
from torch import nn

import lrrange


def mistakes() -> None:
    model = nn.Linear(20, 2)
    optimizer = torch.optim.Adam(model.parameters())
    loss_fn = nn.MSELoss()
    loader = [(torch.randn(4, 20), torch.randn(4, 2))]
    trainer = pytorch_lightning.Trainer()
    module = pytorch_lightning.LightningModule()

    def step() -> torch.Tensor:
        return torch.zeros(())

    lrrange.find_lr(model, optimzer=optimizer, loss_fn=loss_fn, loader=loader)  # type: ignore[call-overload]
    lrrange.find_lr(model, optimizer=optimizer, losss_fn=loss_fn, loader=loader)  # type: ignore[call-overload]
    lrrange.find_lr(model, optimizer=optimizer, loss_fn=loss_fn, loader=3)  # type: ignore[call-overload]
    lrrange.find_lr(model, optimizer, loss_fn, loader, num_iter=100)  # type: ignore[call-overload]
    lrrange.find_lr(model, optimizer, loss_fn, loader, num_steps="100")  # type: ignore[call-overload]
    lrrange.find_lr(model, optimizer, loss_fn, loader, shape="exponentially")  # type: ignore[call-overload]
    lrrange.find_lr(model, optimizer, loss_fn, loader, read_on="held-out")  # type: ignore[call-overload]
    lrrange.find_lr(model, loss_fn, optimizer, loader)  # type: ignore[call-overload]
    lrrange.find_lr(model, optimizer, loader, loss_fn)  # type: ignore[call-overload]
    lrrange.find_lr(model, model.parameters(), loss_fn, loader)  # type: ignore[call-overload]
    lrrange.find_lr(model, optimizer, loss_fn)  # type: ignore[call-overload]
    lrrange.find_lr(step, optimizer)  # type: ignore[call-overload]
    lrrange.find_lr(step, optimizer, restor=model)  # type: ignore[call-overload]
    lrrange.find_lr(trainer, modell=module)  # type: ignore[call-overload]
    lrrange.find_lr(trainer, model=module, train_dataloader=loader)  # type: ignore[call-overload]
    lrrange.find_lr(trainer, model=module, optimizer=optimizer)  # type: ignore[call-overload]
    lrrange.find_lr("the target of a plug-in", batch_size=32)  # type: ignore[call-overload]
    lrrange.find_lr()  # type: ignore[call-overload]
    lrrange.fnd_lr(model, optimizer, loss_fn, loader)  # type: ignore[attr-defined]
    lrrange.LRFinder(model, optimizer, loss_fn)  # type: ignore[attr-defined]
    lrrange_torch.verfy(optimizer, 0.1)  # type: ignore[attr-defined]
    lrrange_clr.cyclic(optimizer)  # type: ignore[attr-defined]
    result = lrrange.find_lr(model, optimizer, loss_fn, loader)
    model(result.curve.lrs)  # type: ignore[attr-defined]
    model(result.range.min_lr)  # type: ignore[attr-defined]
