"""Doubling and halving pictures: FIR filters (upfirdn, Karras 2020 after Zhang 2019), and boxes fused with kernels.

Which form is fast was measured on two cores (AVX2, fp32, channels-last): a depthwise 4x4 convolution beats two
separable ones at no batch and pooling three times by 3; a 3x3 kernel with a filter folded in (6x6) is 2 to 4 times
slower than kernel and filter one after the other; boxes folded in (4x4) are twice as fast as pooling or enlarging.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.precision import bf16_on_processor, wide

FIR = (1, 3, 3, 1)  # a quadratic B-spline: the filter of StyleGAN2


def filter_kernel(taps: Sequence[float] = FIR) -> Tensor:
    """Return the outer product of `taps` with themselves, [T, T], normalised to the sum 1."""
    line = torch.tensor(taps, dtype=torch.float32)
    kernel = torch.outer(line, line)
    return kernel / kernel.sum()


def upfirdn(
    x: Tensor, kernel: Tensor, up: int = 1, down: int = 1, padding: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> Tensor:
    """Insert up - 1 zeros after each pixel, pad (left, right, top, bottom), convolve, keep each `down`-th pixel.

    x [N, C, H, W], kernel [T, T] for every channel alike; negative padding cuts. A convolution proper: the kernel is
    flipped. On a processor in single precision: depthwise gradients in bf16 take up to 45 times as long there.
    """
    if bf16_on_processor(x):
        with torch.autocast("cpu", enabled=False):
            return upfirdn(wide(x), wide(kernel), up, down, padding).type_as(x)
    channels, size = x.shape[1], kernel.shape[-1]
    if up == 1:
        weight = kernel.flip(0, 1).expand(channels, 1, -1, -1)
        if len(set(padding)) == 1 and padding[0] >= 0:
            return F.conv2d(x, weight, stride=down, padding=padding[0], groups=channels)
        return F.conv2d(F.pad(x, padding), weight, stride=down, groups=channels)
    # A transposed convolution never multiplies the zeros. It begins size - 1 pixels before the first whole window, and
    # ends up - 1 pixels early, since it leaves out the zeros after the last pixel.
    left, right, top, bottom = (amount - size + 1 for amount in padding)
    weight = kernel.expand(channels, 1, -1, -1)
    if left == right + up - 1 == top == bottom + up - 1 <= 0:
        y = F.conv_transpose2d(x, weight, stride=up, padding=-left, groups=channels)
    else:
        y = F.conv_transpose2d(x, weight, stride=up, groups=channels)
        y = F.pad(y, (left, right + up - 1, top, bottom + up - 1))
    return y[..., ::down, ::down] if down > 1 else y


class Upfirdn(nn.Module):
    """`upfirdn` with the filter [1, 3, 3, 1] times `gain`. The filter is a buffer that no checkpoint needs."""

    kernel: Tensor

    def __init__(self, up: int, down: int, padding: tuple[int, int, int, int], gain: float = 1.0) -> None:
        super().__init__()
        self.up, self.down, self.padding = up, down, padding
        self.register_buffer("kernel", filter_kernel() * gain, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return upfirdn(x, self.kernel, self.up, self.down, self.padding)


def upsample() -> Upfirdn:
    """Return the layer that doubles a picture: zeros between its pixels, then the filter times 4 to keep its level."""
    return Upfirdn(2, 1, (2, 1, 2, 1), gain=4.0)


def downsample() -> Upfirdn:
    """Return the layer that filters and halves a picture of even size."""
    return Upfirdn(1, 2, (1, 1, 1, 1))


def blur_after_doubling() -> Upfirdn:
    """Return the filter that belongs behind a 3x3 convolution `doubling`: 2H + 1 -> 2H."""
    return Upfirdn(1, 1, (1, 1, 1, 1), gain=4.0)


def blur_before_halving() -> Upfirdn:
    """Return the filter that belongs before a 3x3 convolution `halving`: H -> H + 1."""
    return Upfirdn(1, 1, (2, 2, 2, 2))


def doubling(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Insert zeros between the pixels and convolve (weight [out, in, 3, 3]): H -> 2H + 1. A filter must follow."""
    return F.conv_transpose2d(x, weight.transpose(0, 1), bias, stride=2)


def halving(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve at every second pixel, no padding: H + 1 -> H / 2. A filter must go before."""
    return F.conv2d(x, weight, bias, stride=2)


def nearest_then_convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Double every pixel, then convolve 3x3 keeping the size: exactly one transposed 4x4 convolution with stride 2."""
    kernel = _boxed(weight).flip(2, 3).transpose(0, 1)
    return F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)


def convolve_then_pool(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve 3x3 keeping the (even) size, then average 2x2 pixels: exactly one 4x4 convolution with stride 2."""
    return F.conv2d(x, _boxed(weight) / 4, bias, stride=2, padding=1)


def _boxed(weight: Tensor) -> Tensor:
    """Return a kernel convolved with a 2x2 box of ones: the sum of its four copies shifted by one."""
    w = F.pad(weight, (1, 1, 1, 1))
    return w[..., 1:, 1:] + w[..., 1:, :-1] + w[..., :-1, 1:] + w[..., :-1, :-1]


def enlarge(x: Tensor, factor: int) -> Tensor:
    """Repeat every pixel `factor` times in both directions."""
    return F.interpolate(x, scale_factor=factor) if factor > 1 else x


def shrink(x: Tensor, factor: int) -> Tensor:
    """Average blocks of factor x factor pixels."""
    return F.avg_pool2d(x, factor) if factor > 1 else x
