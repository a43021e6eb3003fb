"""Sizes: for any height and width the grid doubles up to the picture, and the crop and the padding are exact."""

from __future__ import annotations

from math import ceil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import pad

from gantlet.layers.grid import base_grid, crop, even_padding, height_width, num_stages

SIDES = st.integers(1, 1100)
STAGES = st.integers(1, 7)


@pytest.mark.parametrize(
    ("resolution", "stages", "base"),
    [(64, 4, (4, 4)), (32, 3, (4, 4)), (28, 2, (7, 7)), (8, 1, (4, 4)), (128, 5, (4, 4)), ((48, 64), 3, (6, 8))],
)
def test_sizes_that_people_use(resolution: int | tuple[int, int], stages: int, base: tuple[int, int]) -> None:
    assert num_stages(resolution) == stages
    assert base_grid(resolution, stages) == base


@given(SIDES, SIDES, STAGES)
def test_the_base_grid_is_the_smallest_that_reaches_the_picture(height: int, width: int, stages: int) -> None:
    rows, columns = base_grid((height, width), stages)
    for grid, side in ((rows, height), (columns, width)):
        assert grid * 2**stages >= side
        assert (grid - 1) * 2**stages < side


@given(SIDES, SIDES, st.integers(1, 16))
def test_stages_end_just_above_the_smallest_side(height: int, width: int, smallest: int) -> None:
    stages, side = num_stages((height, width), smallest), min(height, width)
    assert stages >= 1
    assert ceil(side / 2**stages) < 2 * smallest
    if side >= 2 * smallest:
        assert ceil(side / 2**stages) >= smallest
    else:
        assert stages == 1


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 9), st.integers(0, 9))
def test_crop_takes_exactly_the_centre(height: int, width: int, more_rows: int, more_columns: int) -> None:
    rows, columns = height + more_rows, width + more_columns
    x = torch.arange(rows * columns).view(1, 1, rows, columns)
    out = crop(x, (height, width))
    assert out.shape == (1, 1, height, width)
    top, left = divmod(int(out[0, 0, 0, 0]), columns)
    assert torch.equal(out, x[..., top : top + height, left : left + width])
    below, right = rows - height - top, columns - width - left
    assert 0 <= below - top <= 1
    assert 0 <= right - left <= 1


def test_crop_of_a_picture_that_fits_is_free() -> None:
    x = torch.randn(1, 2, 6, 8)
    assert crop(x, (6, 8)) is x


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 5))
def test_even_padding_makes_the_picture_exactly_as_large_as_the_grid(height: int, width: int, stages: int) -> None:
    padding = even_padding((height, width), stages)
    left, right, top, bottom = padding
    assert min(padding) >= 0
    assert 0 <= right - left <= 1
    assert 0 <= bottom - top <= 1
    rows, columns = base_grid((height, width), stages)
    padded = pad(torch.zeros(1, 1, height, width), padding)
    assert padded.shape[-2:] == (rows * 2**stages, columns * 2**stages)
    assert torch.equal(crop(padded, (height, width)), torch.zeros(1, 1, height, width))


def test_padding_and_crop_are_inverse() -> None:
    for size in ((5, 7), (28, 28), (9, 12)):
        x = torch.randn(2, 1, *size)
        assert torch.equal(crop(pad(x, even_padding(size, 3)), size), x)


def test_a_resolution_is_a_number_or_a_pair() -> None:
    assert height_width(7) == (7, 7)
    assert height_width([8, 12]) == (8, 12)
    with pytest.raises(ValueError, match="unpack"):
        height_width([8, 12, 3])
