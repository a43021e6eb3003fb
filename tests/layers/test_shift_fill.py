"""Holes filled with what stands elsewhere."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from gantlet.layers import shift_fill
from gantlet.layers.smooth_fill import smooth_fill


def waves(side: int, down: float, across: float) -> torch.Tensor:
    """Return a picture [1, 1, S, S] of two waves of these periods."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return (0.5 * torch.sin(2 * torch.pi * y / down) + 0.4 * torch.cos(2 * torch.pi * x / across))[None, None]


def hole(side: int, first: int, last: int) -> torch.Tensor:
    mask = torch.zeros(1, 1, side, side)
    mask[..., first:last, first:last] = 1
    return mask


def slow(x: torch.Tensor, known: torch.Tensor, down: int, across: int) -> tuple[float, int]:
    """Return the mean squared difference of pixels that are a shift apart, and their number, pair by pair."""
    total, pairs = 0.0, 0
    height, width = known.shape[2:]
    for y in range(height):
        for other in range(width):
            if 0 <= y + down < height and 0 <= other + across < width:
                both = bool(known[0, 0, y, other]) and bool(known[0, 0, y + down, other + across])
                pairs += both
                total += both * float((x[0, :, y, other] - x[0, :, y + down, other + across]).square().sum())
    return total / max(pairs, 1), pairs


def test_the_disagreement_is_that_of_pairs() -> None:
    made = torch.Generator().manual_seed(0)
    known = (torch.rand(1, 1, 7, 6, generator=made) < 0.7).float()
    x = torch.randn(1, 2, 7, 6, generator=made) * known
    differs, meets = shift_fill.disagreement(x, known)
    for shift in ((0, 0), (1, 2), (-3, 1), (6, -5), (0, -1)):
        wanted, pairs = slow(x, known, *shift)
        assert abs(float(differs[0, 0, shift[0], shift[1]]) - wanted) < 1e-4
        assert float(meets[0, 0, shift[0], shift[1]]) == pairs


@given(st.integers(1, 19), st.integers(1, 19), st.integers(0, 5), st.sampled_from([0.0, 0.4, 1.0]))
def test_known_pixels_stay_and_nothing_is_lost(height: int, width: int, seed: int, share: float) -> None:
    made = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 3, height, width, generator=made)
    mask = (torch.rand(2, 1, height, width, generator=made) < share).float()
    filled = shift_fill.self_fill(x, mask)
    known = (mask < 0.5).expand_as(x)
    assert torch.equal(filled[known], x[known])
    assert torch.isfinite(filled).all()
    inside = torch.where(mask > 0.5, torch.full_like(x, float("nan")), x)
    assert torch.equal(shift_fill.self_fill(inside, mask), filled)


def test_what_repeats_itself_is_continued() -> None:
    x, mask = waves(64, 8.0, 11.5), hole(64, 20, 44)
    inside = mask > 0.5
    errors = [(fill(x, mask) - x)[inside].square().mean() for fill in (shift_fill.self_fill, smooth_fill)]
    assert errors[0] < 1e-3
    assert errors[1] > 0.05


def test_what_does_not_repeat_itself_takes_the_guess() -> None:
    x, mask = torch.randn(1, 1, 48, 48, generator=torch.Generator().manual_seed(0)), hole(48, 12, 30)
    guess = torch.full_like(x, 0.7)
    filled, expected = shift_fill.shift_fill(x, mask, guess)
    assert expected[mask > 0.5].min() > 1
    assert expected[mask < 0.5].abs().max() == 0
    off = (shift_fill.self_fill(x, mask, guess) - guess)[mask > 0.5].abs().mean()
    assert off < 0.3 * (filled - guess)[mask > 0.5].abs().mean()


def test_where_nothing_is_known_the_guess_stays() -> None:
    guess = torch.randn(1, 2, 9, 9)
    assert torch.equal(shift_fill.self_fill(torch.zeros(1, 2, 9, 9), torch.ones(1, 1, 9, 9), guess), guess)
