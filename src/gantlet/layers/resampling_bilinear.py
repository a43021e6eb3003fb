"""Bilinear enlarging and reducing by two: the [1, 2, 1] filter of R3GAN, zero outside the picture.

The filter meets the 2-wide box of nearest enlarging, or of average pooling: together [1, 3, 3, 1] in each direction,
which is one depthwise convolution.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def bilinear_kernel() -> Tensor:
    """Return [1, 2, 1] * [1, 1] in two dimensions, [1, 1, 4, 4], summing to 1: exact in bfloat16 too."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return (line[:, None] * line)[None, None]


class BilinearUp(nn.Module):
    """[N, C, H, W] -> [N, C, 2H, 2W]: each pixel is 9, 3, 3 and 1 sixteenths of its four nearest ones.

    Inside the picture this is `F.interpolate(..., mode="bilinear")`; at the border the outside counts as zero, as in
    the authors' code.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", bilinear_kernel() * 4, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.kernel.expand(x.shape[1], 1, 4, 4), stride=2, padding=1, groups=x.shape[1])


class BilinearDown(nn.Module):
    """[N, C, H, W] with even H and W -> [N, C, H/2, W/2], the weighted mean of 4x4 pixels, zero outside."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", bilinear_kernel(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel.expand(x.shape[1], 1, 4, 4), stride=2, padding=1, groups=x.shape[1])
