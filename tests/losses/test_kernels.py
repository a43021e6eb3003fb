"""Kernels and the maximum mean discrepancy against sums worked out by hand, point by point."""

from __future__ import annotations

from collections.abc import Callable
from math import exp

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from gantlet.losses.kernels import biased_mmd2, gaussian, rational_quadratic, unbiased_mmd2, witness
from gantlet.metrics.kernel import polynomial_kernel, squared_mmd

X = [(0.0, 0.0), (1.0, 0.0), (0.0, 2.0)]
Y = [(1.0, 1.0), (3.0, 0.0)]
Point = tuple[float, float]
Pair = Callable[[Point, Point], float]


def squared(a: Point, b: Point) -> float:
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2


def rq(a: Point, b: Point) -> float:
    """alpha = 1 and 2 (section 2.1 of Binkowski 2018), and half an inner product."""
    d = squared(a, b)
    return 1 / (1 + d / 2) + 1 / (1 + d / 4) ** 2 + 0.5 * (a[0] * b[0] + a[1] * b[1])


def rbf(a: Point, b: Point) -> float:
    d = squared(a, b)
    return exp(-d / 2) + exp(-d / 8)


KERNELS = {"rational quadratic": (rational_quadratic((1.0, 2.0), 0.5), rq), "gaussian": (gaussian((1.0, 2.0)), rbf)}


def mean(kernel: Pair, first: list[Point], second: list[Point], same: bool = False) -> float:
    pairs = [(a, b) for i, a in enumerate(first) for j, b in enumerate(second) if not (same and i == j)]
    return sum(kernel(a, b) for a, b in pairs) / len(pairs)


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_point_by_point(name: str) -> None:
    kernel, by_hand = KERNELS[name]
    wanted = torch.tensor([[by_hand(a, b) for b in Y] for a in X])
    torch.testing.assert_close(kernel(torch.tensor(X), torch.tensor(Y)), wanted)


def test_values_known_without_a_program() -> None:
    """Points 0 and 2 apart by 2: rq with alpha 2 is (1 + 4/4)^-2 = 1/4; a Gaussian of width 1 is e^-2."""
    a, b = torch.tensor([[0.0]]), torch.tensor([[2.0]])
    assert float(rational_quadratic((2.0,))(a, b)) == pytest.approx(0.25)
    assert float(gaussian((1.0,))(a, b)) == pytest.approx(exp(-2))
    assert float(rational_quadratic((0.2, 0.5, 1, 2, 5), 1.0)(b, b)) == pytest.approx(5 + 4)


@pytest.mark.parametrize("name", KERNELS)
def test_mmd_is_the_sum_over_pairs(name: str) -> None:
    kernel, by_hand = KERNELS[name]
    x, y = torch.tensor(X), torch.tensor(Y)
    cross = 2 * mean(by_hand, X, Y)
    biased = mean(by_hand, X, X) + mean(by_hand, Y, Y) - cross
    unbiased = mean(by_hand, X, X, same=True) + mean(by_hand, Y, Y, same=True) - cross
    assert float(biased_mmd2(kernel, x, y)) == pytest.approx(biased, rel=1e-5)
    assert float(unbiased_mmd2(kernel, x, y)) == pytest.approx(unbiased, rel=1e-5)


def test_two_points_each_worked_out_on_paper() -> None:
    """x = {0, 2}, y = {0, 2}, rq alpha 2: k(0, 2) = 1/4. Biased: 5/8 + 5/8 - 10/8 = 0; unbiased 1/4 + 1/4 - 5/4."""
    x = torch.tensor([[0.0], [2.0]])
    assert float(biased_mmd2(rational_quadratic((2.0,)), x, x)) == pytest.approx(0, abs=1e-7)
    assert float(unbiased_mmd2(rational_quadratic((2.0,)), x, x)) == pytest.approx(-0.75)


def test_the_metric_has_the_same_estimator() -> None:
    """KID's cubic kernel, put into the loss, gives the metric's number (metrics/kernel.py)."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, 6, generator=generator, dtype=torch.float64) for n in (9, 7))
    torch.testing.assert_close(unbiased_mmd2(polynomial_kernel, x, y + 0.3), squared_mmd(x, y + 0.3))


def test_unbiased_is_zero_on_average_where_biased_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(2, 8, 3, generator=generator) for _ in range(300)]
    kernel = gaussian((1.0,))
    unbiased = torch.stack([unbiased_mmd2(kernel, x, y) for x, y in draws])
    biased = torch.stack([biased_mmd2(kernel, x, y) for x, y in draws])
    assert abs(float(unbiased.mean())) < 3 * float(unbiased.std()) / 300**0.5
    assert float(biased.min()) >= -1e-6
    assert float(biased.mean()) > 0.1


def test_witness_is_high_where_real_points_are() -> None:
    kernel, by_hand = KERNELS["rational quadratic"]
    wanted = [mean(by_hand, [p], X) - mean(by_hand, [p], Y) for p in [*X, *Y]]
    found = witness(kernel, torch.tensor(X + Y), torch.tensor(X), torch.tensor(Y))
    assert found.tolist() == pytest.approx(wanted, rel=1e-4, abs=1e-6)
    assert float(found[0]) > 0 > float(found[-1])


@pytest.mark.parametrize("name", KERNELS)
def test_derivatives(name: str) -> None:
    kernel, _ = KERNELS[name]
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(n, 3, generator=generator, dtype=torch.float64).requires_grad_() for n in (4, 5))

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return unbiased_mmd2(kernel, x, y)

    assert gradcheck(loss, (x, y))
    assert gradgradcheck(lambda x, y: witness(kernel, x, x * 2, y), (x, y))


def test_bfloat16_features_are_compared_in_float32() -> None:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = unbiased_mmd2(gaussian((1.0,)), x.bfloat16(), (x + 1).bfloat16())
    wanted = unbiased_mmd2(gaussian((1.0,)), x.bfloat16().float(), (x + 1).bfloat16().float())
    assert found.dtype == torch.float32
    assert torch.equal(found, wanted)
