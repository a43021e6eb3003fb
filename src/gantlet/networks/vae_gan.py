"""The networks of VAE/GAN (Larsen 2016, Table 1, and its code), for any size: 5x5 convolutions, batch norm, ReLU.

At 64 pixels with width 32 they are the published ones. Shapes: pictures [N, C, H, W] in [-1, 1], z [N, latent_dim].
PyTorch's own initial weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from gantlet.layers.grid import base_grid, crop, even_padding, num_stages
from gantlet.layers.picture_conv import PictureConv2d
from gantlet.networks.vae import Encoder, Pad


def stages_of(resolution: int | Sequence[int]) -> int:
    """Return how often pictures are halved: three times as published, twice for 28 pixels (to 7), once for 8."""
    return min(num_stages(resolution), 3)


def normed(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> list[nn.Module]:
    """Return the layer with batch norm and ReLU after it."""
    if isinstance(layer, nn.Linear):
        return [layer, nn.BatchNorm1d(layer.out_features), nn.ReLU()]
    return [layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU()]


def down(inputs: int, outputs: int) -> nn.Conv2d:
    """Return the 5x5 convolution that halves a picture."""
    return nn.Conv2d(inputs, outputs, 5, 2, 2, bias=False)


def encoder(channels: int, resolution: int | Sequence[int], width: int, hidden: int, latent_dim: int) -> Encoder:
    """Return stride-2 convolutions to 2, 4 and 8 times `width` maps, a hidden layer, the two heads of q(z | x)."""
    stages = stages_of(resolution)
    widths = [channels, *(2 * width * 2**i for i in range(stages))]
    layers: list[nn.Module] = [Pad(even_padding(resolution, stages))]
    for a, b in itertools.pairwise(widths):
        layers += normed(down(a, b))
    features = widths[-1] * prod(base_grid(resolution, stages))
    layers += [nn.Flatten(), *normed(nn.Linear(features, hidden, bias=False))]
    return Encoder(nn.Sequential(*layers), hidden, latent_dim)


class Generator(nn.Module):
    """Linear to 8 * width maps, 5x5 stride-2 transposed convolutions to 8, 4 and 1 times `width`, 5x5, tanh."""

    def __init__(self, latent_dim: int, channels: int, resolution: int | Sequence[int], width: int = 32) -> None:
        super().__init__()
        self.resolution = resolution
        stages = stages_of(resolution)
        grid = base_grid(resolution, stages)
        widths = [8 * width, *(8 * width, 4 * width, width)[-stages:]]
        project = nn.Linear(latent_dim, widths[0] * prod(grid), bias=False)
        layers = [*normed(project), nn.Unflatten(1, (widths[0], *grid))]
        for a, b in itertools.pairwise(widths):
            layers += normed(nn.ConvTranspose2d(a, b, 5, 2, 2, output_padding=1, bias=False))
        self.body = nn.Sequential(*layers, PictureConv2d(widths[-1], channels, 5, 1, 2))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return crop(torch.tanh(self.body(z)), self.resolution)


class Discriminator(nn.Module):
    """5x5 to `width` maps, stride-2 convolutions to 4, 8 and 8 times as many, a hidden layer, one logit.

    `forward` returns logits [N] and features [N, F]; `features` alone are those of the last convolution before its
    norm, the layer l of the paper (`recon_depth=9` in its code).
    """

    def __init__(self, channels: int, resolution: int | Sequence[int], width: int = 32, hidden: int = 512) -> None:
        super().__init__()
        stages = stages_of(resolution)
        widths = [width, *(4 * width, 8 * width, 8 * width)[:stages]]
        layers: list[nn.Module] = [
            Pad(even_padding(resolution, stages)),
            nn.Conv2d(channels, width, 5, 1, 2),
            nn.ReLU(),
        ]
        for a, b in itertools.pairwise(widths[:-1]):
            layers += normed(down(a, b))
        self.body = nn.Sequential(*layers, down(*widths[-2:]))
        features = widths[-1] * prod(base_grid(resolution, stages))
        self.head = nn.Sequential(
            nn.BatchNorm2d(widths[-1]), nn.ReLU(), nn.Flatten(), *normed(nn.Linear(features, hidden, bias=False))
        )
        self.logit = nn.Linear(hidden, 1)

    def features(self, x: Tensor) -> Tensor:
        """Return D_l(x), flattened [N, F]."""
        maps: Tensor = self.body(x)
        return maps.flatten(1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.body(x)
        return self.logit(self.head(maps))[:, 0], maps.flatten(1)
