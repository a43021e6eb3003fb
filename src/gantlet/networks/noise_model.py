"""A learned noise model of few parameters: how strong noise is at each intensity, and how neighbours hang together."""

from __future__ import annotations

from math import log

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NoiseModel(nn.Module):
    """x -> x + sigma(x) (k * n): noise whose strength depends on the clean intensity, correlated by a small kernel.

    sigma is piecewise linear between `knots` values on [-1, 1] (its own for each channel), exp of the weights; k is a
    kernel of norm 1, so that sigma alone is the standard deviation. Pictures [N, C, H, W], `normal` [N, C, H + K - 1,
    W + K - 1] standard normal numbers. All that such noise can be told apart by is in these numbers: a sensor's shot
    and read noise is sigma^2 = a + b x, demosaicing and resizing correlate neighbours.
    """

    def __init__(self, channels: int, knots: int = 9, kernel: int = 3, sigma: float = 0.1) -> None:
        super().__init__()
        self.knots, self.size = knots, kernel
        self.log_sigma = nn.Parameter(torch.full((channels, knots), log(sigma)))
        delta = torch.full((channels, 1, kernel, kernel), 1e-2)
        delta[:, :, kernel // 2, kernel // 2] = 1.0
        self.kernel = nn.Parameter(delta)

    def sigma(self, x: Tensor) -> Tensor:
        """Return the standard deviation of the noise at each value of clean pictures [N, C, H, W]."""
        place = ((x.clamp(-1, 1) + 1) / 2 * (self.knots - 1))[:, :, None]
        centres = torch.arange(self.knots, device=x.device)[:, None, None]
        hats = (1 - (place - centres).abs()).clamp_min(0)  # [N, C, K, H, W], two of K above 0 and their sum 1
        return torch.einsum("nckhw,ck->nchw", hats, self.log_sigma.float().exp())

    def correlated(self, normal: Tensor) -> Tensor:
        """Return standard normal numbers convolved with k: still of variance 1."""
        k = self.kernel / self.kernel.square().sum((1, 2, 3), keepdim=True).sqrt()
        return F.conv2d(normal, k, groups=normal.shape[1])

    def forward(self, x: Tensor, normal: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # three digits of bf16 are coarser than the noise
            return x + self.sigma(x.float()) * self.correlated(normal.float())
