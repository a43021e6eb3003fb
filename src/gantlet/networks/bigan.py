"""The fully connected networks of BiGAN (Donahue 2017, section 4.2; sizes and norms from its code).

Two hidden layers of `width` units each; batch norm has neither gain nor bias. Pictures [N, C, H, W], z [N, latent_dim].
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from gantlet.layers.grid import height_width


def hidden(inputs: int, width: int, norm: bool, slope: float) -> list[nn.Module]:
    """Return two layers of `width` units, batch norm if `norm`, LeakyReLU of this slope (0: ReLU)."""
    layers: list[nn.Module] = []
    for size in (inputs, width):
        layers.append(nn.Linear(size, width, bias=not norm))
        layers += [nn.BatchNorm1d(width, affine=False)] if norm else []
        layers.append(nn.LeakyReLU(slope) if slope else nn.ReLU())
    return layers


class Generator(nn.Module):
    """z -> hidden ReLU layers -> picture in [-1, 1] (a sigmoid, on that scale)."""

    def __init__(self, latent_dim: int, channels: int, resolution: int | Sequence[int], width: int = 1024) -> None:
        super().__init__()
        self.shape = (channels, *height_width(resolution))
        self.body = nn.Sequential(*hidden(latent_dim, width, True, 0.0), nn.Linear(width, prod(self.shape)))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return torch.tanh(self.body(z) / 2).view(-1, *self.shape)


class Encoder(nn.Module):
    """x -> hidden LeakyReLU layers -> z; `features` are the layer before z, which the paper's 1-NN numbers use."""

    def __init__(self, channels: int, resolution: int | Sequence[int], latent_dim: int, width: int = 1024) -> None:
        super().__init__()
        pixels = channels * prod(height_width(resolution))
        self.body = nn.Sequential(nn.Flatten(), *hidden(pixels, width, True, 0.2))
        self.z = nn.Linear(width, latent_dim)

    def features(self, x: Tensor) -> Tensor:
        """Return the last hidden layer [N, width]."""
        h: Tensor = self.body(x)
        return h

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.z(self.features(x))
        return z


class JointDiscriminator(nn.Module):
    """(x, z) -> logits [N]: high for (x, E(x)) of data, low for (G(z), z)."""

    def __init__(
        self, channels: int, resolution: int | Sequence[int], latent_dim: int, width: int = 1024, norm: bool = True
    ) -> None:
        super().__init__()
        self.pixels = channels * prod(height_width(resolution))
        self.body = nn.Sequential(*hidden(self.pixels + latent_dim, width, norm, 0.2), nn.Linear(width, 1))

    def pair(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the pair as one row [N, pixels + latent_dim], which a gradient penalty differentiates."""
        return torch.cat([x.flatten(1), z], dim=1)

    def of_pair(self, pair: Tensor) -> Tensor:
        """Return logits [N] of rows made by `pair`."""
        logits: Tensor = self.body(pair)
        return logits[:, 0]

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.of_pair(self.pair(x, z))
