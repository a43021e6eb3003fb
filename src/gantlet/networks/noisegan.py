"""Networks of the NoiseGAN family: a small generator with noise inside, and the residual pair of NR-GAN.

Shapes: z [N, latent_dim], y [N], pictures [N, C, H, W] in [-1, 1], logits [N].
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.conditional_norm import VectorBatchNorm2d
from gantlet.layers.grid import base_grid, crop, num_stages
from gantlet.layers.layer_noise import PixelNoise
from gantlet.layers.projection import projected_logits
from gantlet.layers.scaling_conv import ConvThenPool2d, DoubleThenConv2d
from gantlet.networks import infogan, initialisation
from gantlet.networks.resnet import conv, glorot, scaling
from gantlet.networks.strided import with_label


class Generator(nn.Module):
    """`strided.Generator` with per-pixel noise before each norm of its maps, with chunks of z into them, or both.

    `chunked`: z is cut into one part for the fully connected layer, which takes what does not divide, and one for each
    norm of maps (Brock 2019). `noise_shapes` are those of the noise that `forward` takes, without the batch; no noise
    gives the picture that z alone stands for.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 64,
        num_classes: int = 0,
        hidden: int = 1024,
        layer_noise: bool = True,
        chunked: bool = False,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        stages = num_stages(resolution)
        chunk = latent_dim // (stages + 1) if chunked else 0
        self.chunks = [latent_dim - stages * chunk, *([chunk] * stages)]
        self.picture = infogan.Generator(self.chunks[0] + num_classes, channels, resolution, width, hidden)
        widths = [width * 2**i for i in reversed(range(stages))]
        if chunked:
            self.picture.picture.norms = nn.ModuleList(VectorBatchNorm2d(w, chunk) for w in widths)
            self.picture.picture.norms.apply(initialisation.dcgan)
        self.noises = nn.ModuleList(PixelNoise(w) for w in widths) if layer_noise else None

    @property
    def noise_shapes(self) -> list[tuple[int, int, int]]:
        """Return the shape of the noise of each layer; none without layer noise."""
        (rows, columns), count = self.picture.picture.grid, len(self.noises) if self.noises is not None else 0
        return [(1, rows * 2**i, columns * 2**i) for i in range(count)]

    def forward(self, z: Tensor, y: Tensor | None = None, noise: Sequence[Tensor] = ()) -> Tensor:
        first, *chunks = torch.split(z, self.chunks, 1)
        first = with_label(first, y, self.num_classes)
        whole, maps = self.picture, self.picture.picture
        h = maps.base(torch.relu(whole.norm(whole.hidden(first))))
        for i, norm in enumerate(maps.norms):
            if i:
                h = maps.ups[i - 1](h)
            if noise and self.noises is not None:
                h = self.noises[i](h, noise[i])
            h = torch.relu(norm(h, chunks[i]))
        return crop(torch.tanh(maps.out(h)), maps.resolution)


class Residual(nn.Module):
    """[ReLU], 3x3, ReLU, 3x3, times `factor`, plus a shortcut: 1x1 where the size or the width changes; no norm.

    `scale` is 2 for a nearest enlargement before the first convolution, 1/2 for a mean over 2x2 after the second.
    """

    def __init__(self, inputs: int, outputs: int, scale: float, factor: float, first: bool = False) -> None:
        super().__init__()
        self.scale, self.factor, self.first = scale, factor, first
        self.conv1 = scaling(DoubleThenConv2d(inputs, outputs)) if scale == 2 else conv(inputs, outputs, 3, sqrt(2))
        self.conv2 = scaling(ConvThenPool2d(outputs, outputs)) if scale < 1 else conv(outputs, outputs, 3, sqrt(2))
        self.shortcut = conv(inputs, outputs, 1) if scale != 1 or inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.first else torch.relu(x)
        h = self.factor * self.conv2(torch.relu(self.conv1(h)))
        # 1x1 convolutions commute with enlargement and with means: always done on the smaller grid.
        if self.scale == 2:
            up: Tensor = h + F.interpolate(self.shortcut(x), scale_factor=2)
            return up
        if self.scale < 1:
            x = F.avg_pool2d(x, 2, ceil_mode=True)
        out: Tensor = h + self.shortcut(x)
        return out


class ResidualGenerator(nn.Module):
    """Linear to the base grid, one enlarging block per doubling, ReLU, 3x3, tanh (authors' code); no norm anywhere.

    A label is embedded and appended to z (ours: the paper has none).
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 128,
        num_classes: int = 0,
        factor: float = 0.1,
        embedding_dim: int = 32,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        stages = num_stages(resolution)
        self.grid = base_grid(resolution, stages)
        self.embedding = nn.Embedding(num_classes, embedding_dim) if num_classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0.0, 0.1)
        inputs = latent_dim + (embedding_dim if num_classes else 0)
        self.project = nn.Linear(inputs, width * self.grid[0] * self.grid[1])
        glorot(self.project)
        self.blocks = nn.Sequential(*(Residual(width, width, 2, factor) for _ in range(stages)))
        self.out = conv(width, channels, 3)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(y)], dim=1)
        h = self.project(z).unflatten(1, (-1, *self.grid)).contiguous(memory_format=torch.channels_last)
        return crop(torch.tanh(self.out(torch.relu(self.blocks(h)))), self.resolution)


class ResidualDiscriminator(nn.Module):
    """Two halving blocks (32 pixels), two plain ones, ReLU, mean over positions, one logit; labels as a projection."""

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 128,
        num_classes: int = 0,
        factor: float = 0.1,
    ) -> None:
        super().__init__()
        downs = max(num_stages(resolution) - 1, 1)  # 32 pixels end at 8x8, as published
        blocks = [Residual(channels, width, 0.5, factor, first=True)]
        blocks += [Residual(width, width, 0.5, factor) for _ in range(downs - 1)]
        blocks += [Residual(width, width, 1, factor) for _ in range(2)]
        self.blocks = nn.Sequential(*blocks)
        self.logit = nn.Linear(width, 1)
        glorot(self.logit)
        self.embedding = nn.Embedding(num_classes, width) if num_classes else None
        if self.embedding is not None:
            glorot(self.embedding)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = torch.relu(self.blocks(x)).mean((2, 3))
        return projected_logits(h, y, self.logit, self.embedding)
