"""The residual networks of BigGAN (Brock 2019, appendix B, Tables 4 to 6), for any size.

Shapes: z [N, latent_dim], y [N], pictures [N, C, H, W] in [-1, 1]. Published sizes are 128, 256 and 512 pixels; 64 and
32 are the authors' PyTorch code (ajbrock/BigGAN-PyTorch), other sizes continue the pattern. Spectral norm is put on
from outside: on everything in D, on all but the embeddings in G (`spectral_layers`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.attention import SelfAttention
from gantlet.layers.conditional_norm import BatchNorm2d, ConditionalBatchNorm2d, VectorBatchNorm2d, batch_norm
from gantlet.layers.grid import base_grid, crop, height_width, num_stages
from gantlet.layers.picture_conv import PictureConv2d
from gantlet.layers.projection import projected_logits
from gantlet.layers.scaling_conv import DoubleThenConv2d
from gantlet.layers.spectral_norm import spectral_norm
from gantlet.networks.initialisation import WEIGHTED, weight_and_bias
from gantlet.networks.resnet import Block

Network = TypeVar("Network", bound=nn.Module)
Initialise = Callable[[nn.Module], None]


def orthogonal(module: nn.Module) -> None:
    """Draw orthogonal weights, biases 0 (Brock 2019, section 3): rows, or columns if fewer, of length 1."""
    if isinstance(module, WEIGHTED):
        weight, bias = weight_and_bias(module)
        nn.init.orthogonal_(weight)
        if bias is not None:
            nn.init.zeros_(bias)


def normal(std: float) -> Initialise:
    """Return an initialiser: weights N(0, std), biases 0 (the N02 of the authors' code)."""

    def initialise(module: nn.Module) -> None:
        if isinstance(module, WEIGHTED):
            weight, bias = weight_and_bias(module)
            nn.init.normal_(weight, 0.0, std)
            if bias is not None:
                nn.init.zeros_(bias)

    return initialise


def spectral_layers(network: Network) -> Network:
    """Put spectral norm on every convolution and linear layer, not on embeddings, and return the network."""
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            spectral_norm(module)
    return network


def is_small(resolution: int | Sequence[int]) -> bool:
    """Tell whether pictures get the flat networks of 32 pixels: 4 ch everywhere, two plain blocks at D's end."""
    return num_stages(resolution) <= 3


def g_widths(resolution: int | Sequence[int]) -> list[int]:
    """Return G's maps in multiples of ch: of the base grid, then after each doubling.

    128 pixels: 16, 16, 8, 4, 2, 1 (Table 4). 256 has another 8 (Table 5), 512 another 1 (Table 6).
    """
    stages = num_stages(resolution)
    if is_small(resolution):
        return [4] * (stages + 1)
    widths = [16, 16, 8, 4, 2, 1] if stages <= 5 else [16, 16, 8, 8, 4, 2, 1]
    return (widths + [1] * stages)[: stages + 1]


def d_widths(resolution: int | Sequence[int]) -> list[int]:
    """Return D's maps as multiples of ch after each halving: G's in reverse (Tables 4-6), 1, 2, 4, 8 at 64 pixels."""
    if is_small(resolution):
        return [4] * num_stages(resolution, smallest=5)  # 32 pixels end at 8x8, 28 at 7x7
    stages = num_stages(resolution)
    return g_widths(resolution)[:0:-1] if stages > 4 else [1, 2, 4, 8]


def g_attention_stage(resolution: int | Sequence[int], side: int) -> int:
    """Return after how many doublings G attends: the largest short side up to `side`, before the last; -1 for never."""
    stages = num_stages(resolution)
    base = min(base_grid(resolution, stages))
    return max((stage for stage in range(stages) if base * 2**stage <= side), default=-1)


def d_attention_stage(resolution: int | Sequence[int], side: int, halvings: int) -> int:
    """Return after how many halvings D attends: as soon as the short side is at most `side`; -1 for never."""
    short = min(height_width(resolution))
    return min((stage for stage in range(1, halvings + 1) if -(-short // 2**stage) <= side), default=-1)


class UpBlock(nn.Module):
    """norm, ReLU, nearest x2, 3x3, norm, ReLU, 3x3, plus a 1x1 shortcut (Fig. 15b); c is what the norms read."""

    def __init__(self, inputs: int, outputs: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(inputs), norm(outputs)
        self.conv1, self.conv2 = DoubleThenConv2d(inputs, outputs), nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, c: Tensor | None) -> Tensor:
        h = self.conv1(torch.relu(self.norm1(x, c)))
        h = self.conv2(torch.relu(self.norm2(h, c)))
        # A 1x1 convolution commutes with nearest enlargement: four times fewer products in this order.
        enlarged: Tensor = h + F.interpolate(self.shortcut(x), scale_factor=2)
        return enlarged


class Generator(nn.Module):
    """Linear to the base grid, an up block per doubling, attention on the way, norm, ReLU, 3x3, tanh.

    Hierarchical: z is cut into one chunk for the linear layer and one for each block (what does not divide goes to
    the first); a block's norms read its chunk beside one class embedding that all share. The paper's tables feed the
    embedding to the linear layer as well ("20 + 128"); its count of parameters and its code do not, nor does this.
    Otherwise z goes into the linear layer alone and each norm has a table of its own per class (SAGAN).
    `attention` is the short side at which to attend, 0 for none.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 96,
        num_classes: int = 0,
        shared_dim: int = 128,
        hierarchical: bool = True,
        attention: int = 64,
        initialise: Initialise = orthogonal,
    ) -> None:
        super().__init__()
        self.resolution, self.hierarchical = resolution, hierarchical
        stages = num_stages(resolution)
        self.grid = base_grid(resolution, stages)
        widths = [width * multiple for multiple in g_widths(resolution)]
        self.chunks = chunk_sizes(latent_dim, stages + 1) if hierarchical else [latent_dim]
        self.embedding = nn.Embedding(num_classes, shared_dim) if num_classes and hierarchical else None
        self.project = nn.Linear(self.chunks[0], widths[0] * self.grid[0] * self.grid[1])
        condition_dim = self.chunks[-1] + (shared_dim if num_classes else 0)

        def norm(maps: int) -> nn.Module:
            return VectorBatchNorm2d(maps, condition_dim) if hierarchical else batch_norm(maps, num_classes)

        self.blocks = nn.ModuleList(UpBlock(a, b, norm) for a, b in itertools.pairwise(widths))
        self.attention_stage = g_attention_stage(resolution, attention)
        self.attention = SelfAttention(widths[self.attention_stage]) if self.attention_stage >= 0 else None
        self.norm = BatchNorm2d(widths[-1])
        self.out = PictureConv2d(widths[-1], channels, 3, 1, 1)
        self.apply(initialise)
        for module in self.modules():
            if isinstance(module, ConditionalBatchNorm2d):
                module.gain.weight.detach().add_(1.0)  # gains around 1, biases around 0 (authors' code)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        first, *chunks = torch.split(z, self.chunks, dim=1)
        conditions: list[Tensor | None] = [y] * len(self.blocks)
        if self.hierarchical:
            shared = [] if self.embedding is None else [self.embedding(y)]
            conditions = [torch.cat([*shared, chunk], dim=1) for chunk in chunks]
        # Rows, columns, maps: read as [N, C, H, W] this is channels-last already, without a copy.
        h = self.project(first).unflatten(1, (*self.grid, -1)).permute(0, 3, 1, 2)
        for stage, (block, c) in enumerate(zip(self.blocks, conditions, strict=True)):
            if self.attention is not None and stage == self.attention_stage:
                h = self.attention(h)
            h = block(h, c)
        return crop(torch.tanh(self.out(torch.relu(self.norm(h)))), self.resolution)


def chunk_sizes(latent_dim: int, chunks: int) -> list[int]:
    """Return the sizes of z's chunks: equal, but for what does not divide, which the first one gets."""
    size = latent_dim // chunks
    return [latent_dim - size * (chunks - 1)] + [size] * (chunks - 1)


class Discriminator(nn.Module):
    """Down blocks, plain ones, ReLU, sum over positions, linear; labels as a projection. `forward` returns logits [N].

    Both convolutions of a block have its number of output maps ("wide"). `attention` is the short side, 0 for none.
    """

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 96,
        num_classes: int = 0,
        attention: int = 64,
        initialise: Initialise = orthogonal,
    ) -> None:
        super().__init__()
        widths = [width * multiple for multiple in d_widths(resolution)]
        blocks: list[nn.Module] = [Block(channels, widths[0], down=True, first=True)]
        blocks += [Block(a, b, down=True) for a, b in itertools.pairwise(widths)]
        maps = width * (4 if is_small(resolution) else 16)
        plain = [Block(a, maps, down=False) for a in ([widths[-1], maps] if is_small(resolution) else [widths[-1]])]
        stage = d_attention_stage(resolution, attention, len(widths))
        if stage > 0:
            blocks.insert(stage, SelfAttention(widths[stage - 1]))
        self.blocks = nn.Sequential(*blocks, *plain)
        self.logit = nn.Linear(maps, 1)
        self.embedding = nn.Embedding(num_classes, maps) if num_classes else None
        self.apply(initialise)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return projected_logits(torch.relu(self.blocks(x)).sum((2, 3)), y, self.logit, self.embedding)
