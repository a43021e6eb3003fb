"""Known corruptions: mean, variance and place of what they do, on pictures where it can be worked out."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import pytest
import torch
from torch import Tensor

from gantlet.layers import corruption

SHAPE = (64, 2, 16, 16)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def uniform(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def grey(value: float) -> Tensor:
    return torch.full(SHAPE, value)


@pytest.mark.parametrize(
    ("corrupt", "deviation"),
    [
        (lambda x: corruption.gaussian(x, 0.2, normal(*SHAPE)), lambda i: 0.2),
        (lambda x: corruption.multiplicative(x, 0.2, normal(*SHAPE)), lambda i: 0.2 * i),
        (lambda x: corruption.poisson(x, 50, normal(*SHAPE)), lambda i: sqrt(i / 50)),
        (lambda x: corruption.speckle(x, uniform(64, 4, *SHAPE[1:])), lambda i: i / sqrt(4)),
    ],
    ids=["gaussian", "multiplicative", "poisson", "speckle of 4 looks"],
)
@pytest.mark.parametrize("value", [0.25, 1.0])
def test_noise_keeps_the_mean_and_has_the_published_deviation(
    corrupt: Callable[[Tensor], Tensor], deviation: Callable[[float], float], value: float
) -> None:
    found = corrupt(grey(value))
    assert float(found.mean()) == pytest.approx(value, abs=0.01)
    assert float(found.std()) == pytest.approx(deviation(value), rel=0.03)


def test_shot_noise_is_that_of_counted_events() -> None:
    """The normal approximation against true Poisson counts at 30 events for white, a grey of .5."""
    counted = torch.poisson(grey(0.5) * 30, generator=torch.Generator().manual_seed(2)) / 30
    found = corruption.poisson(grey(0.5), 30, normal(*SHAPE))
    assert float(found.mean()) == pytest.approx(float(counted.mean()), abs=0.005)
    assert float(found.std()) == pytest.approx(float(counted.std()), rel=0.03)


def test_shot_noise_of_black_is_small_and_its_gradient_finite() -> None:
    x = torch.zeros(SHAPE, requires_grad=True)
    found = corruption.poisson(x, 30, normal(*SHAPE))
    found.sum().backward()
    assert float(found.detach().std()) < 0.002
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_salt_and_pepper_in_equal_parts() -> None:
    found = corruption.salt_and_pepper(grey(0.3), 0.2, uniform(*SHAPE))
    assert float((found == 0).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert float((found == 1).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert float((found == 0.3).float().mean()) == pytest.approx(0.8, abs=0.01)


def test_a_mask_takes_all_channels_of_a_pixel() -> None:
    found = corruption.mask(grey(0.3), 0.4, uniform(64, 1, 16, 16))
    assert torch.equal(found[:, 0], found[:, 1])
    assert float((found == 0).float().mean()) == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("sigma", [0.7, 1.5])
def test_blur_of_a_point_is_a_gaussian_that_keeps_the_sum(sigma: float) -> None:
    point = torch.zeros(1, 2, 33, 33)
    point[0, 0, 16, 16] = 1.0
    found = corruption.blur(point, sigma)
    assert float(found[0, 1].abs().max()) == 0  # channels do not mix
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)
    offsets = torch.arange(33) - 16.0
    assert float((found[0, 0].sum(0) * offsets.square()).sum()) == pytest.approx(sigma**2, rel=0.08)
    torch.testing.assert_close(found[0, 0], found[0, 0].t())
    torch.testing.assert_close(corruption.blur(grey(0.3), sigma), grey(0.3))  # nor do borders darken


def test_intensity_and_back() -> None:
    pictures = torch.tensor([-0.5, 0.0, 0.5])
    assert corruption.to_intensity(pictures, -0.5, 0.5).tolist() == [0, 0.5, 1]
    assert corruption.to_intensity(torch.tensor([-1.0, 1.0])).tolist() == [0, 1]
    torch.testing.assert_close(corruption.to_picture(corruption.to_intensity(pictures, -0.2, 0.9), -0.2, 0.9), pictures)


def test_turning_is_by_every_quarter_and_keeps_the_values() -> None:
    x = torch.arange(18.0).view(1, 2, 3, 3).expand(4, -1, -1, -1)
    found = corruption.rotate(x, torch.tensor([0.0, 0.3, 0.6, 0.99]))
    for turn in range(4):
        assert torch.equal(found[turn], torch.rot90(x[0], turn, (1, 2)))
    oblong = torch.arange(12.0).view(1, 1, 3, 4).expand(2, -1, -1, -1)
    found = corruption.rotate(oblong, torch.tensor([0.49, 0.51]))
    assert torch.equal(found[0], oblong[0])
    assert torch.equal(found[1], oblong[0].flip((1, 2)))


def test_channels_are_permuted_and_inverted_whole() -> None:
    x = normal(200, 3, 4, 4)
    shuffled = corruption.shuffle_channels(x, uniform(200, 3))
    orders = {
        tuple(next(j for j in range(3) if torch.equal(a, b[j])) for a in new)
        for new, b in zip(shuffled, x, strict=True)
    }
    assert len(orders) == 6
    inverted = corruption.invert_channels(x, uniform(200, 3))
    same = (inverted == x).flatten(2).all(2)
    assert torch.equal(same, ~(inverted == -x).flatten(2).all(2))
    assert float(same.float().mean()) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    "corrupt",
    [
        lambda x, n, u: corruption.gaussian(x, 0.2, n),
        lambda x, n, u: corruption.multiplicative(x, 0.2, n),
        lambda x, n, u: corruption.poisson(x, 50, n),
        lambda x, n, u: corruption.speckle(x, u[:, None]),
        lambda x, n, u: corruption.salt_and_pepper(x, 0.2, u),
        lambda x, n, u: corruption.mask(x, 0.2, u[:, :1]),
        lambda x, n, u: corruption.blur(x, 0.8),
    ],
)
def test_every_corruption_passes_gradcheck(corrupt: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    x = (0.2 + 0.6 * uniform(1, 2, 3, 3)).double().requires_grad_(True)
    n, u = normal(1, 2, 3, 3).double(), uniform(1, 2, 3, 3).double()
    assert torch.autograd.gradcheck(lambda x: corrupt(x, n, u), (x,))
