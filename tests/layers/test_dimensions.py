"""Layers by number of dimensions, and padding to a multiple and back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.layers import dimensions


def test_two_dimensions_are_pictures_and_three_are_volumes() -> None:
    assert (dimensions.convolution(2), dimensions.convolution(3)) == (nn.Conv2d, nn.Conv3d)
    assert dimensions.transposed_convolution(3) is nn.ConvTranspose3d
    assert dimensions.batch_norm(2) is nn.BatchNorm2d
    for kind in (dimensions.convolution, dimensions.transposed_convolution, dimensions.batch_norm):
        with pytest.raises(ValueError, match="not 4"):
            kind(4)


def test_sides() -> None:
    assert dimensions.sides(5, 3) == (5, 5, 5)
    assert dimensions.sides([4, 6], 2) == (4, 6)
    assert dimensions.shortest_side([9, 4, 6]) == 4
    assert dimensions.shortest_side(7) == 7
    with pytest.raises(ValueError, match="3 sides, not 2"):
        dimensions.sides([4, 6], 3)


def test_padding_repeats_the_far_border_and_cutting_takes_it_off() -> None:
    x = torch.arange(6.0).view(1, 1, 2, 3)
    padded = dimensions.pad_to_multiple(x, 4)
    assert padded[0, 0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert torch.equal(dimensions.cut(padded, (2, 3)), x)
    assert dimensions.pad_to_multiple(padded, 4) is padded
    volume = torch.rand(2, 1, 3, 4, 5)
    assert dimensions.pad_to_multiple(volume, 4).shape == (2, 1, 4, 4, 8)
    assert torch.equal(dimensions.cut(dimensions.pad_to_multiple(volume, 4), (3, 4, 5)), volume)
