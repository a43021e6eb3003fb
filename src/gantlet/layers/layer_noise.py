"""Noise inside a generator: per-pixel noise of learned strength, and a norm steered by a chunk of the latent."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PixelNoise(nn.Module):
    """x + strength * noise, one strength per map, 0 at first (Karras 2019, section 3.2; Feng 2020, arXiv:2006.05891).

    x [N, C, H, W], noise [N, 1, H, W]. The noise is given, never drawn here: so a sample depends on its own draws
    alone, and without noise (None) the layer does nothing.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, noise: Tensor | None) -> Tensor:
        return x if noise is None else torch.addcmul(x, self.strength[:, None, None], noise.type_as(x))


class LatentBatchNorm2d(nn.Module):
    """Batch norm with gain 1 + A z and bias B z, without biases of their own (Brock 2019, appendix B: chunks of z).

    x [N, C, H, W], z [N, latent_dim]. A and B start at N(0, .02).
    """

    def __init__(self, channels: int, latent_dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Linear(latent_dim, channels, bias=False)
        self.bias = nn.Linear(latent_dim, channels, bias=False)
        nn.init.normal_(self.gain.weight, 0.0, 0.02)
        nn.init.normal_(self.bias.weight, 0.0, 0.02)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        normalised: Tensor = self.norm(x)
        return torch.addcmul(self.bias(z)[:, :, None, None], normalised, 1 + self.gain(z)[:, :, None, None])
