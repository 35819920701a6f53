"""Calls of the front door as users write them. mypy, strict, must accept every one."""

import lightning.pytorch
import pytorch_lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrrange


def calls() -> None:
    data = TensorDataset(torch.randn(64, 20), torch.randn(64, 2))
    loader = DataLoader(data, batch_size=8)
    batches = [(torch.randn(4, 20), torch.randn(4, 2))]
    model = nn.Sequential(nn.Linear(20, 4), nn.ReLU(), nn.Linear(4, 2))
    compiled = torch.compile(model)
    optimizer = torch.optim.Adam(model.parameters())
    several = [torch.optim.SGD(model[0].parameters()), torch.optim.AdamW(model[2].parameters())]
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
    loss_fn = nn.MSELoss()

    def step() -> torch.Tensor:
        return torch.zeros(())

    def a_tenth_of_the_first(curve: lrrange.Curve) -> float:
        return curve.lr[0] / 10

    class Loop:
        def step(self, lr: float) -> float:
            return lr

        def snapshot(self) -> None:
            return None

        def restore(self, state: object) -> None:
            pass

    def step_of_a_state(state: object, batch: object) -> tuple[object, float]:
        return state, 0.0

    class HuggingFaceTrainer:
        callback_handler = None

        def compute_loss(self, model: object, inputs: object) -> float:
            return 0.0

    class KerasModel:
        def train_on_batch(self, x: object) -> float:
            return 0.0

        def compile(self, optimizer: object) -> None:
            pass

    trainer, keras_model = HuggingFaceTrainer(), KerasModel()
    lrrange.find_lr(model, optimizer, loss_fn, loader)
    lrrange.find_lr(model, optimizer, nn.functional.mse_loss, batches, train_epochs=10, num_steps=100)
    lrrange.find_lr(model, several, loss_fn, loader, scheduler=scheduler, accumulate=4, clip_norm=1.0)
    lrrange.find_lr(compiled, optimizer=optimizer, loss_fn=loss_fn, loader=loader, autocast=torch.bfloat16)
    lrrange.find_lr(nn.DataParallel(model), optimizer, lambda outputs, targets: outputs, loader, confirm=True)
    lrrange.find_lr(model, optimizer, loss_fn, loader, heuristic=a_tenth_of_the_first, divergence=None, paired=False)
    lrrange.find_lr(step, optimizer, restore=(model, scheduler), snapshot="cpu", start_lr=1e-6, end_lr=1.0)
    lrrange.find_lr(step, optimizer=several, restore=model, repeats=3, seed=0)
    lrrange.find_lr(pytorch_lightning.Trainer(), model=pytorch_lightning.LightningModule(), train_dataloaders=loader)
    lrrange.find_lr(lightning.pytorch.Trainer(), model=lightning.pytorch.LightningModule(), monitor="loss", optimizer=1)
    lrrange.find_lr(Loop(), shape="linear", end_lr=0.1)
    lrrange.find_lr("the target of a plug-in", num_steps=50)
    lrrange.find_lr("the target of a plug-in", backend="numpy", batch_size=32)
    lrrange.find_lr(step, set_lr=lambda lr: None, restore=model, num_steps=50)
    lrrange.find_lr(step_of_a_state, state={"w": 0.0}, batches=batches, loss=float, parallel="vmap")
    lrrange.find_lr(step_of_a_state, objects=(model, optimizer), batches=lambda: batches, seed=0)
    lrrange.find_lr(trainer, resume_from_checkpoint=True, confirm=True)
    lrrange.find_lr(keras_model, x=[[0.0]], y=[0], batch_size=1, validation_data=None)
    lrrange.find_lr(object(), X=[[0.0]], y=[0], classes=[0, 1], X_val=[[0.0]], y_val=[0])
    lrrange.find_lr(object(), X=[[0.0]], y=[0], fit_params={"a": 1})
    result = lrrange.find_lr(Loop())
    answer: tuple[float, str] = result.lr, str(result.verdict)
    assert answer
    rates: tuple[float, float] = result.lr_for("cosine", warmup=True).lr, float(result.lr_for(scheduler))
    state: dict[str, float] = result.applied({"lr": 0.1}, lr=1e-3)
    with result.verify(optimizer, steps=5) as proof:
        assert proof.proved
    assert rates
    assert state
