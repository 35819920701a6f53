"""Models of the bank, each small enough that a training step takes about a millisecond."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.quality.tasks.models import Attention, mlp


class Recurrent(nn.Module):
    """A recurrent network over characters, with logits of the next character at each position."""

    def __init__(self, alphabet: int, kind: type[nn.RNNBase], width: int = 32) -> None:
        super().__init__()
        self.characters, self.cells = nn.Embedding(alphabet, 16), kind(16, width, batch_first=True)
        self.logits = nn.Linear(width, alphabet)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (n, length, alphabet)."""
        return self.logits(self.cells(self.characters(x))[0])


class LastState(nn.Module):
    """A recurrent network that reads a sequence of vectors and answers once."""

    def __init__(self, fan_in: int, kind: type[nn.RNNBase], fan_out: int, width: int = 32) -> None:
        super().__init__()
        self.cells, self.out = kind(fan_in, width, batch_first=True), nn.Linear(width, fan_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return outputs of shape (n, fan_out)."""
        return self.out(self.cells(x)[0][:, -1])


class Patches(nn.Module):
    """A vision transformer over the 16 patches of an image of 8 by 8."""

    def __init__(self, width: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        self.patches, self.positions = nn.Linear(4, width), nn.Parameter(0.02 * torch.randn(16, width))
        self.blocks = nn.Sequential(Attention(width, 4), nn.Dropout(dropout), Attention(width, 4), nn.LayerNorm(width))
        self.logits = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (n, 10) for images of shape (n, 64)."""
        patches = x.view(-1, 4, 2, 4, 2).transpose(2, 3).reshape(-1, 16, 4)
        return self.logits(self.blocks(self.patches(patches) + self.positions).mean(1))


class GraphConvolutions(nn.Module):
    """Two graph convolutions over a fixed graph. The input is a batch of node numbers.

    Args:
        features: of all nodes, shape (nodes, features).
        adjacency: normalised, shape (nodes, nodes).
    """

    def __init__(self, features: torch.Tensor, adjacency: torch.Tensor, classes: int, width: int = 32) -> None:
        super().__init__()
        self.register_buffer("mixed", adjacency @ features)
        self.register_buffer("adjacency", adjacency)
        self.first, self.second = nn.Linear(features.shape[1], width), nn.Linear(width, classes)

    def forward(self, nodes: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (n, classes)."""
        return self.second(self.adjacency[nodes] @ F.relu(self.first(self.mixed)))


class UNet(nn.Module):
    """A U-Net of one level for images of 8 by 8, flattened to 64."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.into, self.down = nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, 2 * width, 3, 2, 1)
        self.middle = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.up, self.out = nn.ConvTranspose2d(2 * width, width, 2, 2), nn.Conv2d(2 * width, 1, 3, padding=1)
        self.norm = nn.GroupNorm(4, 2 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return an image for each, of shape (n, 64)."""
        wide = F.relu(self.into(x.view(-1, 1, 8, 8)))
        deep = F.relu(self.middle(F.relu(self.norm(self.down(wide)))))
        return self.out(torch.cat([self.up(deep), wide], 1)).flatten(1)


class Denoiser(nn.Module):
    """A diffusion model of vectors. The output is the error of its estimate of the noise.

    In evaluation mode, times and noise are the same at each call.
    """

    def __init__(self, size: int = 64, width: int = 96) -> None:
        super().__init__()
        self.net, self.size = mlp(size + 16, width, width, size, activation=nn.SiLU), size
        self.register_buffer("frequencies", 2.0 ** torch.arange(8) * math.pi / 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the errors, of shape (n, size)."""
        generator = None if self.training else torch.Generator().manual_seed(0)
        t = torch.rand(len(x), 1, generator=generator)
        noise = torch.randn(x.shape, generator=generator)
        angle = t * self.frequencies
        signal, amount = torch.cos(t * math.pi / 2), torch.sin(t * math.pi / 2)
        seen = signal * (2 * x - 1) + amount * noise
        return self.net(torch.cat([seen, angle.sin(), angle.cos()], 1)) - noise


class SineNetwork(nn.Module):
    """A network of sines from coordinates to a value (Sitzmann et al. 2020, arXiv:2006.09661)."""

    def __init__(self, fan_in: int = 2, width: int = 48, omega: float = 30.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(fan_in, width), nn.Linear(width, width), nn.Linear(width, 1)])
        self.omega = omega
        with torch.no_grad():
            self.layers[0].weight.uniform_(-1 / fan_in, 1 / fan_in)
            for layer in self.layers[1:]:
                bound = math.sqrt(6 / width) / omega
                layer.weight.uniform_(-bound, bound)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return values of shape (n,)."""
        for layer in self.layers[:-1]:
            x = torch.sin(self.omega * layer(x))
        return self.layers[-1](x)[:, 0]


class Flow(nn.Module):
    """Affine coupling layers over points of the plane. The output is each point's negative log-likelihood."""

    def __init__(self, layers: int = 4, width: int = 32) -> None:
        super().__init__()
        self.nets = nn.ModuleList([mlp(1, width, width, 2, activation=nn.Tanh) for _ in range(layers)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return values of shape (n,)."""
        log_scale = x.new_zeros(len(x))
        for i, net in enumerate(self.nets):
            kept, moved = x[:, i % 2 : i % 2 + 1], x[:, 1 - i % 2 : 2 - i % 2]
            scale, shift = net(kept).chunk(2, 1)
            scale = 2 * torch.tanh(scale / 2)
            moved = moved * scale.exp() + shift
            log_scale = log_scale + scale[:, 0]
            x = torch.cat([kept, moved] if i % 2 == 0 else [moved, kept], 1)
        return 0.5 * (x**2).sum(1) + math.log(2 * math.pi) - log_scale


class PlainBlock(nn.Module):
    """Two convolutions with a shortcut around them, normalised by groups or not at all."""

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        kinds = {"batch": lambda: nn.BatchNorm2d(width), "group": lambda: nn.GroupNorm(4, width), "none": nn.Identity}
        self.path = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), kinds[norm](), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1), kinds[norm](),
        )  # fmt: skip
        if norm == "none":  # starts as the identity, as in Fixup (arXiv:1901.09321)
            nn.init.zeros_(self.path[3].weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return an output of the same shape."""
        return F.relu(self.path(x) + x)


def digit_resnet(norm: str, width: int = 8, classes: int = 10) -> nn.Sequential:
    """Return two residual blocks for images of 8 by 8, flattened to 64."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, width, 3, padding=1), nn.ReLU(),
        PlainBlock(width, norm), nn.MaxPool2d(2), PlainBlock(width, norm),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, classes),
    )  # fmt: skip


def digit_cnn(width: int = 8, norm: bool = False, dropout: float = 0.0) -> nn.Sequential:
    """Return two convolutions and a linear layer for images of 8 by 8, flattened to 64."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width) if norm else nn.Identity(),
        nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.BatchNorm2d(2 * width) if norm else nn.Identity(), nn.ReLU(), nn.Flatten(), nn.Dropout(dropout),
        nn.Linear(32 * width, 10),
    )  # fmt: skip


class LowRank(nn.Module):
    """A frozen linear layer and a trained update of low rank (Hu et al. 2021, arXiv:2106.09685)."""

    def __init__(self, frozen: nn.Linear, rank: int = 4) -> None:
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.down = nn.Linear(frozen.in_features, rank, bias=False)
        self.up = nn.Linear(rank, frozen.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output of the frozen layer plus the update."""
        return self.frozen(x) + 2 * self.up(self.down(x))


def with_adapters(model: nn.Module, rank: int = 4) -> nn.Module:
    """Freeze a model and put an update of low rank beside each of its linear layers, in place."""
    model.requires_grad_(False)
    for module in list(model.modules()):
        if not isinstance(module, LowRank):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(module, name, LowRank(child, rank))
    return model
