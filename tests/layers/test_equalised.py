"""Equalised learning rate: He's constant at run time, gains that stand for those of an activation, lr multipliers."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradgradcheck

from gantlet.layers.equalised import EqualisedConv2d, EqualisedLinear


def test_linear_multiplies_by_one_over_the_root_of_its_inputs() -> None:
    layer = EqualisedLinear(4, 3, weight_gain=3.0, bias_gain=2.0)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(12.0).view(3, 4))
        layer.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    # rows of W times (1, 1, 1, 1) are 6, 22, 38; 3 / sqrt(4) = 1.5 of them, and twice the bias
    torch.testing.assert_close(layer(torch.ones(1, 4)), torch.tensor([[11.0, 37.0, 63.0]]))


def test_convolution_multiplies_by_one_over_the_root_of_inputs_times_kernel() -> None:
    layer = EqualisedConv2d(2, 5, 3, weight_gain=sqrt(2))
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(3, 2, 6, 7)
    slow = torch.stack(
        [
            sum(F.conv2d(x[:, i : i + 1], layer.weight[o : o + 1, i : i + 1], padding=1) for i in range(2))[:, 0]
            * sqrt(2)
            / sqrt(2 * 3 * 3)
            + layer.bias[o]
            for o in range(5)
        ],
        dim=1,
    )
    torch.testing.assert_close(layer(x), slow)
    assert EqualisedConv2d(2, 5, 1, bias=False).bias is None


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
def test_outputs_begin_with_variance_one_whatever_the_multiplier(lr_multiplier: float) -> None:
    torch.manual_seed(0)
    layer = EqualisedLinear(256, 512, lr_multiplier=lr_multiplier, bias_start=1.0)
    y = layer(torch.randn(400, 256)).detach()
    assert float(y.std()) == pytest.approx(1.0, rel=0.05)
    assert float(y.mean()) == pytest.approx(1.0, abs=0.05)  # the bias begins at 1 in effect
    assert float(layer.weight.detach().std()) == pytest.approx(1 / lr_multiplier, rel=0.05)


def test_a_step_of_adam_moves_the_effective_weight_by_the_multiplied_rate() -> None:
    """Adam's first step is lr in every stored number: lr * multiplier / sqrt(inputs) in what acts."""
    moved = {}
    for lr_multiplier in (1.0, 0.01):
        layer = EqualisedLinear(16, 2, lr_multiplier=lr_multiplier)
        before = layer.weight.detach().clone()
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
        layer(torch.ones(1, 16)).sum().backward()
        optimizer.step()
        moved[lr_multiplier] = float((layer.weight.detach() - before).abs().mean()) * layer.weight_scale
    assert moved[1.0] == pytest.approx(0.1 / 4, rel=1e-3)
    assert moved[0.01] == pytest.approx(0.001 / 4, rel=1e-2)


def test_the_gain_of_a_leaky_relu_may_stand_before_it() -> None:
    torch.manual_seed(0)
    plain, folded = EqualisedLinear(8, 8), EqualisedLinear(8, 8, weight_gain=sqrt(2), bias_gain=sqrt(2))
    torch.nn.init.normal_(plain.bias)
    folded.load_state_dict(plain.state_dict())
    x = torch.randn(5, 8)
    torch.testing.assert_close(F.leaky_relu(folded(x), 0.2), sqrt(2) * F.leaky_relu(plain(x), 0.2))


def test_second_derivatives() -> None:
    torch.manual_seed(0)
    linear, conv = EqualisedLinear(3, 2).double(), EqualisedConv2d(2, 2, 3).double()
    assert gradgradcheck(lambda x: linear(x).pow(3), torch.randn(2, 3, dtype=torch.float64, requires_grad=True))
    assert gradgradcheck(lambda x: conv(x).pow(3), torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True))
