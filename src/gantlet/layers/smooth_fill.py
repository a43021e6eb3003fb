"""A smooth filling of holes: push-pull (Gortler et al., 1996, The Lumigraph, section 3.4), without parameters."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def smooth_fill(pictures: Tensor, mask: Tensor) -> Tensor:
    """Return pictures [N, C, H, W] whose holes (`mask` [N, 1, H, W] is 1 there) are filled smoothly from around them.

    Known pixels are averaged down a pyramid, each by how much is known below it, and holes are filled up it from the
    level below, bilinearly. Known pixels stay bit for bit. Where nothing at all is known the filling is 0.
    """
    known = (mask <= 0.5).type_as(pictures)
    return torch.where(mask > 0.5, _filled(pictures.masked_fill(mask > 0.5, 0.0), known), pictures)


def _filled(total: Tensor, weight: Tensor) -> Tensor:
    """Return the picture whose values times weights are `total`, weights from 0, unknown, to 1."""
    height, width = total.shape[2:]
    if height == 1 and width == 1:
        return total / weight.clamp_min(1e-6)
    pad = (0, width % 2, 0, height % 2)
    total_below, weight_below = (4 * F.avg_pool2d(F.pad(x, pad), 2) for x in (total, weight))
    most = weight_below.clamp_min(1.0)  # four known pixels weigh as much as one
    below = _filled(total_below / most, weight_below / most)
    rest = F.interpolate(below, scale_factor=2.0, mode="bilinear", align_corners=False)[..., :height, :width]
    return total + (1 - weight) * rest
