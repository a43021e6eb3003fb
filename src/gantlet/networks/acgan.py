"""The networks of AC-GAN (Odena 2017, Table 2, the CIFAR-10 column), for any size."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gantlet.layers.grid import base_grid, crop, height_width, num_stages
from gantlet.layers.noise import GaussianNoise
from gantlet.layers.picture_conv import PictureConvTranspose2d
from gantlet.networks import initialisation


class Generator(nn.Module):
    """z [N, latent_dim] times a class embedding -> linear -> 5x5 stride-2 transposed convolutions, BN ReLU -> tanh.

    At 32 pixels with width 96: 384x4x4 -> 192 -> 96 -> channels, as published.
    """

    def __init__(
        self, latent_dim: int, channels: int, resolution: int | Sequence[int], num_classes: int, width: int = 96
    ) -> None:
        super().__init__()
        self.resolution = resolution
        stages = num_stages(resolution)
        self.grid = base_grid(resolution, stages)
        widths = [width * 2**i for i in reversed(range(stages))]
        self.embedding = nn.Embedding(num_classes, latent_dim)
        self.project = nn.Linear(latent_dim, widths[0] * self.grid[0] * self.grid[1])
        layers: list[nn.Module] = [nn.ReLU()]
        for a, b in itertools.pairwise(widths):
            layers += [nn.ConvTranspose2d(a, b, 5, 2, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        layers += [PictureConvTranspose2d(widths[-1], channels, 5, 2, 2, 1), nn.Tanh()]
        self.ups = nn.Sequential(*layers)
        self.apply(initialisation.dcgan)
        nn.init.normal_(self.embedding.weight)  # a product with z: N(0, .02) would silence the latent

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        h = self.project(z * self.embedding(y)).unflatten(1, (-1, *self.grid))
        pictures: Tensor = self.ups(h.contiguous(memory_format=torch.channels_last))
        return crop(pictures, self.resolution)


class Discriminator(nn.Module):
    """Six 3x3 convolutions 16-32-64-128-256-512 (strides 2 and 1 in turn), BN but first, LeakyReLU(.2), dropout .5.

    `forward` returns (logits [N], class_logits [N, num_classes]): no sigmoid, no softmax, the losses take raw logits.
    """

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        num_classes: int,
        width: int = 16,
        dropout: float = 0.5,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        height, columns = height_width(resolution)
        layers: list[nn.Module] = []
        previous = channels
        for i in range(6):
            stride = 2 if i % 2 == 0 else 1
            layers.append(nn.Conv2d(previous, width * 2**i, 3, stride, 1, bias=i == 0))
            layers += [nn.BatchNorm2d(width * 2**i)] if i else []
            layers += [nn.LeakyReLU(0.2), nn.Dropout(dropout), GaussianNoise(noise)]
            previous = width * 2**i
            height, columns = -(-height // stride), -(-columns // stride)
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.logit = nn.Linear(previous * height * columns, 1)
        self.class_logits = nn.Linear(previous * height * columns, num_classes)
        self.apply(initialisation.dcgan)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x)
        return self.logit(h)[:, 0], self.class_logits(h)
