"""Normalisation whose gain and bias depend on the class."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BatchNorm2d(nn.BatchNorm2d):
    """Plain batch norm that takes a label and ignores it, so that one generator serves both cases."""

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return super().forward(x)


class ConditionalBatchNorm2d(nn.Module):
    """Batch norm with gain and bias looked up per class (de Vries 2017; Miyato 2018). x [N, C, H, W], y [N]."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Embedding(num_classes, channels)
        self.bias = nn.Embedding(num_classes, channels)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        normalised: Tensor = self.norm(x)
        gain, bias = (table(y).type_as(normalised)[:, :, None, None] for table in (self.gain, self.bias))
        return torch.addcmul(bias, normalised, gain)


def batch_norm(channels: int, num_classes: int) -> BatchNorm2d | ConditionalBatchNorm2d:
    """Return the norm of a generator: conditional when there are classes."""
    return ConditionalBatchNorm2d(channels, num_classes) if num_classes else BatchNorm2d(channels)


class VectorBatchNorm2d(nn.Module):
    """Batch norm with gain 1 + A c and bias B c from a vector c (Brock 2019, appendix B). x [N, C, H, W], c [N, dim].

    A and B are linear layers without bias, so that spectral norm can be put on them like on any other.
    """

    def __init__(self, channels: int, condition_dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Linear(condition_dim, channels, bias=False)
        self.bias = nn.Linear(condition_dim, channels, bias=False)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        normalised: Tensor = self.norm(x)
        return torch.addcmul(self.bias(c)[:, :, None, None], normalised, (1 + self.gain(c))[:, :, None, None])
