"""DCGAN: Unsupervised Representation Learning with Deep Convolutional GANs (Radford 2016), arXiv:1511.06434.

Any size: the base grid and the number of stages follow from the resolution (layers/grid.py). At 64 pixels with width
128 the generator is the paper's 1024-512-256-128. Shapes: z [N, latent_dim], y [N], pictures [N, C, H, W] in [-1, 1].
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gantlet.layers.conditional_norm import batch_norm
from gantlet.layers.grid import base_grid, crop, even_padding, num_stages
from gantlet.layers.picture_conv import PictureConv2d, PictureConvTranspose2d
from gantlet.layers.projection import projected_logits
from gantlet.networks import initialisation


class Generator(nn.Module):
    """Project z to the base grid, then 4x4 stride-2 transposed convolutions that halve the channels, BN and ReLU, tanh.

    A label is embedded and appended to z (cGAN in its convolutional form).
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 128,  # feature maps before the last layer; doubled at each stage below
        num_classes: int = 0,
        embedding_dim: int = 32,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        stages = num_stages(resolution)
        self.grid = base_grid(resolution, stages)
        widths = [width * 2**i for i in reversed(range(stages))]
        self.embedding = nn.Embedding(num_classes, embedding_dim) if num_classes else None
        inputs = latent_dim + (embedding_dim if num_classes else 0)
        # As a linear layer this is the paper's first transposed convolution of a 1x1 picture, for any base grid.
        self.project = nn.Linear(inputs, widths[0] * self.grid[0] * self.grid[1], bias=False)
        self.norms = nn.ModuleList(batch_norm(w, 0) for w in widths)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False) for a, b in itertools.pairwise(widths))
        self.out = PictureConvTranspose2d(widths[-1], channels, 4, 2, 1)
        self.apply(initialisation.dcgan)

    def base(self, z: Tensor) -> Tensor:
        """Return the maps of the base grid, [N, maps, rows, columns], before their norm."""
        maps: Tensor = self.project(z).unflatten(1, (-1, *self.grid)).contiguous(memory_format=torch.channels_last)
        return maps

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(y)], dim=1)
        h = torch.relu(self.norms[0](self.base(z)))
        for up, norm in zip(self.ups, self.norms[1:], strict=True):
            h = torch.relu(norm(up(h)))
        return crop(torch.tanh(self.out(h)), self.resolution)


class Discriminator(nn.Module):
    """4x4 stride-2 convolutions that double the channels, LeakyReLU(.2), batch norm but on the first, one logit.

    Labels enter as a projection (Miyato & Koyama 2018): logit + <embed(y), features>. `forward` returns logits [N].
    """

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 64,
        num_classes: int = 0,
        norm: Callable[[int], nn.Module] | None = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        stages = num_stages(resolution)
        grid = base_grid(resolution, stages)
        self.body = halving(channels, width, stages, norm)
        self.padding = even_padding(resolution, stages)
        features = width * 2 ** (stages - 1) * grid[0] * grid[1]
        self.logit = nn.Linear(features, 1)
        self.embedding = nn.Embedding(num_classes, features) if num_classes else None
        self.apply(initialisation.dcgan)

    def features(self, x: Tensor) -> Tensor:
        """Return the last feature maps, flattened [N, F]."""
        maps: Tensor = self.body(nn.functional.pad(x, self.padding) if any(self.padding) else x)
        return maps.flatten(1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.features(x)
        return projected_logits(h, y, self.logit, self.embedding)


def halving(
    channels: int, width: int, stages: int, norm: Callable[[int], nn.Module] | None = None, slope: float = 0.2
) -> nn.Sequential:
    """Return 4x4 stride-2 convolutions to `width` maps, then twice as many each; `norm` but on the first, LeakyReLU."""
    layers: list[nn.Module] = [PictureConv2d(channels, width, 4, 2, 1), nn.LeakyReLU(slope)]
    for a in (width * 2**i for i in range(stages - 1)):
        layers.append(nn.Conv2d(a, 2 * a, 4, 2, 1, bias=norm is None))
        layers += [norm(2 * a)] if norm is not None else []
        layers.append(nn.LeakyReLU(slope))
    return nn.Sequential(*layers)
