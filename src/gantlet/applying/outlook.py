"""What tiles of a picture with holes cannot see: the whole of it, made small and filled."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

STRIP = 256  # rows of the picture that are read at once, about
KNOWN = 0.25  # share of a block that must be known for its mean to be


def outlook(
    fill: Callable[..., Tensor],
    pixels: NDArray[Any],
    mask: Tensor,
    prepare: Callable[[NDArray[Any]], Tensor],
    side: int,
) -> Tensor:
    """Return what `fill` makes of pictures [N, H, W, C] made small, large again: [N, C, H, W] float16 on the host.

    They are made so small that they fit into `side` pixels, blocks becoming the mean of what is known in them. `mask`
    [N, 1, H, W] is 1 in the holes; `prepare` brings pixels to the [N, C, h, w] that `fill` takes beside a mask.
    """
    height, width = pixels.shape[1:3]
    factor = ceil(max(height, width) / side)
    rows = max(STRIP // factor, 1) * factor
    means, shares = [], []
    for top in range(0, height, rows):
        x = prepare(pixels[:, top : top + rows])
        known = (mask[:, :, top : top + rows] <= 0.5).to(x)
        pad = (0, -width % factor, 0, -x.shape[2] % factor)
        share, there = (F.avg_pool2d(F.pad(each, pad), factor) for each in (known, torch.ones_like(known)))
        means.append(F.avg_pool2d(F.pad(x.masked_fill(known < 0.5, 0.0), pad), factor) / share.clamp_min(1e-6))
        shares.append(share / there)
    small, share = torch.cat(means, 2), torch.cat(shares, 2)
    filled = fill(small, mask=(share < KNOWN).to(small)).float().cpu()
    # Blocks at the border reach beyond the picture: it is made as large as they are, and cut.
    large = F.interpolate(filled, scale_factor=float(factor), mode="bilinear", align_corners=False)
    return large[..., :height, :width].half()
