"""Convolutions that halve or double: the short way is the same function, with the same gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gantlet.layers import scaling_conv
from gantlet.layers.scaling_conv import ConvThenPool2d, DoubleThenConv2d
from gantlet.layers.spectral_norm import spectral_norm

LAYERS = [ConvThenPool2d, DoubleThenConv2d]


def plain(layer: nn.Conv2d, x: Tensor) -> Tensor:
    weight, bias = layer.weight, layer.bias
    if isinstance(layer, ConvThenPool2d):
        return F.avg_pool2d(F.conv2d(x, weight, bias, padding=1), 2, ceil_mode=True)
    return F.conv2d(F.interpolate(x, scale_factor=2), weight, bias, padding=1)


def gradients(y: Tensor, x: Tensor, layer: nn.Module) -> list[Tensor]:
    """Return y, dy/dx and the gradients of a penalty on dy/dx by all parameters: the second derivative."""
    (slope,) = torch.autograd.grad(y.tanh().sum(), x, create_graph=True)
    return [y, slope, *torch.autograd.grad(slope.square().sum() + y.square().sum(), list(layer.parameters()))]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(LAYERS), st.booleans())
def test_it_is_the_plain_way(height: int, width: int, kind: type[nn.Conv2d], spectral: bool) -> None:
    """In double precision, where rounding hides nothing: the short way is let to take it."""
    layer = kind(3, 5)  # type: ignore[call-arg, arg-type]
    layer = (spectral_norm(layer) if spectral else layer).double()
    x = torch.randn(2, 3, height, width, dtype=torch.float64, requires_grad=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scaling_conv, "quick_on_processor", lambda x: True)
        found = gradients(layer(x), x, layer)
    for a, b in zip(found, gradients(plain(layer, x), x, layer), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def takes_the_short_way(monkeypatch: pytest.MonkeyPatch, layer: nn.Module, x: Tensor) -> bool:
    calls: list[str] = []
    for name in ("convolve_then_pool", "nearest_then_convolve"):
        original = getattr(scaling_conv, name)
        monkeypatch.setattr(scaling_conv, name, lambda *a, original=original: (calls.append(""), original(*a))[1])
    layer(x)
    return bool(calls)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_short_way_is_taken_where_it_was_measured(kind: type[nn.Conv2d], monkeypatch: pytest.MonkeyPatch) -> None:
    layer, many = kind(8, 8), kind(32, 32)  # type: ignore[call-arg, arg-type]
    assert takes_the_short_way(monkeypatch, layer, torch.randn(2, 8, 4, 6))
    with torch.autocast("cpu", torch.bfloat16):
        assert takes_the_short_way(monkeypatch, many, torch.randn(2, 32, 4, 6))
        few = takes_the_short_way(monkeypatch, layer, torch.randn(2, 8, 4, 6))
    assert few == (kind is ConvThenPool2d)
    assert not takes_the_short_way(monkeypatch, layer.double(), torch.randn(2, 8, 4, 6).double())


def test_an_odd_side_is_pooled_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not takes_the_short_way(monkeypatch, ConvThenPool2d(8, 8), torch.randn(2, 8, 5, 6))
