"""Small networks for two cores, of 4x4 stride-2 layers alone, with one fully connected layer in each.

DCGAN's shapes (Radford 2016) with the fully connected layers of InfoGAN (Chen 2016, Table 1). Without 3x3 layers at
full resolution a step costs two thirds, and the fully connected layers make it learn sooner (docs/lab-log.md,
2026-11-22).
Shapes: z [N, latent_dim], y [N], pictures [N, C, H, W] in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.grid import base_grid, even_padding, num_stages
from gantlet.layers.projection import projected_logits
from gantlet.networks import dcgan, infogan, initialisation


class Generator(nn.Module):
    """InfoGAN's generator with the label, as one-hot, for its categorical code."""

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 64,
        num_classes: int = 0,
        hidden: int = 1024,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.picture = infogan.Generator(latent_dim + num_classes, channels, resolution, width, hidden)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        pictures: Tensor = self.picture(with_label(z, y, self.num_classes))
        return pictures


class Discriminator(nn.Module):
    """Stride-2 convolutions that double `width` maps, a layer of `hidden` units, LeakyReLU(.2), one logit; no norm.

    Logits [N] = psi(h) + <embed(y), h> (Miyato & Koyama 2018). PyTorch's own initial weights;
    those of labels are small.
    """

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 64,
        num_classes: int = 0,
        hidden: int = 1024,
    ) -> None:
        super().__init__()
        stages = num_stages(resolution)
        grid, self.padding = base_grid(resolution, stages), even_padding(resolution, stages)
        self.body = dcgan.halving(channels, width, stages)
        features = width * 2 ** (stages - 1) * grid[0] * grid[1]
        self.hidden = nn.Sequential(nn.Linear(features, hidden), nn.LeakyReLU(0.2))
        self.logit = nn.Linear(hidden, 1)
        self.embedding = initialisation.small_embedding(num_classes, hidden)

    def features(self, x: Tensor) -> Tensor:
        """Return the units of the fully connected layer, [N, hidden]."""
        maps = self.body(F.pad(x, self.padding) if any(self.padding) else x)
        # In the order of channels-last memory this is a view; the other order copies.
        h: Tensor = self.hidden(maps.permute(0, 2, 3, 1).flatten(1))
        return h

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.features(x)
        return projected_logits(h, y, self.logit, self.embedding)


def with_label(z: Tensor, y: Tensor | None, num_classes: int) -> Tensor:
    """Return z [N, D] with the label as one-hot behind it, [N, D + num_classes]; z itself without labels."""
    if y is None or not num_classes:
        return z
    return torch.cat([z, F.one_hot(y, num_classes).float()], dim=1)
