"""How unlike the noise of two sets of pictures is, by statistics that content hardly touches."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST = 1e-4  # of the mean size in a bin, in a range of 2: far below one grey level


def noise_distance(first: Tensor, second: Tensor, bins: int = 9, reach: int = 2) -> Tensor:
    """Return the distance between the noise of two sets of pictures [N, C, H, W] in [-1, 1], a number.

    What is left of a picture by the mask (1, -2, 1) x (1, -2, 1), which takes away flat places, slopes and straight
    edges (Immerkaer 1996, Fast Noise Variance Estimation), is noise for the most part. Its mean size where the local
    mean is near each of `bins` brightnesses says how strong the noise is there; its correlation with itself, up to
    `reach` pixels away, how neighbours hang together. The distance is the squared difference of the logarithms of
    sizes, weighted by how many pixels both sets have at a brightness, plus that of correlations, summed. Clean content
    of the same kind adds the same to both. All of a batch is one sample: sides must be `reach` + 3 at least.
    """
    (sizes, shares, lags), (other_sizes, other_shares, other_lags) = (
        _statistics(x.float(), bins, reach) for x in (first, second)
    )
    common = torch.minimum(shares, other_shares).detach()
    return (common * (sizes.log() - other_sizes.log()).square()).sum() + (lags - other_lags).square().sum()


def _statistics(x: Tensor, bins: int, reach: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean sizes [C, bins], shares of the pixels [C, bins] and correlations [C, lags]."""
    channels = x.shape[1]
    mask = x.new_tensor([1.0, -2.0, 1.0])
    kernel = (mask[:, None] * mask / 6).expand(channels, 1, 3, 3)  # so that white noise keeps its deviation
    left = F.conv2d(x, kernel, groups=channels)
    place = (F.avg_pool2d(x, 3, 1).clamp(-1, 1) + 1) / 2 * (bins - 1)
    centres = torch.arange(bins, device=x.device)[:, None, None]
    hats = (1 - (place[:, :, None] - centres).abs()).clamp_min(0)  # [N, C, bins, h, w]
    counts = hats.sum((0, 3, 4))
    sizes = (torch.einsum("nckhw,nchw->ck", hats, left.abs()) / counts.clamp_min(1.0)).clamp_min(LEAST)
    power = left.square().mean((0, 2, 3)).clamp_min(LEAST**2)
    lags = [_lag(left, down, across) / power for down, across in _places(reach)]
    return sizes, counts / counts.sum(1, keepdim=True), torch.stack(lags, 1)


def _places(reach: int) -> list[tuple[int, int]]:
    """Return half of all shifts up to `reach` pixels each way: the others are the same backwards."""
    sides = range(-reach, reach + 1)
    return [(down, across) for down in range(reach + 1) for across in sides if down or across > 0]


def _lag(x: Tensor, down: int, across: int) -> Tensor:
    """Return the mean product of values that lie so far apart, [C]."""
    height, width = x.shape[2:]
    first = x[:, :, : height - down, max(-across, 0) : width - max(across, 0)]
    second = x[:, :, down:, max(across, 0) : width + min(across, 0)]
    return (first * second).mean((0, 2, 3))
