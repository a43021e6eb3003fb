"""The bottleneck networks of BigGAN-deep (Brock 2019, appendix B, Tables 7 to 9), for any size.

Shapes: z [N, latent_dim], y [N], pictures [N, C, H, W] in [-1, 1]. Two blocks per resolution; shortcuts keep identity:
G drops maps, D appends some. 32 and 64 pixels follow the authors' PyTorch code, which calls its version untested.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.attention import SelfAttention
from gantlet.layers.conditional_norm import BatchNorm2d, VectorBatchNorm2d
from gantlet.layers.grid import base_grid, crop, num_stages
from gantlet.layers.picture_conv import PictureConv2d
from gantlet.layers.projection import projected_logits
from gantlet.layers.scaling_conv import DoubleThenConv2d
from gantlet.networks.biggan import (
    Initialise,
    d_attention_stage,
    d_widths,
    g_attention_stage,
    g_widths,
    is_small,
    orthogonal,
)

RATIO = 4  # maps of a block against those of its bottleneck (appendix B)


class GeneratorBlock(nn.Module):
    """norm, ReLU, 1x1 to a quarter, (x2), twice norm, ReLU, 3x3, then norm, ReLU, 1x1 (Fig. 16b).

    The shortcut keeps the first `outputs` maps and drops the rest.
    """

    def __init__(self, inputs: int, outputs: int, up: bool, condition_dim: int) -> None:
        super().__init__()
        self.outputs, self.up = outputs, up
        few = max(inputs // RATIO, 1)
        self.norms = nn.ModuleList(VectorBatchNorm2d(maps, condition_dim) for maps in (inputs, few, few, few))
        self.conv1, self.conv4 = nn.Conv2d(inputs, few, 1), nn.Conv2d(few, outputs, 1)
        self.conv2 = DoubleThenConv2d(few, few) if up else nn.Conv2d(few, few, 3, 1, 1)
        self.conv3 = nn.Conv2d(few, few, 3, 1, 1)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        h = self.conv1(torch.relu(self.norms[0](x, c)))
        h = torch.relu(self.norms[1](h, c))
        h = self.conv3(torch.relu(self.norms[2](self.conv2(h), c)))
        h = self.conv4(torch.relu(self.norms[3](h, c)))
        kept = x[:, : self.outputs]
        out: Tensor = h + (F.interpolate(kept, scale_factor=2) if self.up else kept)
        return out


class DiscriminatorBlock(nn.Module):
    """ReLU, 1x1 to a quarter of the outputs, ReLU, 3x3, ReLU, 3x3, ReLU, (average pool), 1x1 (Fig. 16c).

    The shortcut keeps all maps and appends what is missing by a 1x1 convolution.
    """

    def __init__(self, inputs: int, outputs: int, down: bool) -> None:
        super().__init__()
        self.down = down
        few = max(outputs // RATIO, 1)
        self.conv1, self.conv4 = nn.Conv2d(inputs, few, 1), nn.Conv2d(few, outputs, 1)
        self.conv2, self.conv3 = nn.Conv2d(few, few, 3, 1, 1), nn.Conv2d(few, few, 3, 1, 1)
        self.more = nn.Conv2d(inputs, outputs - inputs, 1) if outputs > inputs else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(torch.relu(self.conv1(torch.relu(x))))
        h = self.conv4(self._pool(torch.relu(self.conv3(torch.relu(h)))))
        shortcut = self._pool(x)
        if self.more is not None:
            shortcut = torch.cat([shortcut, self.more(shortcut)], dim=1)
        out: Tensor = h + shortcut
        return out

    def _pool(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2, ceil_mode=True) if self.down else x


class Generator(nn.Module):
    """Linear to the base grid, per doubling a plain and an up block, attention on the way, norm, ReLU, 3x3, tanh.

    The linear layer and every norm of a block read z, whole, beside one class embedding that all share.
    `attention` is the short side at which to attend, 0 for none.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 128,
        num_classes: int = 0,
        shared_dim: int = 128,
        attention: int = 64,
        initialise: Initialise = orthogonal,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        self.grid = base_grid(resolution, num_stages(resolution))
        widths = [width * multiple for multiple in g_widths(resolution)]
        self.embedding = nn.Embedding(num_classes, shared_dim) if num_classes else None
        condition_dim = latent_dim + (shared_dim if num_classes else 0)
        self.project = nn.Linear(condition_dim, widths[0] * self.grid[0] * self.grid[1])
        self.plain = nn.ModuleList(GeneratorBlock(a, a, False, condition_dim) for a in widths[:-1])
        self.ups = nn.ModuleList(GeneratorBlock(a, b, True, condition_dim) for a, b in itertools.pairwise(widths))
        self.attention_stage = g_attention_stage(resolution, attention)
        self.attention = SelfAttention(widths[self.attention_stage]) if self.attention_stage >= 0 else None
        self.norm = BatchNorm2d(widths[-1])
        self.out = PictureConv2d(widths[-1], channels, 3, 1, 1)
        self.apply(initialise)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        c = z if self.embedding is None else torch.cat([z, self.embedding(y)], dim=1)
        h = self.project(c).unflatten(1, (*self.grid, -1)).permute(0, 3, 1, 2)
        for stage, (plain, up) in enumerate(zip(self.plain, self.ups, strict=True)):
            if self.attention is not None and stage == self.attention_stage:
                h = self.attention(h)
            h = up(plain(h, c), c)
        return crop(torch.tanh(self.out(torch.relu(self.norm(h)))), self.resolution)


class Discriminator(nn.Module):
    """3x3, per halving a down and a plain block, attention on the way, ReLU, sum over positions, linear, projection.

    Small pictures (32 pixels) end in two plain blocks more. `forward` returns logits [N]. `attention` is the short
    side, 0 for none.
    """

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 128,
        num_classes: int = 0,
        attention: int = 64,
        initialise: Initialise = orthogonal,
    ) -> None:
        super().__init__()
        last = 4 if is_small(resolution) else 16
        widths = [width * multiple for multiple in [*d_widths(resolution), last]]
        pairs = list(itertools.pairwise(widths))
        stage = d_attention_stage(resolution, attention, len(pairs))
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 3, 1, 1)]
        for number, (a, b) in enumerate(pairs, 1):
            layers += [DiscriminatorBlock(a, b, down=True), DiscriminatorBlock(b, b, down=False)]
            if number == stage:
                layers.append(SelfAttention(b))
        if is_small(resolution):
            layers += [DiscriminatorBlock(widths[-1], widths[-1], down=False) for _ in range(2)]
        self.layers = nn.Sequential(*layers)
        self.logit = nn.Linear(widths[-1], 1)
        self.embedding = nn.Embedding(num_classes, widths[-1]) if num_classes else None
        self.apply(initialise)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return projected_logits(torch.relu(self.layers(x)).sum((2, 3)), y, self.logit, self.embedding)
