"""Smoothed edges: where they are found, and that nothing else changes."""

from __future__ import annotations

import pytest
import torch

from gantlet.layers.corruption import blur
from gantlet.layers.edges import edge_strength, luminance, smooth_edges

STEP = torch.cat([-torch.ones(1, 3, 12, 12), torch.ones(1, 3, 12, 12)], 3)  # black, then white from column 12 on


def test_luminance() -> None:
    x = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    assert float(luminance(x)) == pytest.approx(0.299)
    assert float(luminance(torch.ones(1, 3, 1, 1))) == pytest.approx(1)
    assert float(luminance(torch.tensor([1.0, 2.0]).view(1, 2, 1, 1))) == 1.5


def test_strength_is_the_slope_per_pixel() -> None:
    """A ramp of 0.1 a pixel has slope 0.1 in any direction; a step of 2 is halved over the two pixels beside it."""
    ramp = (torch.arange(8) * 0.1).expand(1, 1, 8, 8)
    for x in (ramp, ramp.transpose(2, 3)):
        torch.testing.assert_close(edge_strength(x)[..., 1:-1, 1:-1], torch.full((1, 1, 6, 6), 0.1))
    assert edge_strength(STEP)[0, 0, 5].nonzero().flatten().tolist() == [11, 12]
    assert float(edge_strength(STEP)[0, 0, 5, 11]) == pytest.approx(1)


def test_only_the_neighbourhood_of_an_edge_is_blurred() -> None:
    smoothed = smooth_edges(STEP, threshold=0.1, reach=2, sigma=1.5)
    near = slice(11 - 2, 12 + 2 + 1)
    torch.testing.assert_close(smoothed[..., near], blur(STEP, 1.5)[..., near])
    assert torch.equal(smoothed[..., :9], STEP[..., :9])
    assert torch.equal(smoothed[..., 15:], STEP[..., 15:])
    assert not torch.allclose(smoothed, STEP)


def test_a_flat_picture_stays_and_each_picture_is_its_own() -> None:
    flat = torch.full((1, 1, 8, 8), 0.3)
    assert torch.equal(smooth_edges(flat), flat)
    noise = torch.rand(1, 3, 12, 24, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(smooth_edges(torch.cat([STEP, noise]))[:1], smooth_edges(STEP))


def test_it_is_the_same_picture_in_mixed_precision() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = smooth_edges(STEP)
    assert torch.equal(mixed, smooth_edges(STEP))
