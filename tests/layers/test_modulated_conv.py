"""Modulated convolution against a kernel built for each sample (Karras 2020, Eq. 1 to 3)."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradgradcheck
from torch.func import functional_call

from gantlet.layers.modulated_conv import ModulatedConv2d, demodulation
from gantlet.layers.resampling import blur_after_doubling, doubling


def kernels(layer: ModulatedConv2d, w: Tensor) -> Tensor:
    """Return the kernel of each sample, [N, out, in, k, k]."""
    styles = layer.affine(w)
    scale = 1 / sqrt(layer.weight[0].numel())
    made = [scale * layer.weight * style[None, :, None, None] for style in styles]
    if layer.demodulate:
        made = [kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt() for kernel in made]
    return torch.stack(made)


def whole(layer: ModulatedConv2d, x: Tensor, w: Tensor) -> Tensor:
    y, gain = layer(x, w)
    return y if gain is None else y * gain


@pytest.mark.parametrize(("kernel", "demodulate"), [(3, True), (1, False), (3, False)])
def test_equals_a_loop_over_samples_and_the_grouped_form(kernel: int, demodulate: bool) -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(6, 5, kernel, 7, demodulate=demodulate)
    x, w = torch.randn(4, 6, 5, 8).contiguous(memory_format=torch.channels_last), torch.randn(4, 7)
    each = kernels(layer, w)
    looped = torch.cat([F.conv2d(x[n : n + 1], each[n], padding=kernel // 2) for n in range(4)])
    grouped = F.conv2d(x.reshape(1, 24, 5, 8), each.flatten(0, 1), padding=kernel // 2, groups=4).view(4, 5, 5, 8)
    torch.testing.assert_close(whole(layer, x, w), looped, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(grouped, looped, rtol=1e-4, atol=1e-5)


def test_doubling_with_the_filter_between_equals_a_loop_over_samples() -> None:
    torch.manual_seed(0)
    layer, blur = ModulatedConv2d(4, 3, 3, 6, operation=doubling), blur_after_doubling()
    x, w = torch.randn(3, 4, 5, 4), torch.randn(3, 6)
    each = kernels(layer, w)
    looped = torch.cat([blur(doubling(x[n : n + 1], each[n])) for n in range(3)])
    y, gain = layer(x, w)
    torch.testing.assert_close(blur(y) * gain, looped, rtol=1e-4, atol=1e-5)


def test_outputs_have_variance_one_whatever_the_style() -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(64, 64, 3, 8)
    y = whole(layer, torch.randn(4, 64, 16, 16), 30 * torch.randn(4, 8)).detach()[..., 1:-1, 1:-1]
    assert y.std((1, 2, 3)).tolist() == pytest.approx([1.0] * 4, rel=0.05)


def test_styles_begin_around_one() -> None:
    layer = ModulatedConv2d(6, 5, 3, 7)
    torch.testing.assert_close(layer.affine(torch.zeros(2, 7)), torch.ones(2, 6))


def test_demodulation_is_float32_under_autocast() -> None:
    weight, style = torch.randn(5, 3, 3, 3), torch.randn(2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = demodulation(weight, style)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, demodulation(weight, style), rtol=0, atol=0)


@pytest.mark.parametrize("demodulate", [True, False])
def test_second_derivatives(demodulate: bool) -> None:
    """In x, w and every parameter: path length differentiates G's gradient in w, and its weights through it."""
    torch.manual_seed(0)
    layer = ModulatedConv2d(2, 2, 3, 3, demodulate=demodulate).double()
    names = [name for name, _ in layer.named_parameters()]

    def call(x: Tensor, w: Tensor, *values: Tensor) -> Tensor:
        y, gain = functional_call(layer, dict(zip(names, values, strict=True)), (x, w))
        return y if gain is None else y * gain

    x = torch.randn(2, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    w = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    values = [parameter.detach().requires_grad_() for parameter in layer.parameters()]
    assert gradgradcheck(call, (x, w, *values), atol=1e-4)
