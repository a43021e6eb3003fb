"""Batch norm whose statistics come from a fixed reference batch (Salimans 2016, section 3.5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class VirtualBatchNorm2d(nn.Module):
    """Normalises x [R + N, C, H, W], whose first R rows are the reference batch; no sample sees another one.

    The statistics of a sample are those of the reference and of itself, which counts as one picture of R + 1. Gain and
    bias are taken over from the batch norm it replaces. A label, which conditional generators pass, is ignored.
    """

    def __init__(self, norm: nn.BatchNorm2d, reference: int) -> None:
        super().__init__()
        self.reference, self.eps = reference, norm.eps
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            values = x.float()
            mean, square = values.mean((2, 3)), values.square().mean((2, 3))  # [R + N, C]
            share = torch.full((len(x), 1), 1 / (self.reference + 1), device=x.device)
            share[: self.reference] = 0  # of the sample itself; the reference is normalised by its own
            mean = share * mean + (1 - share) * mean[: self.reference].mean(0)
            square = share * square + (1 - share) * square[: self.reference].mean(0)
            deviation = (square - mean.square()).clamp_min(0) + self.eps
            normalised = (values - mean[:, :, None, None]) * deviation.rsqrt()[:, :, None, None]
            if self.weight is not None:
                normalised = normalised * self.weight[:, None, None] + self.bias[:, None, None]
        return normalised.type_as(x)
