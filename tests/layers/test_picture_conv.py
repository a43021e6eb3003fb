"""Pictures of one channel take a short way; it is the same convolution, twice differentiable."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gantlet.layers import picture_conv, sound_conv
from gantlet.layers.picture_conv import PictureConv2d, PictureConvTranspose2d

CONVOLUTIONS = [  # inputs, outputs, kernel, stride, padding
    (1, 6, 4, 2, 1), (1, 6, 5, 2, 2), (5, 1, 3, 1, 1), (5, 1, 9, 1, 4),
]  # fmt: skip
TRANSPOSED = [(6, 1, 4, 2, 1, 0), (6, 1, 5, 2, 2, 1), (6, 1, 3, 1, 1, 0)]
PLAIN = [
    (3, 6, 4, 2, 1),
    (1, 6, 3, 1, 1),
    (1, 6, 9, 1, 4),
    (5, 2, 3, 1, 1),
    (1, 1, 3, 1, 1),
    (5, 1, 4, 2, 1),
    (5, 1, 1, 1, 0),
    (5, 1, 3, 1, 0),
]


def gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Return y, dy/dx and the gradients of a penalty on dy/dx by all parameters: the second derivative."""
    x = x.clone().requires_grad_(True)
    y = layer(x)
    (slope,) = torch.autograd.grad(y.tanh().sum(), x, create_graph=True)
    return [y, slope, *torch.autograd.grad(slope.square().sum() + y.square().sum(), list(layer.parameters()))]


def agree(ours: nn.Module, theirs: nn.Module, x: Tensor) -> None:
    """In double precision, where rounding hides nothing: the short ways are let to take it."""
    ours, theirs, x = ours.double(), theirs.double(), x.double()
    theirs.load_state_dict(ours.state_dict())
    with pytest.MonkeyPatch.context() as patch:
        for module in (picture_conv, sound_conv):
            patch.setattr(module, "quick_on_processor", lambda x: True)
        found = gradients(ours, x)
    for a, b in zip(found, gradients(theirs, x), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@settings(deadline=None, max_examples=40)
@given(height=st.integers(4, 13), width=st.integers(4, 13), which=st.sampled_from(CONVOLUTIONS), bias=st.booleans())
def test_a_convolution_of_one_channel(height: int, width: int, which: tuple[int, ...], bias: bool) -> None:
    inputs, outputs, kernel, stride, padding = which
    ours = PictureConv2d(inputs, outputs, kernel, stride, padding, bias=bias)
    agree(ours, nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias), torch.randn(2, inputs, height, width))


@settings(deadline=None, max_examples=40)
@given(height=st.integers(1, 9), width=st.integers(1, 9), which=st.sampled_from(TRANSPOSED), bias=st.booleans())
def test_a_transposed_convolution_to_one_channel(height: int, width: int, which: tuple[int, ...], bias: bool) -> None:
    inputs, outputs, kernel, stride, padding, more = which
    ours = PictureConvTranspose2d(inputs, outputs, kernel, stride, padding, more, bias=bias)
    theirs = nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, more, bias=bias)
    agree(ours, theirs, torch.randn(2, inputs, height, width))


def uses_columns(monkeypatch: pytest.MonkeyPatch, layer: nn.Module, x: Tensor) -> bool:
    calls: list[str] = []
    for name in ("fold", "unfold"):
        original = getattr(picture_conv.F, name)
        monkeypatch.setattr(
            picture_conv.F,
            name,
            lambda *a, name=name, original=original, **k: (calls.append(name), original(*a, **k))[1],
        )
    layer(x)
    return bool(calls)


@pytest.mark.parametrize("layer", [PictureConv2d(1, 6, 4, 2, 1), PictureConv2d(5, 1, 9, 1, 4)])
def test_in_bf16_it_is_about_as_exact_as_the_convolution(layer: nn.Conv2d, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x = torch.randn(8, layer.in_channels, 12, 12, requires_grad=True)
    plain = nn.Conv2d.forward
    exact = plain(layer, x).detach()
    with torch.autocast("cpu", torch.bfloat16):
        assert uses_columns(monkeypatch, layer, x)
        found, theirs = layer(x).detach(), plain(layer, x).detach()
    assert float((found - exact).abs().max()) < 2.5 * float((theirs - exact).abs().max())


@pytest.mark.parametrize("which", CONVOLUTIONS)
def test_the_short_way_is_taken(which: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert uses_columns(monkeypatch, PictureConv2d(*which), torch.randn(2, which[0], 8, 8))


@pytest.mark.parametrize("which", TRANSPOSED)
def test_the_short_way_is_taken_up(which: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert uses_columns(monkeypatch, PictureConvTranspose2d(*which), torch.randn(2, which[0], 8, 8))


@pytest.mark.parametrize("which", PLAIN)
def test_other_convolutions_are_those_of_torch(which: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    ours = PictureConv2d(*which)
    x = torch.randn(2, which[0], 8, 8)
    assert not uses_columns(monkeypatch, ours, x)
    assert torch.equal(ours(x), nn.functional.conv2d(x, ours.weight, ours.bias, which[3], which[4]))


def test_without_a_gradient_a_convolution_from_one_channel_is_that_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = PictureConv2d(1, 6, 4, 2, 1)
    with torch.no_grad():
        assert not uses_columns(monkeypatch, layer, torch.randn(2, 1, 8, 8))


def test_what_was_not_measured_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not uses_columns(monkeypatch, PictureConv2d(1, 6, 4, 2, 1).double(), torch.randn(2, 1, 8, 8).double())
    reflecting = PictureConv2d(5, 1, 3, 1, 1, padding_mode="reflect")
    assert not uses_columns(monkeypatch, reflecting, torch.randn(2, 5, 8, 8))
    assert not uses_columns(monkeypatch, PictureConv2d(2, 1, 3, 1, 1, dilation=2), torch.randn(2, 2, 8, 8))
