"""Normalisation of each map of each sample by its own mean and variance, plain or with gain and bias of a style."""

from __future__ import annotations

import torch
from torch import Tensor, nn

EPS = 1e-5


def instance_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Return x [N, C, ...] with mean 0 and variance 1 in each map (Ulyanov 2016), then times `weight` plus `bias` [C].

    Group norm with a group per channel is the same and keeps channels-last memory, where torch's instance norm copies.
    A map of a single value becomes 0.
    """
    return torch.group_norm(x, x.shape[1], weight, bias, EPS)


class InstanceNorm(nn.Module):
    """Instance norm of x [N, C, ...], any number of dimensions; `affine` adds a gain and a bias per channel.

    The affine one is what batch norm comes to with a batch of one and no running statistics.
    """

    def __init__(self, channels: int, affine: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        return instance_norm(x, self.weight, self.bias)


def plain(channels: int) -> nn.Module:
    """Return instance norm without gain and bias."""
    return InstanceNorm(channels, affine=False)


def none(channels: int) -> nn.Module:
    """Return no norm at all."""
    return nn.Identity()


class ConditionalInstanceNorm(nn.Module):
    """Instance norm with a gain and a bias per style (Dumoulin 2017, Eq. 5). x [N, C, H, W], code [N, styles].

    A row of `code` holds shares of the styles, which add up to 1: a single 1 for one style; in between lie blends, made
    of the parameters (section 3.2), not of pictures. Without `normalise` gain and bias act on x as it is.
    """

    def __init__(self, channels: int, styles: int, normalise: bool = True) -> None:
        super().__init__()
        self.normalise = normalise
        self.gain = nn.Parameter(torch.ones(styles, channels))
        self.bias = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        gain, bias = ((code @ table)[:, :, None, None] for table in (self.gain, self.bias))
        normal = instance_norm(x) if self.normalise else x
        return torch.addcmul(bias.type_as(x), normal, gain.type_as(x))
