"""Encoders and decoders of variational autoencoders: fully connected, and a small convolutional pair.

Shapes: pictures [N, C, H, W] in [-1, 1], z [N, latent_dim]. PyTorch's own initial weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.grid import base_grid, crop, even_padding, height_width, num_stages
from gantlet.layers.picture_conv import PictureConv2d, PictureConvTranspose2d


class Encoder(nn.Module):
    """x -> the mean and the logarithm of the variance of q(z | x), [N, latent_dim] each: two heads on one body."""

    def __init__(self, body: nn.Module, num_features: int, latent_dim: int) -> None:
        super().__init__()
        self.body = body
        self.mean = nn.Linear(num_features, latent_dim)
        self.log_variance = nn.Linear(num_features, latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x)
        return self.mean(h), self.log_variance(h)


class Decoder(nn.Module):
    """z -> the picture of most likely pixels; `logits(z)` [N, C, H, W] are those of a Bernoulli variable per pixel."""

    def __init__(self, body: nn.Module, resolution: int | Sequence[int]) -> None:
        super().__init__()
        self.body, self.resolution = body, resolution

    def logits(self, z: Tensor) -> Tensor:
        """Return the logit of white for each pixel and channel."""
        return crop(self.body(z), self.resolution)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return torch.tanh(self.logits(z) / 2)  # 2 sigmoid(logit) - 1, the mean on the scale of pictures


class Pad(nn.Module):
    """Pads pictures by (left, right, top, bottom) zeros."""

    def __init__(self, padding: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.padding) if any(self.padding) else x


def mlp_encoder(channels: int, resolution: int | Sequence[int], hidden: int, latent_dim: int) -> Encoder:
    """Return pixels - hidden ReLU - z: 784-400-20 has 330,040 parameters."""
    pixels = channels * prod(height_width(resolution))
    return Encoder(nn.Sequential(nn.Flatten(), nn.Linear(pixels, hidden), nn.ReLU()), hidden, latent_dim)


def mlp_decoder(latent_dim: int, channels: int, resolution: int | Sequence[int], hidden: int) -> Decoder:
    """Return z - hidden ReLU - pixels: 20-400-784 has 322,784 parameters."""
    shape = (channels, *height_width(resolution))
    layers = (nn.Linear(latent_dim, hidden), nn.ReLU(), nn.Linear(hidden, prod(shape)), nn.Unflatten(1, shape))
    return Decoder(nn.Sequential(*layers), resolution)


def conv_stages(resolution: int | Sequence[int]) -> int:
    """Return how often the convolutional pair halves a picture: at most twice, so that 28 pixels end at 7."""
    return min(num_stages(resolution), 2)


def conv_encoder(channels: int, resolution: int | Sequence[int], width: int, hidden: int, latent_dim: int) -> Encoder:
    """Return 4x4 stride-2 convolutions to `width` and twice as many maps with ReLU, a hidden layer, z."""
    stages = conv_stages(resolution)
    grid, widths = base_grid(resolution, stages), [channels, *(width * 2**i for i in range(stages))]
    layers: list[nn.Module] = [Pad(even_padding(resolution, stages))]
    for a, b in itertools.pairwise(widths):
        layers += [PictureConv2d(a, b, 4, 2, 1), nn.ReLU()]
    layers += [nn.Flatten(), nn.Linear(widths[-1] * prod(grid), hidden), nn.ReLU()]
    return Encoder(nn.Sequential(*layers), hidden, latent_dim)


def conv_decoder(latent_dim: int, channels: int, resolution: int | Sequence[int], width: int, hidden: int) -> Decoder:
    """Return the mirror image of `conv_encoder`: two linear layers, 4x4 stride-2 transposed convolutions."""
    stages = conv_stages(resolution)
    grid, widths = base_grid(resolution, stages), [*(width * 2**i for i in reversed(range(stages))), channels]
    layers: list[nn.Module] = [nn.Linear(latent_dim, hidden), nn.ReLU()]
    layers += [nn.Linear(hidden, widths[0] * prod(grid)), nn.Unflatten(1, (widths[0], *grid))]
    for a, b in itertools.pairwise(widths):
        layers += [nn.ReLU(), PictureConvTranspose2d(a, b, 4, 2, 1)]
    return Decoder(nn.Sequential(*layers), resolution)
