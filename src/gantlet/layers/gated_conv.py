"""Gated convolution (Yu et al., 2019, Free-Form Image Inpainting with Gated Convolution, arXiv:1806.03589, Eq. 5)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GatedConv2d(nn.Module):
    """elu(features) * sigmoid(gate): each pixel of each map decides how much of it is valid. Same size at stride 1.

    Features and gates come out of one convolution. Borders are mirrored, not filled with zeros: a zero looks like the
    hole; where a mirror does not fit (tiny maps) they are repeated.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.margin = dilation * (kernel - 1) // 2
        self.conv = nn.Conv2d(inputs, 2 * outputs, kernel, stride, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        mode = "reflect" if min(x.shape[2:]) > self.margin else "replicate"
        features, gate = self.conv(F.pad(x, (self.margin,) * 4, mode=mode)).chunk(2, 1)
        return F.elu(features) * torch.sigmoid(gate)
