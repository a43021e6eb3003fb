"""The networks of R3GAN (Huang et al. 2024): residual blocks with grouped convolutions, no normalisation, for any size.

Shapes: z [N, latent_dim], y [N], pictures [N, C, H, W], meant for [-1, 1] but not bounded: there is no tanh.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import prod, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.grid import base_grid, crop, even_padding, num_stages
from gantlet.layers.resampling import downsample, upsample

SLOPE = 0.2
GAIN = sqrt(2 / (1 + SLOPE**2))  # keeps the variance through a LeakyReLU


class Pointwise(nn.Linear):
    """A 1x1 convolution as a matrix product over channels-last memory; its second derivative costs a quarter less."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def initialised(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> nn.Conv2d | nn.Linear:
    """Draw weights N(0, gain^2 / fan-in), biases 0, and return the layer."""
    nn.init.normal_(layer.weight, 0.0, gain / sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Block(nn.Module):
    """x + 1x1(act(3x3 grouped(act(1x1(x))))), twice as wide inside; the activation is a biased LeakyReLU(.2).

    Fixup's start (Zhang 2019) for 3 layers: the last weight is 0, the others are scaled by L^(-1/4) with L blocks in
    the network, so that nothing has to be normalised. The bias of each activation is that of the layer before it.
    """

    def __init__(self, width: int, group_width: int, num_blocks: int) -> None:
        super().__init__()
        hidden, gain = 2 * width, GAIN * num_blocks**-0.25
        self.expand = initialised(Pointwise(width, hidden), gain)
        groups = max(hidden // group_width, 1)
        self.grouped = initialised(nn.Conv2d(hidden, hidden, 3, 1, 1, groups=groups), gain)
        self.project = initialised(Pointwise(hidden, width, bias=False), 0.0)

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.expand(x), SLOPE)
        h = F.leaky_relu(self.grouped(h), SLOPE)
        out: Tensor = x + self.project(h)
        return out


def stage_widths(resolution: int | Sequence[int], width: int, full_width_side: int) -> list[int]:
    """Return the maps of each stage, base grid first: `width` up to that side, halved at each doubling above it."""
    stages = num_stages(resolution)
    side, widths = min(base_grid(resolution, stages)), []
    for stage in range(stages + 1):
        here, at = width, side * 2**stage
        while at > full_width_side:
            here, at = max(here // 2, 1), -(-at // 2)
        widths.append(here)
    return widths


def chain(widths: Sequence[int], blocks: int, group_width: int, up: bool) -> nn.Sequential:
    """Return the stages of a network: `blocks` blocks each, between them a change of size and, if need be, of width.

    The 1x1 convolution that changes the width stands on the smaller side of the change of size.
    """
    layers: list[nn.Module] = [Block(widths[0], group_width, blocks * len(widths)) for _ in range(blocks)]
    for inputs, outputs in itertools.pairwise(widths):
        change = [initialised(Pointwise(inputs, outputs, bias=False))] if inputs != outputs else []
        # Its bilinear filter [1, 2, 1] meets the 2x2 box of enlarging or of means: together [1, 3, 3, 1].
        layers += [*change, upsample()] if up else [downsample(), *change]
        layers += [Block(outputs, group_width, blocks * len(widths)) for _ in range(blocks)]
    return nn.Sequential(*layers)


class Generator(nn.Module):
    """A learned base grid, each map scaled by a linear function of z, then the stages and a 1x1 to colours.

    A label is embedded, as wide as z, and appended to z.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 768,
        num_classes: int = 0,
        full_width_side: int = 32,
        blocks: int = 2,
        group_width: int = 16,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        widths = stage_widths(resolution, width, full_width_side)
        self.basis = nn.Parameter(nn.init.normal_(torch.empty(*base_grid(resolution, len(widths) - 1), widths[0])))
        self.embedding = nn.Embedding(num_classes, latent_dim) if num_classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0.0, 1 / sqrt(num_classes))  # of a linear layer on one-hot labels
        inputs = latent_dim * (2 if num_classes else 1)
        self.modulate = initialised(nn.Linear(inputs, widths[0], bias=False))
        self.stages = chain(widths, blocks, group_width, up=True)
        self.out = initialised(Pointwise(widths[-1], channels, bias=False))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(y)], dim=1)
        # [N, rows, columns, maps]: read as [N, C, H, W] this is channels-last already.
        h = (self.basis * self.modulate(z)[:, None, None]).permute(0, 3, 1, 2)
        return crop(self.out(self.stages(h)), self.resolution)


class Discriminator(nn.Module):
    """A 1x1 from colours, the stages, a learned weighting of the last grid per map, linear. `forward` gives logits [N].

    With labels the logit is <embed(y), linear(h)> alone, a projection without an unconditional term.
    """

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 768,
        num_classes: int = 0,
        full_width_side: int = 32,
        blocks: int = 2,
        group_width: int = 16,
    ) -> None:
        super().__init__()
        widths = stage_widths(resolution, width, full_width_side)[::-1]
        self.padding = even_padding(resolution, len(widths) - 1)
        grid = base_grid(resolution, len(widths) - 1)
        self.extract = initialised(Pointwise(channels, widths[0], bias=False))
        self.stages = chain(widths, blocks, group_width, up=False)
        self.basis = nn.Parameter(nn.init.normal_(torch.empty(*grid, widths[-1]), 0.0, 1 / sqrt(prod(grid))))
        outputs = widths[-1] if num_classes else 1
        self.logit = initialised(nn.Linear(widths[-1], outputs, bias=False))
        self.embedding = nn.Embedding(num_classes, outputs) if num_classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0.0, 1 / sqrt(outputs * num_classes))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        maps = self.stages(self.extract(F.pad(x, self.padding) if any(self.padding) else x))
        h = self.logit((maps.permute(0, 2, 3, 1) * self.basis).sum((1, 2)))
        logits: Tensor = h[:, 0] if self.embedding is None else (h * self.embedding(y)).sum(1)
        return logits
