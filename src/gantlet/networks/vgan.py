"""VGAN: Generating Videos with Scene Dynamics (Vondrick et al., 2016), section 3: a moving foreground, a still ground.

Shapes: z [N, latent_dim], y [N], clips [N, C, T, H, W] in [-1, 1]. Published for 32 frames of 64 pixels; other sizes
double their base grid and their base time as often as the side asks for and are cut to what is wanted.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.grid import base_grid, crop, even_padding, num_stages
from gantlet.layers.picture_conv import PictureConvTranspose2d
from gantlet.layers.projection import projected_logits
from gantlet.networks import initialisation


def base_time(num_frames: int, stages: int) -> int:
    """Return the fewest frames that reach at least `num_frames` after `stages` doublings."""
    return -(-num_frames // (1 << stages))


class Generator(nn.Module):
    """Two streams from z: m * f + (1 - m) * b, foreground f and mask m of 3-D layers, ground b of 2-D ones (Fig. 1).

    Kernels 4, stride 2, batch norm and ReLU; tanh for colours, a sigmoid for the mask. A label is embedded and appended
    to z.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        num_frames: int,
        width: int = 64,  # feature maps before the last layers, doubled at each stage below
        num_classes: int = 0,
        embedding_dim: int = 32,
    ) -> None:
        super().__init__()
        self.resolution, self.num_frames = resolution, num_frames
        stages = num_stages(resolution)
        rows, columns = base_grid(resolution, stages)
        time = base_time(num_frames, stages)
        self.volume, self.grid = (time, rows, columns), (rows, columns)
        widths = [width * 2**i for i in reversed(range(stages))]
        self.embedding = nn.Embedding(num_classes, embedding_dim) if num_classes else None
        inputs = latent_dim + (embedding_dim if num_classes else 0)
        # As linear layers these are the transposed convolutions of a single place, for any base grid.
        self.enter = nn.Linear(inputs, widths[0] * time * rows * columns, bias=False)
        self.ground_enter = nn.Linear(inputs, widths[0] * rows * columns, bias=False)
        trunk: list[nn.Module] = [nn.BatchNorm3d(widths[0]), nn.ReLU()]
        ground: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for a, b in itertools.pairwise(widths):
            trunk += [nn.ConvTranspose3d(a, b, 4, 2, 1, bias=False), nn.BatchNorm3d(b), nn.ReLU()]
            ground += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.trunk = nn.Sequential(*trunk)
        self.ground = nn.Sequential(*ground, PictureConvTranspose2d(widths[-1], channels, 4, 2, 1), nn.Tanh())
        self.foreground = nn.Sequential(nn.ConvTranspose3d(widths[-1], channels, 4, 2, 1), nn.Tanh())
        self.mask = nn.Sequential(nn.ConvTranspose3d(widths[-1], 1, 4, 2, 1), nn.Sigmoid())
        self.apply(initialisation.dcgan)
        self.apply(initialisation.dcgan_in_space)

    def forward(self, z: Tensor, y: Tensor | None = None, ground_z: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return (clips, mask [N, 1, T, H, W] in [0, 1]); with `ground_z` the still ground is another sample's."""
        z, still = (self._told(code, y) for code in (z, z if ground_z is None else ground_z))
        h = self.trunk(self.enter(z).unflatten(1, (-1, *self.volume)))
        foreground, mask = self.foreground(h), self.mask(h)
        ground = self.ground(self.ground_enter(still).unflatten(1, (-1, *self.grid)))[:, :, None]
        clips = mask * foreground + (1 - mask) * ground
        return self._cut(clips), self._cut(mask)

    def _told(self, z: Tensor, y: Tensor | None) -> Tensor:
        return z if self.embedding is None else torch.cat([z, self.embedding(y)], dim=1)

    def _cut(self, clips: Tensor) -> Tensor:
        return crop(clips[:, :, : self.num_frames], self.resolution)


class Discriminator(nn.Module):
    """4x4x4 convolutions of stride 2 that double `width` maps, batch norm but on the first, LeakyReLU(.2), one logit.

    Five layers at 64 pixels with the last, which sees all that is left (section 3.2). Labels are projected.
    """

    def __init__(
        self, channels: int, resolution: int | Sequence[int], num_frames: int, width: int = 64, num_classes: int = 0
    ) -> None:
        super().__init__()
        stages = num_stages(resolution)
        rows, columns = base_grid(resolution, stages)
        time = base_time(num_frames, stages)
        widths = [width * 2**i for i in range(stages)]
        layers: list[nn.Module] = [nn.Conv3d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for a, b in itertools.pairwise(widths):
            layers += [nn.Conv3d(a, b, 4, 2, 1, bias=False), nn.BatchNorm3d(b), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.padding = (*even_padding(resolution, stages), 0, time * 2**stages - num_frames)
        features = widths[-1] * time * rows * columns
        self.logit = nn.Linear(features, 1)
        self.embedding = nn.Embedding(num_classes, features) if num_classes else None
        self.apply(initialisation.dcgan)
        self.apply(initialisation.dcgan_in_space)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return logits [N]; frames that lack are the last one, again."""
        if self.padding[-1]:
            x = torch.cat([x, x[:, :, -1:].expand(-1, -1, self.padding[-1], -1, -1)], dim=2)
        h = self.body(F.pad(x, self.padding[:4]) if any(self.padding[:4]) else x).flatten(1)
        return projected_logits(h, y, self.logit, self.embedding)
