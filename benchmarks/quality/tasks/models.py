"""The models that the tasks train."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


def lenet() -> nn.Sequential:
    """Return LeNet-5 as tutorials write it today, for images of 28 by 28."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def mlp(*sizes: int, activation: type[nn.Module] = nn.ReLU, norm: bool = False) -> nn.Sequential:
    """Return linear layers of these sizes, with an activation after each but the last.

    With `norm`, batch normalisation comes before each activation.
    """
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(fan_in, fan_out))
        if i < len(sizes) - 2:
            layers += [nn.BatchNorm1d(fan_out), activation()] if norm else [activation()]
    return nn.Sequential(*layers)


def small_cnn(classes: int = 10, dropout: float = 0.0) -> nn.Sequential:
    """Return two convolutions and two linear layers, for images of 14 by 14."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(144, 32),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(32, classes),
    )


class ResidualBlock(nn.Module):
    """Two convolutions with batch normalisation, and a shortcut around them."""

    def __init__(self, fan_in: int, fan_out: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(fan_in, fan_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(fan_out),
            nn.ReLU(),
            nn.Conv2d(fan_out, fan_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(fan_out),
        )
        self.shortcut = nn.Conv2d(fan_in, fan_out, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return an output of shape (n, fan_out, height / stride, width / stride)."""
        return F.relu(self.path(x) + self.shortcut(x))


def tiny_resnet() -> nn.Sequential:
    """Return a network of two residual blocks, for images of 28 by 28."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, 2, 2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        ResidualBlock(8, 8, 2),
        ResidualBlock(8, 16, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


class Attention(nn.Module):
    """A pre-norm transformer block with causal attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.mix = nn.LayerNorm(width), nn.Linear(width, width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return an output of the same shape, (n, length, width)."""
        n, length, width = x.shape
        projected = self.queries_keys_values(self.norm(x)).view(n, length, 3, self.heads, -1)
        mixed = F.scaled_dot_product_attention(*projected.permute(2, 0, 3, 1, 4), is_causal=True)
        x = x + self.mix(mixed.transpose(1, 2).reshape(n, length, width))
        return x + self.feed_forward(x)


class CharTransformer(nn.Module):
    """Two transformer blocks over at most 32 characters, with logits of the next character at each position."""

    def __init__(self, alphabet: int, width: int = 32) -> None:
        super().__init__()
        self.characters, self.positions = nn.Embedding(alphabet, width), nn.Embedding(32, width)
        self.blocks = nn.Sequential(Attention(width, 4), Attention(width, 4), nn.LayerNorm(width))
        self.logits = nn.Linear(width, alphabet)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (n, length, alphabet)."""
        return self.logits(self.blocks(self.characters(x) + self.positions.weight[: x.shape[1]]))


class CharGRU(nn.Module):
    """A recurrent network over characters, with logits of the next character at each position."""

    def __init__(self, alphabet: int, width: int = 48) -> None:
        super().__init__()
        self.characters = nn.Embedding(alphabet, 24)
        self.recurrent = nn.GRU(24, width, batch_first=True)
        self.logits = nn.Linear(width, alphabet)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (n, length, alphabet)."""
        return self.logits(self.recurrent(self.characters(x))[0])


class VAE(nn.Module):
    """A variational autoencoder with eight latent variables."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(64, 64, 16), mlp(8, 64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return pixel logits, means and log variances, of shape (n, 64 + 8 + 8). Noise is drawn in train mode only."""
        mean, log_variance = self.encoder(x).chunk(2, 1)
        noise = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        return torch.cat([self.decoder(mean + noise * (log_variance / 2).exp()), mean, log_variance], 1)


class Factors(nn.Module):
    """Matrix factorisation: a rating is the product of user factors and item factors, plus a bias for each."""

    def __init__(self, users: int, items: int, rank: int = 8) -> None:
        super().__init__()
        self.factors = nn.ModuleList([nn.Embedding(users, rank), nn.Embedding(items, rank)])
        self.biases = nn.ModuleList([nn.Embedding(users, 1), nn.Embedding(items, 1)])
        for embedding in self.factors:
            nn.init.normal_(embedding.weight, std=0.1)
        for embedding in self.biases:
            nn.init.zeros_(embedding.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ratings of shape (n,)."""
        user, item = (embedding(x[:, i]) for i, embedding in enumerate(self.factors))
        return (user * item).sum(1) + sum(embedding(x[:, i])[:, 0] for i, embedding in enumerate(self.biases))


def forecaster() -> nn.Sequential:
    """Return strided convolutions that forecast the next 8 values of a series from 48."""
    return nn.Sequential(
        nn.Conv1d(1, 12, 5, stride=2),
        nn.ReLU(),
        nn.Conv1d(12, 12, 5, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(108, 8),
    )
