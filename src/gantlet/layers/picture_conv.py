"""Convolutions that read or write pictures, with a short way for pictures of one channel on a processor.

Weights, results and gradients are those of the convolutions of PyTorch, up to rounding. The kernels for processors
work on blocks of 8 or 16 channels: with one channel most of a block is empty, and first and last layers took 29 % of
a step of DCGAN (docs/lab-log.md, 2026-11-23). A product of the weights with columns (Chellapilla 2006) is faster there:
with gradients 1.3 to 2.4 times from one channel with a stride (without the picture's own some are slower, by a fifth
to a half), 1.4 to 1.8 times transposed to one, up to 3 times 3x3 to one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.precision import quick_on_processor, wide


def short_way(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> tuple[int, int] | None:
    """Return the padding of a layer that has a short way, else None: on a processor, nothing odd."""
    plain = layer.padding_mode == "zeros" and layer.groups == 1 and layer.dilation == (1, 1)
    if not plain or not quick_on_processor(x) or x.dim() != 4 or isinstance(layer.padding, str):
        return None
    return layer.padding[0], layer.padding[1]


class PictureConv2d(nn.Conv2d):
    """A convolution that reads or writes pictures: [N, C, H, W] to [N, C', H', W'], as `nn.Conv2d`."""

    def forward(self, input: Tensor) -> Tensor:
        padding = short_way(self, input)
        if padding is None:
            return super().forward(input)
        rows, columns = self.kernel_size
        if self.in_channels == 1 < self.out_channels and self.stride != (1, 1):
            if torch.is_grad_enabled():
                return self._from_columns(input, padding)
        elif self.out_channels == 1 < self.in_channels and self.stride == (1, 1) and rows > 1:
            same = rows == 2 * padding[0] + 1 and columns == 2 * padding[1] + 1
            if same:  # each place of x adds to those of y around it: the kernel turned by half a turn
                size = input.shape[2], input.shape[3]
                return folded(input, self.weight[0].flip(1, 2), self.bias, size, padding, (1, 1))
        return super().forward(input)

    def _from_columns(self, x: Tensor, padding: tuple[int, int]) -> Tensor:
        """y = W columns(x), one row of columns for each place of y."""
        columns = F.unfold(x, self.kernel_size, padding=padding, stride=self.stride).transpose(1, 2)
        y = columns @ self.weight.flatten(1).t()
        if self.bias is not None:
            y = y + self.bias.type_as(y)
        height, width = (
            (side + 2 * pad - kernel) // stride + 1
            for side, pad, kernel, stride in zip(x.shape[2:], padding, self.kernel_size, self.stride, strict=True)
        )
        return y.view(len(x), height, width, -1).permute(0, 3, 1, 2)


class PictureConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution that writes pictures: [N, C, H, W] to [N, C', H', W'], as `nn.ConvTranspose2d`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        padding = short_way(self, input)
        if padding is None or self.out_channels > 1 or self.in_channels == 1 or output_size is not None:
            return super().forward(input, output_size)
        height, width = (
            (side - 1) * self.stride[d] - 2 * padding[d] + self.kernel_size[d] + int(self.output_padding[d])
            for d, side in enumerate(input.shape[2:])
        )
        stride = self.stride[0], self.stride[1]
        return folded(input, self.weight[:, 0], self.bias, (height, width), padding, stride)


def folded(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    size: tuple[int, int],
    padding: tuple[int, int],
    stride: tuple[int, int],
) -> Tensor:
    """Return the picture [N, 1, *size] to whose places around it each place of x [N, C, H, W] adds its maps.

    `weight` [C, kernel rows, kernel columns].
    """
    columns = wide(x.permute(0, 2, 3, 1).flatten(1, 2) @ weight.flatten(1))  # sums of bf16 would be rounded many times
    y = F.fold(columns.transpose(1, 2), size, tuple(weight.shape[1:]), padding=padding, stride=stride)
    return y if bias is None else y + bias
