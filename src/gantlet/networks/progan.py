"""The networks of ProGAN (Karras 2018, Table 2), which grow level by level, for any size.

Level 0 is the base grid, each further level doubles it; a level of 1.3 is level 1 with level 2 faded in by .3. Pictures
go in and out at full size whatever the level, as in the authors' TensorFlow code: fakes enlarged, reals averaged down
inside D. Shapes: z [N, latent_dim], pictures [N, C, H, W], G's not squashed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import ceil, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.equalised import EqualisedConv2d, EqualisedLinear
from gantlet.layers.grid import base_grid, crop, even_padding, num_stages
from gantlet.layers.minibatch_std import MinibatchStd
from gantlet.layers.pixel_norm import pixel_norm
from gantlet.layers.resampling import convolve_then_pool, enlarge, nearest_then_convolve, shrink

HE = sqrt(2)
MILLION = 1_000_000  # the level reached is kept in millionths, a whole number: averages copy it, and never blend it


def level_widths(resolution: int | Sequence[int], channel_base: int, channel_max: int) -> list[int]:
    """Return the feature maps of each level, smallest first: channel_base / side, at most channel_max, at least 1.

    The side is the shorter one, rounded up to a power of two, so that 28 pixels get the widths of 32.
    """
    stages = num_stages(resolution)
    side = min(base_grid(resolution, stages))
    sides = [1 << (side * 2**level - 1).bit_length() for level in range(stages + 1)]
    return [max(1, min(channel_base // side, channel_max)) for side in sides]


class Growing(nn.Module):
    """A network that remembers the level it has reached: a checkpoint and its average sample at that level."""

    reached: Tensor

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.register_buffer("reached", torch.zeros((), dtype=torch.int64))

    def reach(self, level: float) -> None:
        """Note the level that training has come to."""
        self.reached.fill_(round(level * MILLION))

    def parts(self, level: float | None) -> tuple[int, float]:
        """Return the highest level in use and how far it is faded in, 0 < part <= 1; by default of the level reached.

        Training passes the level as a number; reading it from the buffer makes a GPU wait.
        """
        level = int(self.reached) / MILLION if level is None else level
        top = min(ceil(level), self.levels - 1)
        return top, min(level - top + 1, 1.0)


class UpBlock(nn.Module):
    """Nearest x2 and 3x3, LeakyReLU(.2), pixel norm; 3x3, LeakyReLU(.2), pixel norm."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv0 = EqualisedConv2d(inputs, outputs, 3, weight_gain=HE, operation=nearest_then_convolve)
        self.conv1 = EqualisedConv2d(outputs, outputs, 3, weight_gain=HE)

    def forward(self, x: Tensor) -> Tensor:
        x = pixel_norm(F.leaky_relu(self.conv0(x), 0.2))
        return pixel_norm(F.leaky_relu(self.conv1(x), 0.2))


class Generator(Growing):
    """z on the hypersphere, linear and 3x3 at the base grid, an up block per level, 1x1 to a picture at each level.

    Linear output. 1024 pixels, channel_base 16384 (fmap_base 8192 of the authors' code): Table 2, 23.1M parameters.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        channel_base: int = 16_384,
        channel_max: int = 512,
    ) -> None:
        widths = level_widths(resolution, channel_base, channel_max)
        super().__init__(len(widths))
        self.resolution, first = resolution, widths[0]
        self.grid = base_grid(resolution, self.levels - 1)
        cells = self.grid[0] * self.grid[1]
        # The linear layer's gain is sqrt(2) / 4 (authors' code), its bias one number per map.
        self.project = EqualisedLinear(latent_dim, first * cells, weight_gain=HE / 4, bias=False)
        self.bias = nn.Parameter(torch.zeros(first))
        self.conv = EqualisedConv2d(first, first, 3, weight_gain=HE)
        self.blocks = nn.ModuleList(UpBlock(a, b) for a, b in itertools.pairwise(widths))
        self.to_picture = nn.ModuleList(EqualisedConv2d(width, channels, 1) for width in widths)

    def forward(self, z: Tensor, level: float | None = None) -> Tensor:
        top, part = self.parts(level)
        h = self.project(pixel_norm(z)).view(len(z), *self.grid, -1).permute(0, 3, 1, 2)
        h = pixel_norm(F.leaky_relu(h + self.bias[:, None, None], 0.2))
        h = pixel_norm(F.leaky_relu(self.conv(h), 0.2))
        below = h
        for block in self.blocks[:top]:
            below, h = h, block(h)
        picture: Tensor = self.to_picture[top](h)
        if part < 1:
            picture = torch.lerp(enlarge(self.to_picture[top - 1](below), 2), picture, part)
        return crop(enlarge(picture, 2 ** (self.levels - 1 - top)), self.resolution)


class DownBlock(nn.Module):
    """3x3, LeakyReLU(.2); 3x3, average of 2x2, LeakyReLU(.2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv0 = EqualisedConv2d(inputs, inputs, 3, weight_gain=HE)
        self.conv1 = EqualisedConv2d(inputs, outputs, 3, weight_gain=HE, operation=convolve_then_pool)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv1(F.leaky_relu(self.conv0(x), 0.2)), 0.2)


class Discriminator(Growing):
    """1x1 from a picture at each level, a down block per level, minibatch deviation, 3x3, linear, one logit [N]."""

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        channel_base: int = 16_384,
        channel_max: int = 512,
        group_size: int = 4,
    ) -> None:
        widths = level_widths(resolution, channel_base, channel_max)
        super().__init__(len(widths))
        first, grid = widths[0], base_grid(resolution, self.levels - 1)
        self.padding = even_padding(resolution, self.levels - 1)
        self.from_picture = nn.ModuleList(EqualisedConv2d(channels, width, 1, weight_gain=HE) for width in widths)
        self.blocks = nn.ModuleList(DownBlock(b, a) for a, b in itertools.pairwise(widths))
        self.deviation = MinibatchStd(group_size)
        self.conv = EqualisedConv2d(first + 1, first, 3, weight_gain=HE)
        self.linear = EqualisedLinear(first * grid[0] * grid[1], first, weight_gain=HE)
        self.logit = EqualisedLinear(first, 1)

    def read(self, x: Tensor, level: int) -> Tensor:
        """Return the features of a picture at a level."""
        h: Tensor = F.leaky_relu(self.from_picture[level](x), 0.2)
        return h

    def forward(self, x: Tensor, level: float | None = None) -> Tensor:
        top, part = self.parts(level)
        x = F.pad(x, self.padding) if any(self.padding) else x
        x = shrink(x, 2 ** (self.levels - 1 - top))
        h = self.read(x, top)
        for number in reversed(range(top)):
            h = self.blocks[number](h)
            if part < 1 and number == top - 1:
                h = torch.lerp(self.read(shrink(x, 2), number), h, part)
        h = F.leaky_relu(self.conv(self.deviation(h)), 0.2)
        h = F.leaky_relu(self.linear(h.permute(0, 2, 3, 1).flatten(1)), 0.2)
        logits: Tensor = self.logit(h)[:, 0]
        return logits

    def soften(self, x: Tensor, level: float) -> Tensor:
        """Blend pictures [N, C, H, W] with their halved selves as far as the top level is not faded in yet.

        Reals must lack the detail that fakes cannot have yet (FadeLOD of the authors' code).
        """
        top, part = self.parts(level)
        if part == 1:
            return x
        padded = F.pad(x, self.padding)
        factor = 2 ** (self.levels - top)
        left, _, above, _ = self.padding
        coarse = enlarge(shrink(padded, factor), factor)[..., above : above + x.shape[-2], left : left + x.shape[-1]]
        return torch.lerp(coarse, x, part)
