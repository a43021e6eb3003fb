"""Small convolutional networks for two cores: SN-GAN's standard CNN (Miyato 2018, Table 3), most 3x3 layers left out.

Shapes: z [N, latent_dim], y [N], pictures [N, C, H, W] in [-1, 1].
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.conditional_norm import batch_norm
from gantlet.layers.grid import base_grid, crop, even_padding, num_stages
from gantlet.layers.picture_conv import PictureConv2d
from gantlet.layers.projection import projected_logits
from gantlet.networks import initialisation


class Generator(nn.Module):
    """Linear to the base grid, 4x4 stride-2 transposed convolutions with BN and ReLU, 3x3, tanh.

    `width` maps before the last layer, doubled at each stage below. A label is embedded and appended to z. The
    embedding starts small (`embedding_std`): at 1 the label drowned z on MNIST, every class became one picture
    (docs/lab-log.md, 2026-11-21).
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 64,
        num_classes: int = 0,
        embedding_dim: int = 32,
        embedding_std: float = 0.1,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        stages = num_stages(resolution)
        self.grid = base_grid(resolution, stages)
        widths = [width * 2**i for i in reversed(range(stages + 1))]
        self.embedding = nn.Embedding(num_classes, embedding_dim) if num_classes else None
        self.project = nn.Linear(
            latent_dim + (embedding_dim if num_classes else 0), widths[0] * self.grid[0] * self.grid[1]
        )
        self.norms = nn.ModuleList(batch_norm(w, 0) for w in widths)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False) for a, b in itertools.pairwise(widths))
        self.out = PictureConv2d(widths[-1], channels, 3, 1, 1)
        self.apply(initialisation.dcgan)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0.0, embedding_std)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(y)], dim=1)
        # Rows, columns, maps: read as [N, C, H, W] this is channels-last already, without a copy.
        h = self.project(z).unflatten(1, (*self.grid, -1)).permute(0, 3, 1, 2)
        h = torch.relu(self.norms[0](h))
        for up, norm in zip(self.ups, self.norms[1:], strict=True):
            h = torch.relu(norm(up(h)))
        return crop(torch.tanh(self.out(h)), self.resolution)


class Discriminator(nn.Module):
    """3x3 to `width` maps, 4x4 stride-2 convolutions that double them, LeakyReLU(.2), one logit; labels projected.

    No norm. Logits [N] = psi(h) + <embed(y), h> with h the flattened maps; PyTorch's own initial weights.
    """

    def __init__(self, channels: int, resolution: int | Sequence[int], width: int = 64, num_classes: int = 0) -> None:
        super().__init__()
        stages = num_stages(resolution)
        grid = base_grid(resolution, stages)
        widths = [width * 2**i for i in range(stages + 1)]
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, 1, 1), nn.LeakyReLU(0.2)]
        for a, b in itertools.pairwise(widths):
            layers += [nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.padding = even_padding(resolution, stages)
        features = widths[-1] * grid[0] * grid[1]
        self.logit = nn.Linear(features, 1)
        self.embedding = nn.Embedding(num_classes, features) if num_classes else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        maps = self.body(F.pad(x, self.padding) if any(self.padding) else x)
        # Flattened in the order of channels-last memory: a view, where the other order copies and slows all layers
        # before it (12 % of a step of D on two cores, docs/lab-log.md).
        h = maps.permute(0, 2, 3, 1).flatten(1)
        return projected_logits(h, y, self.logit, self.embedding)
