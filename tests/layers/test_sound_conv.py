"""Sounds convolved as pictures of one row: the same layers, twice differentiable, and no copies between them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.layers.test_picture_conv import agree
from torch import nn

from gantlet.layers import sound_conv
from gantlet.layers.sound_conv import SoundConv1d, SoundConvTranspose1d


@settings(deadline=None, max_examples=60)
@given(
    length=st.integers(12, 40),
    inputs=st.sampled_from((1, 2, 6)),
    outputs=st.sampled_from((1, 4)),
    kernel=st.sampled_from((1, 3, 7)),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    bias=st.booleans(),
)
def test_a_convolution(
    length: int, inputs: int, outputs: int, kernel: int, stride: int, dilation: int, bias: bool
) -> None:
    sizes = (inputs, outputs, kernel, stride, kernel // 2 * dilation, dilation)
    agree(SoundConv1d(*sizes, bias=bias), nn.Conv1d(*sizes, bias=bias), torch.randn(2, inputs, length))


@settings(deadline=None, max_examples=60)
@given(
    length=st.integers(3, 20),
    inputs=st.sampled_from((1, 2, 6)),
    outputs=st.sampled_from((1, 4)),
    kernel=st.integers(4, 9),
    stride=st.integers(1, 4),
    bias=st.booleans(),
)
def test_a_transposed_convolution(length: int, inputs: int, outputs: int, kernel: int, stride: int, bias: bool) -> None:
    sizes = (inputs, outputs, kernel, stride, (kernel - stride + 1) // 2, (kernel - stride) % 2 if stride > 1 else 0)
    ours, theirs = SoundConvTranspose1d(*sizes, bias=bias), nn.ConvTranspose1d(*sizes, bias=bias)
    agree(ours, theirs, torch.randn(2, inputs, length))


def test_groups_are_kept() -> None:
    agree(SoundConv1d(6, 6, 5, padding=2, groups=3), nn.Conv1d(6, 6, 5, padding=2, groups=3), torch.randn(2, 6, 9))


def test_layers_that_follow_each_other_do_not_copy() -> None:
    layers = nn.Sequential(SoundConvTranspose1d(4, 6, 4, 2, 1), nn.LeakyReLU(0.1), SoundConv1d(6, 6, 3, 1, 2, 2))
    x = torch.randn(2, 4, 8)
    for layer in layers:
        x = layer(x)
        assert x.unsqueeze(2).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("layer", [SoundConv1d(4, 4, 3, 1, 1), SoundConvTranspose1d(4, 4, 4, 2, 1)])
def test_what_was_not_measured_is_left_to_torch(layer: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*rest: object, **more: object) -> None:
        raise AssertionError("as a picture")

    monkeypatch.setattr(sound_conv.F, "conv2d", refuse)
    monkeypatch.setattr(sound_conv.F, "conv_transpose2d", refuse)
    layer(torch.randn(4, 8))  # one sound without a batch
    layer.double()(torch.randn(2, 4, 8).double())
    layer.float()
    with pytest.raises(AssertionError, match="as a picture"):
        layer(torch.randn(2, 4, 8))
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(AssertionError, match="as a picture"):
        layer(torch.randn(2, 4, 8))
