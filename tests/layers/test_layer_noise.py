"""Noise inside a generator, and the ladder of noise before a discriminator."""

from __future__ import annotations

import pytest
import torch

from gantlet.layers.diffusion_ladder import DiffusionLadder
from gantlet.layers.layer_noise import PixelNoise


def test_noise_starts_without_effect_and_is_scaled_per_map() -> None:
    layer, x, noise = PixelNoise(3), torch.randn(2, 3, 4, 5), torch.randn(2, 1, 4, 5)
    assert torch.equal(layer(x, noise), x)
    assert torch.equal(layer(x, None), x)
    layer.strength.data = torch.tensor([0.0, 1.0, -2.0])
    found = layer(x, noise) - x
    torch.testing.assert_close(found, torch.cat([0 * noise, noise, -2 * noise], 1), rtol=0, atol=1e-6)
    layer(x, noise).sum().backward()
    assert layer.strength.grad is not None
    torch.testing.assert_close(layer.strength.grad, noise.sum().expand(3))


def ladder(**changes: float) -> DiffusionLadder:
    """Return a ladder of 100 rungs, 10 of them in use, that grows by half a rung a sample."""
    settings = dict(steps=100, shortest=10, sigma=0.05, target=0.6, samples=180, interval=4)
    return DiffusionLadder(**{**settings, **changes})  # type: ignore[arg-type]


def test_rungs_are_those_of_the_diffusion() -> None:
    found = ladder()
    kept = 1.0
    for rung in range(1, 101):
        kept *= 1 - (1e-4 + (0.02 - 1e-4) * (rung - 1) / 99)
        assert float(found.signal[rung]) == pytest.approx(kept**0.5, rel=1e-5)
        assert float(found.noise[rung]) == pytest.approx(0.05 * (1 - kept) ** 0.5, rel=1e-4)
    assert (float(found.signal[0]), float(found.noise[0])) == (1, 0)


def test_half_of_the_pictures_stay_and_the_others_are_spread_over_the_ladder() -> None:
    x = torch.ones(4000, 1, 1, 1)
    uniform = torch.arange(4000) / 4000
    shown = ladder()(x, uniform, torch.zeros_like(x))
    assert shown.shape == (4000, 2, 1, 1)
    rungs = (shown[:, 1, 0, 0] * 100).round().long()
    shares = torch.bincount(rungs) / 4000
    assert len(shares) == 11
    assert float(shares[0]) == pytest.approx(0.5, abs=0.001)
    torch.testing.assert_close(shares[1:], torch.full((10,), 0.05), rtol=0, atol=0.001)
    torch.testing.assert_close(shown[:, 0, 0, 0], ladder().signal[rungs])


def test_the_ladder_grows_while_d_is_too_sure_and_shrinks_while_it_is_not() -> None:
    found = ladder()
    for step in range(5):
        found.adapt(step)
        found.watch(torch.full((8,), 3.0))
        assert float(found.length) == (26 if step == 4 else 10)  # 4 steps of 8 samples, half a rung each
    for step in range(5, 9):
        found.adapt(step)
        found.watch(torch.tensor([1.0, 1, 1, 1, 1, 1, -1, -1]))  # mean sign .5, below .6
    assert float(found.length) == 42  # steps 4 to 7: (8 + 3 * 4) / 32 is above .6
    found.adapt(12)
    assert float(found.length) == 38  # 8 samples of step 8, mean sign .5
    for step in range(16, 60, 4):
        found.watch(torch.full((8,), -1.0))
        found.adapt(step)
    assert float(found.length) == 10  # never below the shortest


def test_parts_of_a_batch_see_the_same_ladder_and_the_state_is_in_buffers() -> None:
    found = ladder()
    found.watch(torch.ones(64))
    found.adapt(4)
    after = float(found.length)
    assert after > 10
    found.watch(torch.ones(64))
    found.adapt(4)
    assert float(found.length) == after
    other = ladder()
    other.load_state_dict(found.state_dict())
    assert (float(other.length), float(other.seen), int(other.last)) == (after, 64, 4)
