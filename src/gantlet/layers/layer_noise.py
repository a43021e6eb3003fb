"""Noise inside a generator: per-pixel noise of learned strength."""

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
