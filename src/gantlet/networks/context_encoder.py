"""The networks of context encoders (Pathak et al., 2016, arXiv:1604.07379, Fig. 9), for one size of picture.

Shapes: pictures [N, C, H, W] in [-1, 1] -> their centre [N, C, H/2, W/2].
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gantlet.layers.grid import height_width
from gantlet.layers.picture_conv import PictureConv2d, PictureConvTranspose2d
from gantlet.networks import initialisation


def halvings(resolution: int | Sequence[int]) -> int:
    """Return how often the encoder halves a picture: to four pixels on the short side, two for sides below 16.

    Raises ValueError for a size that cannot be halved so often, or is below 8.
    """
    height, width = height_width(resolution)
    smallest, stages = (4 if min(height, width) >= 16 else 2), 0
    while min(height, width) >= 2 * smallest * 2**stages:
        stages += 1
    if stages < 2 or height % 2**stages or width % 2**stages:
        raise ValueError(f"context_encoder takes sides of 8 or more, multiples of {2**stages}, not {height}x{width}")
    return stages


def encoder_widths(width: int, stages: int) -> list[int]:
    """Return the maps of the encoder: 64, 64, 128, 256, 512 at width 64 and five halvings."""
    return [width, *(min(width * 2**i, 8 * width) for i in range(stages - 1))]


class Generator(nn.Module):
    """4x4 stride-2 convolutions to a bottleneck of `bottleneck` maps at 1x1, mirrored up to half the size, tanh.

    BN but on the first layer, LeakyReLU(.2) down and ReLU up, weights N(0, .02).
    """

    def __init__(self, channels: int, resolution: int | Sequence[int], width: int = 64, bottleneck: int = 4000) -> None:
        super().__init__()
        stages, (height, across) = halvings(resolution), height_width(resolution)
        grid = (height // 2**stages, across // 2**stages)
        widths = encoder_widths(width, stages)
        layers: list[nn.Module] = [PictureConv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(widths[-1], bottleneck, grid), nn.BatchNorm2d(bottleneck), nn.LeakyReLU(0.2)]
        backwards = widths[:0:-1]  # the first halving has no mirror: the centre is half as large
        layers += [nn.ConvTranspose2d(bottleneck, backwards[0], grid), nn.BatchNorm2d(backwards[0]), nn.ReLU()]
        for inputs, outputs in itertools.pairwise(backwards):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.out = PictureConvTranspose2d(backwards[-1], channels, 4, 2, 1)
        self.apply(initialisation.dcgan)

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.tanh(self.out(self.body(pictures)))


class Discriminator(nn.Module):
    """4x4 stride-2 convolutions that double the maps down to the base grid, BN but on the first, one logit [N].

    `resolution` is that of the whole picture; the centre that D judges is half as large: 64, 128, 256, 512 for 128.
    """

    def __init__(self, channels: int, resolution: int | Sequence[int], width: int = 64) -> None:
        super().__init__()
        stages, (height, across) = halvings(resolution), height_width(resolution)
        widths = [width * 2**i for i in range(stages - 1)]
        layers: list[nn.Module] = [PictureConv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.logit = nn.Conv2d(widths[-1], 1, (height // 2**stages, across // 2**stages))
        self.apply(initialisation.dcgan)

    def forward(self, centre: Tensor) -> Tensor:
        logits: Tensor = self.logit(self.body(centre)).flatten()
        return logits
