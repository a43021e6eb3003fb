"""Equalised learning rate (Karras 2018, section 4.1): weights are N(0, 1), He's constant multiplies them at run time.

Adam moves every weight by about the learning rate whatever its scale, so weights of one scale learn equally fast. A
leaky ReLU is positively homogeneous, gain * act(x) = act(gain * x): the gain of an activation costs nothing as the gain
of weight and bias before it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Operation = Callable[[Tensor, Tensor, Tensor | None], Tensor]  # (x, weight, bias) -> y


def same(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve with an odd kernel, keeping the size."""
    return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


class EqualisedLinear(nn.Module):
    """y = weight_gain * W x / sqrt(inputs) + bias_gain * b, W from N(0, 1): [N, inputs] -> [N, outputs].

    With `lr_multiplier` the stored numbers are so much larger, and the step Adam takes on them so much smaller in
    effect (Karras 2019, appendix C). `bias_start` is where the bias begins.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        weight_gain: float = 1.0,
        bias_gain: float = 1.0,
        bias_start: float = 0.0,
        lr_multiplier: float = 1.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight_scale = weight_gain * lr_multiplier / sqrt(inputs)
        self.bias_scale = bias_gain * lr_multiplier
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((outputs,), bias_start / lr_multiplier)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        if self.bias is None:  # a batch of inputs is smaller than the matrix: scaling it, not the weights, is cheaper
            return F.linear(x * self.weight_scale, self.weight)
        return torch.addmm(self.bias, x, self.weight.t(), beta=self.bias_scale, alpha=self.weight_scale)


class EqualisedConv2d(nn.Module):
    """A convolution by weight_gain * W / sqrt(inputs * kernel^2), W from N(0, 1), plus bias_gain * b.

    `operation` says how: `same`, or one of layers/resampling.py, which change the size.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        weight_gain: float = 1.0,
        bias_gain: float = 1.0,
        bias: bool = True,
        operation: Operation = same,
    ) -> None:
        super().__init__()
        self.operation = operation
        self.weight_scale, self.bias_scale = weight_gain / sqrt(inputs * kernel**2), bias_gain
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias * self.bias_scale
        return self.operation(x, self.weight * self.weight_scale, bias)
