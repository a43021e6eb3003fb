"""The distance between the noise of two sets of pictures."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gantlet.losses.noise_statistics import _lag, _places, noise_distance


def smooth(count: int = 8, side: int = 40, seed: int = 0) -> torch.Tensor:
    """Return pictures [N, 1, S, S] of slopes in [-0.9, 0.9]."""
    made = torch.Generator().manual_seed(seed)
    ends = torch.rand(count, 1, 2, 2, generator=made) * 1.8 - 0.9
    return F.interpolate(ends, (side, side), mode="bilinear", align_corners=True)


def noisy(sigma: float, slope: float = 0.0, correlated: float = 0.0, seed: int = 0) -> torch.Tensor:
    x = smooth(seed=seed)
    normal = torch.randn(*x.shape[:3], x.shape[3] + 1, generator=torch.Generator().manual_seed(seed + 100))
    normal = (normal[..., 1:] + correlated * normal[..., :-1]) / (1 + correlated**2) ** 0.5
    return x + (sigma + slope * x) * normal


def test_the_same_noise_on_other_pictures_is_near_and_other_noise_is_far() -> None:
    first = noisy(0.1)
    near = float(noise_distance(first, noisy(0.1, seed=1)))
    assert near < 0.05
    for other in (noisy(0.2, seed=1), noisy(0.1, slope=0.09, seed=1), noisy(0.1, correlated=0.8, seed=1)):
        assert float(noise_distance(first, other)) > 2 * near
    assert float(noise_distance(first, first)) == 0


def test_twice_the_noise_is_the_square_of_log_two_away() -> None:
    """What straight slopes add is nothing, so sizes double exactly, and correlations stay."""
    flat = torch.zeros(2, 1, 16, 16)
    normal = torch.randn(flat.shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    assert float(noise_distance(flat + normal, flat + 2 * normal)) == pytest.approx(0.6931**2, rel=0.02)


def test_pictures_without_noise_give_a_finite_gradient() -> None:
    x = torch.zeros(1, 2, 8, 8, requires_grad=True)
    noise_distance(x, torch.rand(1, 2, 8, 8)).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_lags_are_products_of_values_so_far_apart() -> None:
    x = torch.randn(1, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    assert len(_places(2)) == (5 * 5 - 1) // 2
    for down, across in _places(2):
        wanted = [
            float(x[0, 0, y, z] * x[0, 0, y + down, z + across])
            for y in range(4 - down)
            for z in range(5)
            if 0 <= z + across < 5
        ]
        assert float(_lag(x, down, across)) == pytest.approx(sum(wanted) / len(wanted), abs=1e-6)
