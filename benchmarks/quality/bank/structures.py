"""Subjects of the bank with a structure: images, sequences, graphs, embeddings, and models that generate."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.quality.bank import data, models
from benchmarks.quality.bank.subject import Parts, subject
from benchmarks.quality.tasks import data as task_data
from benchmarks.quality.tasks.models import VAE, CharTransformer, Factors, forecaster, mlp


def _mean_of_output(out: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return out.mean()


def _mean_square_of_output(out: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return out.square().mean()


def next_character(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the cross entropy of the next character at each position."""
    return F.cross_entropy(logits.flatten(0, 1), y.flatten())


@subject("cnn", "digits", batches=(16, 64), longest=400)
def cnn_digits() -> Parts:
    """CNN on digits"""
    return models.digit_cnn(), nn.CrossEntropyLoss(), task_data.bundled("digits")


@subject("cnn", "mnist", batches=(8, 32), longest=400)
def dropout_cnn_mnist() -> Parts:
    """CNN with half of its units dropped on MNIST at 8 by 8"""
    return models.digit_cnn(dropout=0.5), nn.CrossEntropyLoss(), data.shrunk("mnist")


@subject("cnn", "fashion", batches=(16, 64), longest=400)
def batch_norm_cnn_fashion() -> Parts:
    """CNN with batch normalisation on Fashion-MNIST at 8 by 8"""
    return models.digit_cnn(norm=True), nn.CrossEntropyLoss(), data.shrunk("fashion")


@subject("resnet_bn", "digits", batches=(16, 32), longest=250)
def resnet_digits() -> Parts:
    """ResNet with batch normalisation on digits"""
    return models.digit_resnet("batch"), nn.CrossEntropyLoss(), task_data.bundled("digits")


@subject("resnet", "digits", batches=(16, 32), longest=250)
def resnet_groups_digits() -> Parts:
    """ResNet with group normalisation on digits"""
    return models.digit_resnet("group"), nn.CrossEntropyLoss(), task_data.bundled("digits")


@subject("resnet", "fashion", batches=(16, 32), longest=250)
def resnet_plain_fashion() -> Parts:
    """ResNet without normalisation on Fashion-MNIST at 8 by 8"""
    return models.digit_resnet("none"), nn.CrossEntropyLoss(), data.shrunk("fashion")


@subject("transformer", "text", batches=(2, 8), longest=250)
def transformer_text() -> Parts:
    """Transformer on characters of prose"""
    split, alphabet = task_data.text()
    return CharTransformer(alphabet, width=16), next_character, split


@subject("transformer", "digits", batches=(8, 32), longest=250)
def patches_digits() -> Parts:
    """Vision transformer on digits"""
    return models.Patches(), nn.CrossEntropyLoss(), task_data.bundled("digits")


@subject("rnn", "text", batches=(4, 8), longest=250)
def gru_text() -> Parts:
    """GRU on characters of prose"""
    split, alphabet = task_data.text()
    return models.Recurrent(alphabet, nn.GRU), next_character, split


@subject("rnn", "text", batches=(4, 16), longest=250)
def lstm_text() -> Parts:
    """LSTM on characters of prose"""
    split, alphabet = task_data.text()
    return models.Recurrent(alphabet, nn.LSTM), next_character, split


@subject("rnn", "formulas", batches=(16, 64), longest=250)
def adding_problem() -> Parts:
    """LSTM on the adding problem"""
    return models.LastState(2, nn.LSTM, 1), nn.MSELoss(), data.sums()


@subject("rnn", "digits", batches=(16, 32), longest=250)
def rows_of_digits() -> Parts:
    """Plain recurrent network over the rows of digits"""
    (x, y), (val_x, val_y) = task_data.bundled("digits")
    return (
        models.LastState(8, nn.RNN, 10),
        nn.CrossEntropyLoss(),
        ((x.view(-1, 8, 8), y), (val_x.view(-1, 8, 8), val_y)),
    )


@subject("gnn", "digits", batches=(64, 0), longest=250)
def graph_digits() -> Parts:
    """Graph convolutions over neighbouring digits"""
    split, features, adjacency = data.graph_of_digits()
    return models.GraphConvolutions(features, adjacency, 10), nn.CrossEntropyLoss(), split


@subject("unet", "digits", batches=(8, 32), longest=250)
def unet_denoising() -> Parts:
    """U-Net that removes noise from digits"""
    return models.UNet(), nn.MSELoss(), task_data.noisy_digits()


@subject("unet", "digits", batches=(8, 32), longest=250)
def unet_segmentation() -> Parts:
    """U-Net that finds the ink of noisy digits"""
    (x, clean), (val_x, val_clean) = task_data.noisy_digits()
    masks = ((x, (clean > 0.5).float()), (val_x, (val_clean > 0.5).float()))
    return models.UNet(), nn.BCEWithLogitsLoss(), masks


@subject("factorisation", "formulas", batches=(64, 256))
def factorisation() -> Parts:
    """Matrix factorisation of ratings"""
    split, users, items = task_data.ratings()
    return Factors(users, items), nn.MSELoss(), split


@subject("autoencoder", "digits", batches=(16, 64))
def autoencoder() -> Parts:
    """Autoencoder of digits"""
    return mlp(64, 64, 12, 64, 64), nn.MSELoss(), task_data.plain_digits()


@subject("vae", "digits", batches=(16, 64), ignores_input=False)
def vae() -> Parts:
    """Variational autoencoder of digits, loss summed over pixels"""

    def loss(out: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        pixels, mean, log_variance = out.split([64, 8, 8], 1)
        reconstruction = F.binary_cross_entropy_with_logits(pixels, x, reduction="none").sum(1)
        return (reconstruction + 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)).mean()

    return VAE(), loss, task_data.plain_digits()


@subject("contrastive", "digits", batches=(32, 128), ignores_input=False)
def contrastive() -> Parts:
    """Embedding of noisy views of digits, InfoNCE"""

    def loss(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        first, second = F.normalize(out, dim=-1).unbind(1)
        return F.cross_entropy(first @ second.T / 0.2, torch.arange(len(y)))

    return mlp(64, 64, 16), loss, task_data.pairs_of_digits()


@subject("contrastive", "digits", batches=(16, 64), ignores_input=False)
def triplet() -> Parts:
    """Embedding of noisy views of digits, triplet loss"""

    def loss(out: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        anchor, positive = out.unbind(1)
        return F.triplet_margin_loss(anchor, positive, positive.roll(1, 0), margin=1.0)

    return mlp(64, 64, 16), loss, task_data.pairs_of_digits()


@subject("diffusion", "digits", batches=(16, 64, 256), ignores_input=False)
def diffusion_digits() -> Parts:
    """Diffusion model of digits"""
    return models.Denoiser(), _mean_square_of_output, task_data.plain_digits()


@subject("diffusion", "formulas", batches=(32, 128), ignores_input=False)
def diffusion_moons() -> Parts:
    """Diffusion model of two moons"""
    return models.Denoiser(2, 48), _mean_square_of_output, data.moons()


@subject("flow", "formulas", batches=(32, 256), ignores_input=False, longest=400)
def flow() -> Parts:
    """Normalising flow of two moons, likelihood"""
    return models.Flow(), _mean_of_output, data.moons()


@subject("siren", "fashion", batches=(32, 0), longest=250)
def sine_network() -> Parts:
    """Sine network of one image"""
    return models.SineNetwork(), nn.MSELoss(), data.pixels()


@subject("conv1d", "formulas", batches=(16, 64), longest=1000)
def forecast() -> Parts:
    """Convolutions that forecast a seasonal series"""
    return forecaster(), nn.SmoothL1Loss(), task_data.series()
