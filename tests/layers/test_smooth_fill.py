"""Holes filled smoothly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gantlet.layers.smooth_fill import smooth_fill


def random_hole(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return (torch.rand(2, 1, height, width, generator=torch.Generator().manual_seed(seed)) < 0.6).float()


@given(st.integers(1, 19), st.integers(1, 19), st.integers(0, 5))
def test_known_pixels_stay_and_fillings_lie_between_them(height: int, width: int, seed: int) -> None:
    x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    mask = random_hole(height, width, seed)
    filled = smooth_fill(x, mask)
    known = (mask < 0.5).expand_as(x)
    assert torch.equal(filled[known], x[known])
    for number in range(2):
        if known[number].any():
            for channel in range(3):
                seen = x[number, channel][known[number, channel]]
                assert filled[number, channel].min() >= seen.min() - 1e-4
                assert filled[number, channel].max() <= seen.max() + 1e-4
        else:
            assert filled[number].abs().max() == 0


def test_what_is_in_the_hole_is_not_looked_at() -> None:
    x, mask = torch.randn(2, 1, 12, 12), random_hole(12, 12)
    assert torch.equal(smooth_fill(x, mask)[mask > 0.5], smooth_fill(x + 9 * mask, mask)[mask > 0.5])


@pytest.mark.parametrize("value", [-1.0, 0.3])
def test_a_constant_picture_is_filled_with_its_value(value: float) -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 5:27, 3:30] = 1
    torch.testing.assert_close(smooth_fill(torch.full((1, 2, 32, 32), value), mask), torch.full((1, 2, 32, 32), value))


def test_a_hole_takes_after_what_is_near() -> None:
    x = torch.where(torch.arange(64) < 32, -1.0, 1.0).expand(1, 1, 64, 64)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 20:30, 4:12] = mask[..., 20:30, 52:60] = 1
    filled = smooth_fill(x, mask)
    assert filled[..., 20:30, 4:12].max() < -0.8
    assert filled[..., 20:30, 52:60].min() > 0.8
