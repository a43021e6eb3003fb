"""TGAN: Temporal Generative Adversarial Nets with Singular Value Clipping (Saito et al., 2017), Table 1.

Shapes: z [N, latent_dim], codes [N, T, latent_dim], y [N], clips [N, C, T, H, W] in [-1, 1]. Published for 16 frames of
64 pixels; other lengths double as often as they need and are cut. In the authors' configurations the batch norms
of D and of the temporal generator have no bias (beta), and weights are uniform in [-.01, .01], all or the picture
generator's; here all norms have one, and weights begin as PyTorch's do.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import ceil, log2

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.clips import as_clips
from gantlet.layers.grid import base_grid, crop, even_padding, num_stages
from gantlet.layers.picture_conv import PictureConv2d
from gantlet.networks.vgan import base_time

TEMPORAL = (512, 256, 128, 128)  # maps of the temporal generator's layers, at latent_dim 100


class TemporalGenerator(nn.Module):
    """1-D transposed convolutions that double one code to T of them, kernel 4, stride 2, batch norm and ReLU, tanh."""

    def __init__(self, latent_dim: int, num_frames: int, width: int = 512) -> None:
        super().__init__()
        self.num_frames = num_frames
        doublings = max(ceil(log2(num_frames)), 1)
        widths = [max(width * maps // TEMPORAL[0], 1) for maps in TEMPORAL]
        widths += [widths[-1]] * max(doublings - len(widths), 0)
        widths = widths[:doublings]
        layers: list[nn.Module] = [nn.ConvTranspose1d(latent_dim, widths[0], 1, bias=False)]
        for a, b in itertools.pairwise(widths):
            layers += [nn.BatchNorm1d(a), nn.ReLU(), nn.ConvTranspose1d(a, b, 4, 2, 1, bias=False)]
        last = nn.ConvTranspose1d(widths[-1], latent_dim, 4, 2, 1)
        self.body = nn.Sequential(*layers, nn.BatchNorm1d(widths[-1]), nn.ReLU(), last, nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        """Return codes [N, T, latent_dim] in [-1, 1]."""
        codes: Tensor = self.body(z[:, :, None])[:, :, : self.num_frames]
        return codes.transpose(1, 2)


class Generator(nn.Module):
    """The temporal generator, and one of pictures from z and the code of a frame, joined at the base grid.

    A label is embedded and appended to z (section 5.5 of the paper's conditional form).
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        num_frames: int,
        width: int = 32,  # feature maps before the last layer, doubled at each stage below
        temporal_width: int = 512,
        num_classes: int = 0,
        embedding_dim: int = 32,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        stages = num_stages(resolution)
        self.grid = base_grid(resolution, stages)
        widths = [width * 2**i for i in reversed(range(stages + 1))]
        self.embedding = nn.Embedding(num_classes, embedding_dim) if num_classes else None
        told = latent_dim + (embedding_dim if num_classes else 0)
        self.time = TemporalGenerator(told, num_frames, temporal_width)
        half = widths[0] // 2 * self.grid[0] * self.grid[1]
        self.slow, self.fast = nn.Linear(told, half, bias=False), nn.Linear(told, half, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for a, b in itertools.pairwise(widths):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.body = nn.Sequential(*layers, PictureConv2d(widths[-1], channels, 3, 1, 1), nn.Tanh())

    def told(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Return z with what is known of the label."""
        return z if self.embedding is None else torch.cat([z, self.embedding(y)], dim=1)

    def forward(self, z: Tensor, y: Tensor | None = None, motion_z: Tensor | None = None) -> Tensor:
        """Return clips; with `motion_z` the codes of the frames are another sample's."""
        slow = self.told(z, y)
        codes = self.time(slow if motion_z is None else self.told(motion_z, y))
        length = codes.shape[1]
        still = self.slow(slow).unflatten(1, (-1, *self.grid)).repeat_interleave(length, dim=0)
        moving = self.fast(codes.flatten(0, 1)).unflatten(1, (-1, *self.grid))
        h = torch.cat([still, moving], dim=1).contiguous(memory_format=torch.channels_last)
        return as_clips(crop(self.body(h), self.resolution), len(z))


class Discriminator(nn.Module):
    """4x4x4 convolutions of stride 2 that double `width` maps, batch norm but on the first, LeakyReLU(.2), a logit."""

    def __init__(
        self, channels: int, resolution: int | Sequence[int], num_frames: int, width: int = 64, num_classes: int = 0
    ) -> None:
        super().__init__()
        stages = num_stages(resolution)
        rows, columns = base_grid(resolution, stages)
        self.num_classes = num_classes
        self.padding = even_padding(resolution, stages)
        time, self.lacking = base_time(num_frames, stages), base_time(num_frames, stages) * 2**stages - num_frames
        widths = [width * 2**i for i in range(stages)]
        layers: list[nn.Module] = [nn.Conv3d(channels + num_classes, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for a, b in itertools.pairwise(widths):
            layers += [nn.Conv3d(a, b, 4, 2, 1, bias=False), nn.BatchNorm3d(b), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.logit = nn.Linear(widths[-1] * time * rows * columns, 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return logits [N]; a label is a channel of ones beside the colours, so that clipped weights bound it too."""
        if self.num_classes:
            assert y is not None
            told = F.one_hot(y, self.num_classes)[:, :, None, None, None].expand(-1, -1, *x.shape[2:])
            x = torch.cat([x, told.type_as(x)], dim=1)
        if self.lacking:
            x = torch.cat([x, x[:, :, -1:].expand(-1, -1, self.lacking, -1, -1)], dim=2)
        h = self.body(F.pad(x, self.padding) if any(self.padding) else x)
        logits: Tensor = self.logit(h.flatten(1))[:, 0]
        return logits
