"""A small module of every class in `torch.nn`, with input for it."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

# A module, and the arguments of its forward pass.
Made = tuple[nn.Module, tuple[Any, ...]]

# Why a class has no row.
WITHOUT_A_ROW = {
    "Container": "the old name of `Module`, without a forward pass",
    "Module": "the base class",
    "RNNBase": "the base class of `RNN`, `LSTM` and `GRU`",
    "RNNCellBase": "the base class of the cells",
}

_X1, _X2, _X3 = (2, 4, 8), (2, 4, 8, 8), (2, 4, 8, 8, 8)
_BY_RANK = {"1": _X1, "2": _X2, "3": _X3}


def names() -> list[str]:
    """Return the names of all module classes in `torch.nn`."""
    classes = [name for name in dir(nn) if inspect.isclass(getattr(nn, name))]
    return [name for name in classes if issubclass(getattr(nn, name), nn.Module) and name not in WITHOUT_A_ROW]


def make(name: str) -> Made:
    """Return a module of the class of this name, and input for it."""
    cls = getattr(nn, name)
    if name in _SPECIAL:
        return _SPECIAL[name](cls)
    rank = next((digit for digit in "123" if f"{digit}d" in name), None)
    shape = _BY_RANK[rank] if rank is not None else (2, 4)
    for part, arguments in _BY_PART.items():
        if part in name:
            return cls(*arguments), (torch.randn(shape),)
    return cls(), (torch.randn(shape),)


def _classes(count: int = 2) -> torch.Tensor:
    return torch.randint(0, 3, (count,))


def _signs(count: int = 2) -> torch.Tensor:
    return torch.ones(count)


def _unpool(cls: Any) -> Made:
    rank = cls.__name__[-2]
    pool = getattr(nn, f"MaxPool{rank}d")(2, return_indices=True)
    return cls(2), pool(torch.randn(_BY_RANK[rank]))


def _two(cls: Any) -> Made:
    return cls(), (torch.randn(2, 4), torch.randn(2, 4))


def _recurrent(cls: Any) -> Made:
    return cls(4, 4, 2, dropout=0.1), (torch.randn(3, 2, 4),)


class _Held(nn.Module):
    """Modules or parameters in a container, each of which is used."""

    def __init__(self, held: Any) -> None:
        super().__init__()
        self.held = held

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for item in self.held.values() if hasattr(self.held, "values") else self.held:
            x = item(x) if isinstance(item, nn.Module) else x * item
        return x


def _container(cls: Any) -> Made:
    parts: list[Any] = [nn.Linear(4, 4), nn.BatchNorm1d(4)]
    if "Parameter" in cls.__name__:
        parts = [nn.Parameter(torch.ones(4)), nn.Parameter(torch.randn(4))]
    return _Held(cls(dict(zip("ab", parts, strict=True)) if "Dict" in cls.__name__ else parts)), (torch.randn(2, 4),)


def _layer(cls: Any) -> Made:
    return cls(4, 2, 8, batch_first=True), (torch.randn(2, 3, 4), torch.randn(2, 3, 4))[
        : 1 + ("Decoder" in cls.__name__)
    ]


def _stack(cls: Any) -> Made:
    layer = getattr(nn, f"{cls.__name__}Layer")(4, 2, 8, batch_first=True)
    return cls(layer, 1), (torch.randn(2, 3, 4), torch.randn(2, 3, 4))[: 1 + ("Decoder" in cls.__name__)]


_BY_PART: dict[str, tuple[Any, ...]] = {
    "Adaptive": (2,),
    "Fractional": (2,),
    "LPPool": (2, 2),
    "Pool": (2,),
    "ConstantPad": (1, 0.0),
    "Pad": (1,),
    "LazyConv": (4, 3),
    "Conv": (4, 4, 3),
    "LazyBatchNorm": (),
    "LazyInstanceNorm": (),
    "InstanceNorm": (4, 1e-5, 0.1, True, True),
    "BatchNorm": (4,),
}

_SPECIAL: dict[str, Callable[[Any], Made]] = {
    "AdaptiveLogSoftmaxWithLoss": lambda c: (c(4, 6, [2]), (torch.randn(3, 4), torch.tensor([0, 3, 5]))),
    "BCELoss": lambda c: (c(), (torch.rand(2, 4), torch.rand(2, 4))),
    "Bilinear": lambda c: (c(4, 4, 2), (torch.randn(2, 4), torch.randn(2, 4))),
    "CTCLoss": lambda c: (
        c(),
        (torch.randn(5, 2, 4).log_softmax(2), torch.ones(2, 2).long(), torch.tensor([5, 5]), torch.tensor([2, 2])),
    ),
    "ChannelShuffle": lambda c: (c(2), (torch.randn(_X2),)),
    "CosineEmbeddingLoss": lambda c: (c(), (torch.randn(2, 4), torch.randn(2, 4), _signs())),
    "CosineSimilarity": _two,
    "CrossEntropyLoss": lambda c: (c(), (torch.randn(2, 4), _classes())),
    "CrossMapLRN2d": lambda c: (c(3), (torch.randn(_X2),)),
    "DataParallel": lambda c: (c(nn.Linear(4, 4)), (torch.randn(2, 4),)),
    "Embedding": lambda c: (c(5, 4, max_norm=1.0), (torch.tensor([[1, 2], [3, 4]]),)),
    "EmbeddingBag": lambda c: (c(5, 4), (torch.tensor([[1, 2], [3, 4]]),)),
    "Fold": lambda c: (c((4, 4), 2), (torch.randn(2, 4, 9),)),
    "FeatureAlphaDropout": lambda c: (c(), (torch.randn(_X2),)),
    "FractionalMaxPool2d": lambda c: (c(2, output_ratio=0.5), (torch.randn(_X2),)),
    "FractionalMaxPool3d": lambda c: (c(2, output_ratio=0.5), (torch.randn(_X3),)),
    "GRU": _recurrent,
    "GRUCell": lambda c: (c(4, 4), (torch.randn(2, 4),)),
    "GaussianNLLLoss": lambda c: (c(), (torch.randn(2, 4), torch.randn(2, 4), torch.ones(2, 4))),
    "GroupNorm": lambda c: (c(2, 4), (torch.randn(_X1),)),
    "HingeEmbeddingLoss": lambda c: (c(), (torch.randn(2), _signs())),
    "KLDivLoss": lambda c: (c(reduction="batchmean"), (torch.randn(2, 4).log_softmax(1), torch.rand(2, 4))),
    "LSTM": _recurrent,
    "LSTMCell": lambda c: (c(4, 4), (torch.randn(2, 4),)),
    "LayerNorm": lambda c: (c(4), (torch.randn(2, 4),)),
    "LazyLinear": lambda c: (c(4), (torch.randn(2, 4),)),
    "Linear": lambda c: (c(4, 4), (torch.randn(2, 4),)),
    "LinearCrossEntropyLoss": lambda c: (c(4, 3), (torch.randn(2, 4), _classes())),
    "LocalResponseNorm": lambda c: (c(2), (torch.randn(_X2),)),
    "MarginRankingLoss": lambda c: (c(), (torch.randn(2), torch.randn(2), _signs())),
    "MaxUnpool1d": _unpool,
    "MaxUnpool2d": _unpool,
    "MaxUnpool3d": _unpool,
    "ModuleDict": _container,
    "ModuleList": _container,
    "MultiLabelMarginLoss": lambda c: (c(), (torch.randn(1, 4), torch.tensor([[3, 0, -1, 1]]))),
    "MultiMarginLoss": lambda c: (c(), (torch.randn(2, 4), _classes())),
    "MultiheadAttention": lambda c: (c(4, 2), (torch.randn(3, 2, 4),) * 3),
    "NLLLoss": lambda c: (c(), (torch.randn(2, 4).log_softmax(1), _classes())),
    "NLLLoss2d": lambda c: (c(), (torch.randn(2, 4, 3, 3).log_softmax(1), torch.zeros(2, 3, 3).long())),
    "PairwiseDistance": _two,
    "ParameterDict": _container,
    "ParameterList": _container,
    "PixelShuffle": lambda c: (c(2), (torch.randn(_X2),)),
    "PixelUnshuffle": lambda c: (c(2), (torch.randn(_X2),)),
    "RMSNorm": lambda c: (c(4), (torch.randn(2, 4),)),
    "RNN": _recurrent,
    "RNNCell": lambda c: (c(4, 4), (torch.randn(2, 4),)),
    "Sequential": lambda c: (c(nn.Linear(4, 4), nn.ReLU(), nn.Dropout()), (torch.randn(2, 4),)),
    "SoftMarginLoss": lambda c: (c(), (torch.randn(2), _signs())),
    "Softmax": lambda c: (c(1), (torch.randn(2, 4),)),
    "LogSoftmax": lambda c: (c(1), (torch.randn(2, 4),)),
    "Softmin": lambda c: (c(1), (torch.randn(2, 4),)),
    "SyncBatchNorm": lambda c: (c(4).eval(), (torch.randn(_X1),)),
    "Threshold": lambda c: (c(0.1, 0.0), (torch.randn(2, 4),)),
    "Transformer": lambda c: (c(4, 2, 1, 1, 8), (torch.randn(3, 2, 4), torch.randn(3, 2, 4))),
    "TransformerDecoder": _stack,
    "TransformerDecoderLayer": _layer,
    "TransformerEncoder": _stack,
    "TransformerEncoderLayer": _layer,
    "TripletMarginLoss": lambda c: (c(), (torch.randn(2, 4), torch.randn(2, 4), torch.randn(2, 4))),
    "TripletMarginWithDistanceLoss": lambda c: (c(), (torch.randn(2, 4), torch.randn(2, 4), torch.randn(2, 4))),
    "Unflatten": lambda c: (c(1, (2, 2)), (torch.randn(2, 4),)),
    "Unfold": lambda c: (c(2), (torch.randn(_X2),)),
    "Upsample": lambda c: (c(scale_factor=2), (torch.randn(_X2),)),
    "UpsamplingBilinear2d": lambda c: (c(scale_factor=2), (torch.randn(_X2),)),
    "UpsamplingNearest2d": lambda c: (c(scale_factor=2), (torch.randn(_X2),)),
}
_SPECIAL |= dict.fromkeys(
    (
        "HuberLoss",
        "L1Loss",
        "MSELoss",
        "SmoothL1Loss",
        "PoissonNLLLoss",
        "BCEWithLogitsLoss",
        "MultiLabelSoftMarginLoss",
    ),
    lambda c: (c(), (torch.randn(2, 4), torch.rand(2, 4))),
)
