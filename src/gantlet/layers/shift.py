"""Maps moved as a whole, by any part of a pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def shift(x: Tensor, by: Tensor) -> Tensor:
    """Return maps x [N, C, H, W] moved by `by` [N, 2], down and to the right, in shares of the sides; zeros come in.

    Read bilinearly and differentiable in both, as a spatial transformer is (Jaderberg et al., 2015). In float32.
    """
    with torch.autocast(x.device.type, enabled=False):
        by = by.float()
        one, zero = torch.ones_like(by[:, 0]), torch.zeros_like(by[:, 0])
        # grid_sample asks where to read, columns first, a side being 2 long.
        matrix = torch.stack([one, zero, -2 * by[:, 1], zero, one, -2 * by[:, 0]], dim=1).view(-1, 2, 3)
        grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
        return F.grid_sample(x.float(), grid, "bilinear", "zeros", align_corners=False)
