"""The residual networks of SN-GAN (Miyato 2018, Tables 4 and 5) and WGAN-GP (Gulrajani 2017, appendix F), for any size.

Shapes: z [N, latent_dim], y [N], pictures [N, C, H, W] in [-1, 1]. Activations are never in place: a shortcut reads the
same tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.conditional_norm import batch_norm
from gantlet.layers.grid import base_grid, crop, num_stages
from gantlet.layers.picture_conv import PictureConv2d
from gantlet.layers.projection import projected_logits
from gantlet.layers.scaling_conv import ConvThenPool2d, DoubleThenConv2d
from gantlet.networks.initialisation import weight_and_bias

Scaling = TypeVar("Scaling", ConvThenPool2d, DoubleThenConv2d)


def glorot(module: nn.Module, gain: float = 1.0) -> None:
    """Draw weights Glorot-uniform with this gain, biases 0 (Miyato's code: sqrt(2) in blocks, 1 on shortcuts)."""
    weight, bias = weight_and_bias(module)
    nn.init.xavier_uniform_(weight, gain)
    if bias is not None:
        nn.init.zeros_(bias)


def conv(inputs: int, outputs: int, kernel: int, gain: float = 1.0) -> nn.Conv2d:
    """Return a convolution that keeps the size, Glorot-initialised."""
    layer = nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2)
    glorot(layer, gain)
    return layer


def scaling(layer: Scaling) -> Scaling:
    """Return a convolution of a block that halves or doubles as well, initialised like the block's others."""
    glorot(layer, sqrt(2))
    return layer


class UpBlock(nn.Module):
    """norm, ReLU, nearest x2, 3x3, norm, ReLU, 3x3, plus a 1x1 shortcut of the enlarged input."""

    def __init__(self, inputs: int, outputs: int, num_classes: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = batch_norm(inputs, num_classes), batch_norm(outputs, num_classes)
        self.conv1, self.conv2 = scaling(DoubleThenConv2d(inputs, outputs)), conv(outputs, outputs, 3, sqrt(2))
        self.shortcut = conv(inputs, outputs, 1)

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        h = self.conv1(torch.relu(self.norm1(x, y)))
        h = self.conv2(torch.relu(self.norm2(h, y)))
        shortcut: Tensor = self.shortcut(x)
        # A 1x1 convolution commutes with nearest enlargement: four times fewer products in this order.
        enlarged: Tensor = h + F.interpolate(shortcut, scale_factor=2)
        return enlarged


class Block(nn.Module):
    """ReLU, 3x3, ReLU, 3x3, average pool if `down`, plus a shortcut (1x1 where the shape changes)."""

    def __init__(self, inputs: int, outputs: int, down: bool, first: bool = False) -> None:
        super().__init__()
        self.down, self.first = down, first
        self.conv1 = conv(inputs, outputs, 3, sqrt(2))
        self.conv2 = scaling(ConvThenPool2d(outputs, outputs)) if down else conv(outputs, outputs, 3, sqrt(2))
        self.shortcut = conv(inputs, outputs, 1) if down or inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(x if self.first else torch.relu(x))
        h = self.conv2(torch.relu(h))
        if not self.down:
            out: Tensor = h + self.shortcut(x)
            return out
        # Pooling first on the shortcut is exact for a 1x1 convolution and four times cheaper.
        pooled: Tensor = h + self.shortcut(F.avg_pool2d(x, 2, ceil_mode=True))
        return pooled


class Generator(nn.Module):
    """Linear to the base grid, one up block per doubling, norm, ReLU, 3x3, tanh. 32 pixels, width 256: Table 4a."""

    def __init__(
        self, latent_dim: int, channels: int, resolution: int | Sequence[int], width: int = 256, num_classes: int = 0
    ) -> None:
        super().__init__()
        self.resolution, self.width = resolution, width
        stages = num_stages(resolution)
        self.grid = base_grid(resolution, stages)
        self.project = nn.Linear(latent_dim, width * self.grid[0] * self.grid[1])
        glorot(self.project)
        self.blocks = nn.ModuleList(UpBlock(width, width, num_classes) for _ in range(stages))
        self.norm = batch_norm(width, 0)
        self.out = PictureConv2d(width, channels, 3, 1, 1)
        glorot(self.out)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.project(z).unflatten(1, (-1, *self.grid)).contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            h = block(h, y)
        return crop(torch.tanh(self.out(torch.relu(self.norm(h)))), self.resolution)


class Discriminator(nn.Module):
    """Two down blocks, two plain ones, ReLU, sum over positions, linear; labels as a projection. Width 128: Table 4b.

    `forward` returns logits [N]. With mean=True positions are averaged, as WGAN-GP's critic does (sum and mean are
    different networks under spectral norm).
    """

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 128,
        num_classes: int = 0,
        mean: bool = False,
    ) -> None:
        super().__init__()
        self.mean = mean
        downs = max(num_stages(resolution) - 1, 1)  # 32 pixels end at 8x8, as published
        blocks = [Block(channels, width, down=True, first=True)]
        blocks += [Block(width, width, down=True) for _ in range(downs - 1)]
        blocks += [Block(width, width, down=False) for _ in range(2)]
        self.blocks = nn.Sequential(*blocks)
        self.logit = nn.Linear(width, 1)
        glorot(self.logit)
        self.embedding = nn.Embedding(num_classes, width) if num_classes else None
        if self.embedding is not None:
            glorot(self.embedding)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = torch.relu(self.blocks(x)).sum((2, 3)) if not self.mean else torch.relu(self.blocks(x)).mean((2, 3))
        return projected_logits(h, y, self.logit, self.embedding)
