"""3x3 convolutions of doubled pictures and before 2x2 means, on a processor as one 4x4 convolution with stride 2.

The same function up to rounding, with 4/9 of the products, and the large picture is never made. With all gradients, in
single precision: 1.5 to 2 times as fast before means, 1.1 to 2 times after doubling; in bf16 1.2 to 1.8 times before
means, and after doubling faster only from some maps on (docs/lab-log.md, 2026-11-23). Elsewhere nothing was measured.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.precision import bf16_on_processor, quick_on_processor
from gantlet.layers.resampling import convolve_then_pool, nearest_then_convolve

ENOUGH_MAPS = 32  # that a transposed convolution in bf16 reads and writes: from there .95 to 1.44 times as fast


class ConvThenPool2d(nn.Conv2d):
    """A 3x3 convolution that keeps the size, then means of 2x2 pixels: [N, C, H, W] to [N, C', H / 2, W / 2].

    Sizes are rounded up; means at an odd border are of the pixels that are there.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, 1, 1)

    def forward(self, input: Tensor) -> Tensor:
        if quick_on_processor(input) and input.shape[2] % 2 == 0 == input.shape[3] % 2:
            return convolve_then_pool(input, self.weight, self.bias)
        return F.avg_pool2d(super().forward(input), 2, ceil_mode=True)


class DoubleThenConv2d(nn.Conv2d):
    """Every pixel doubled in both directions, then a 3x3 convolution: [N, C, H, W] to [N, C', 2 H, 2 W]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, 1, 1)

    def forward(self, input: Tensor) -> Tensor:
        few = min(self.in_channels, self.out_channels) < ENOUGH_MAPS
        if quick_on_processor(input) and not (few and bf16_on_processor(input)):
            return nearest_then_convolve(input, self.weight, self.bias)
        return super().forward(F.interpolate(input, scale_factor=2))
