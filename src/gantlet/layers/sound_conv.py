"""Convolutions of sounds, on a processor as pictures of one row whose channels lie side by side in memory.

Weights, results and gradients are those of PyTorch's layers, up to rounding. Its kernels for one dimension keep the
places of a channel side by side, and leave the fast way when there is a dilation: a convolution of 16 maps, 7 wide,
dilated, took 30 ms with its gradients and takes 10 like this, a transposed one 11 and 9 (docs/lab-log.md, 2026-11-23).
For networks of few maps: of many, gradients are slower like this, up to twice in strided layers. A sound that went
through one of them stays as it lies, so that they follow each other without copies.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.precision import quick_on_processor


def as_a_row(layer: nn.Conv1d | nn.ConvTranspose1d, x: Tensor) -> tuple[Tensor, tuple[int, int]] | None:
    """Return x [N, C, L] as a picture [N, C, 1, L] and the padding of `layer`; None if torch's own way is to be taken.

    It is taken on a processor alone, in single precision or bf16: nothing else was measured.
    """
    if not quick_on_processor(x) or x.dim() != 3:
        return None
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return None
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last), (0, layer.padding[0])


class SoundConv1d(nn.Conv1d):
    """A convolution [N, C, L] to [N, C', L'], as `nn.Conv1d`."""

    def forward(self, input: Tensor) -> Tensor:
        found = as_a_row(self, input)
        if found is None:
            return super().forward(input)
        row, padding = found
        stride, dilation = (1, self.stride[0]), (1, self.dilation[0])
        return F.conv2d(row, self.weight.unsqueeze(2), self.bias, stride, padding, dilation, self.groups).squeeze(2)


class SoundConvTranspose1d(nn.ConvTranspose1d):
    """A transposed convolution [N, C, L] to [N, C', L'], as `nn.ConvTranspose1d`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        found = as_a_row(self, input)
        if found is None or output_size is not None:
            return super().forward(input, output_size)
        row, padding = found
        stride, dilation, more = (1, self.stride[0]), (1, self.dilation[0]), (0, self.output_padding[0])
        weight = self.weight.unsqueeze(2)
        return F.conv_transpose2d(row, weight, self.bias, stride, padding, more, self.groups, dilation).squeeze(2)
