"""Find a learning rate for a training loop with Accelerate, train at it, and prove that it was used.

Run from anywhere: python examples/accelerate_digits.py. It needs `pip install 'lrrange[demo]' accelerate`, and trains
on the digits that scikit-learn brings along.
"""

import torch
from accelerate import Accelerator
from lrrange_torch import batches
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrrange

EPOCHS, BATCH_SIZE, ACCUMULATION = 8, 32, 2


def main() -> tuple[lrrange.RangeTestResult, float]:
    """Return the result of the range test, and the accuracy on held-out digits after a training at its rate."""
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels))
    train, held_out = torch.utils.data.random_split(data, [1400, len(data) - 1400])

    accelerator = Accelerator(gradient_accumulation_steps=ACCUMULATION)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 10))
    optimizer = torch.optim.AdamW(model.parameters())
    loader = DataLoader(train, batch_size=BATCH_SIZE, shuffle=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(loader) // ACCUMULATION)
    model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)

    def train_on(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with accelerator.accumulate(model):
            loss = nn.functional.cross_entropy(model(inputs), targets)
            accelerator.backward(loss)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
        return loss

    drawn = batches(loader)
    result = lrrange.find_lr(lambda: train_on(*next(drawn)), optimizer=optimizer, restore=accelerator)
    rate = result.lr_for(scheduler)
    result.apply(optimizer, lr=rate.lr)
    with result.verify(optimizer, lr=rate.lr):
        for _ in range(EPOCHS):
            for inputs, targets in loader:
                train_on(inputs, targets)

    model.eval()
    inputs, targets = held_out[:]
    with torch.no_grad():
        right = model(inputs.to(accelerator.device)).argmax(1).cpu() == targets
    return result, right.float().mean().item()


if __name__ == "__main__":
    result, accuracy = main()
    print(result)
    print(f"accuracy on held-out digits: {accuracy:.3f}")
