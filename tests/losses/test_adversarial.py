"""Adversarial and class losses against numbers worked out by hand with `math`, at several logits."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from gantlet.losses.adversarial import (
    AdversarialLoss,
    hinge,
    least_squares,
    minimax,
    nonsaturating,
    relativistic,
    wasserstein,
)
from gantlet.losses.likelihood import class_loss

REAL = (0.0, 2.0, -1.5, 0.5, 30.0)
FAKE = (0.0, -1.0, 3.0, 0.25, -40.0)


def probability(logit: float) -> float:
    """Return D(x) as the papers write it."""
    return 1 / (1 + exp(-logit))


def log_of_one_minus(logit: float) -> float:
    """Return log(1 - D(x)) without cancellation: 1 - D(x) = 1 / (1 + e^logit)."""
    return -log(1 + exp(logit))


CASES = {
    "minimax": (
        minimax,
        lambda r, f: -log(probability(r)) - log_of_one_minus(f),
        lambda r, f: log_of_one_minus(f),
    ),
    "nonsaturating": (
        nonsaturating,
        lambda r, f: -log(probability(r)) - log_of_one_minus(f),
        lambda r, f: log(1 + exp(-f)),
    ),
    "least_squares": (
        least_squares,
        lambda r, f: ((r - 1) ** 2 + f**2) / 2,
        lambda r, f: (f - 1) ** 2 / 2,
    ),
    "wasserstein": (wasserstein, lambda r, f: f - r, lambda r, f: -f),
    "hinge": (hinge, lambda r, f: max(0.0, 1 - r) + max(0.0, 1 + f), lambda r, f: -f),
    "relativistic": (
        relativistic,
        lambda r, f: -log(probability(r - f)),
        lambda r, f: log(1 + exp(r - f)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_both_sides_have_the_value_of_their_formula(name: str) -> None:
    loss, discriminator, generator = CASES[name]
    real, fake = torch.tensor(REAL, dtype=torch.float64), torch.tensor(FAKE, dtype=torch.float64)
    of_d, of_g = loss.discriminator(real, fake), loss.generator(real, fake)
    assert of_d.shape == of_g.shape == real.shape
    wanted_d = [discriminator(r, f) for r, f in zip(REAL, FAKE, strict=True)]
    wanted_g = [generator(r, f) for r, f in zip(REAL, FAKE, strict=True)]
    torch.testing.assert_close(of_d, torch.tensor(wanted_d, dtype=torch.float64), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(of_g, torch.tensor(wanted_g, dtype=torch.float64), rtol=1e-9, atol=1e-12)


def numbers(loss: AdversarialLoss, real: float, fake: float) -> tuple[float, float]:
    """Return both sides' losses at one pair of logits."""
    r, f = torch.tensor([real], dtype=torch.float64), torch.tensor([fake], dtype=torch.float64)
    return float(loss.discriminator(r, f)), float(loss.generator(r, f))


def test_numbers_that_papers_print() -> None:
    assert numbers(minimax, 0, 0) == pytest.approx((2 * log(2), -log(2)))  # D = 1/2: the value of the game is -log 4
    assert numbers(nonsaturating, 0, 0) == pytest.approx((2 * log(2), log(2)))
    assert numbers(least_squares, 1, 0) == pytest.approx((0.0, 0.5))
    assert numbers(wasserstein, 3, 1) == pytest.approx((-2.0, -1.0))
    assert numbers(hinge, 1.5, -1.25) == pytest.approx((0.0, 1.25))  # beyond the margins D is content
    assert numbers(hinge, 0.25, 0.5) == pytest.approx((0.75 + 1.5, -0.5))
    assert numbers(relativistic, 2, 2) == pytest.approx((log(2), log(2)))  # only the difference counts


@pytest.mark.parametrize("name", CASES)
def test_high_means_real(name: str) -> None:
    """D's loss falls when a real logit rises or a fake one falls; G's falls when a fake logit rises."""
    loss = CASES[name][0]
    real, fake = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    by_real, by_fake = torch.autograd.grad(loss.discriminator(real + 0.1, fake + 0.1).sum(), (real, fake))
    (for_g,) = torch.autograd.grad(loss.generator(real.detach(), fake).sum(), fake)
    assert by_real < 0 < by_fake
    assert for_g < 0


def test_only_the_minimax_generator_saturates() -> None:
    """Where D is sure (logit -20) the 1/D slope of -log D stays near -1 and log(1 - D) is flat."""
    fake = torch.tensor([-20.0], dtype=torch.float64, requires_grad=True)
    (flat,) = torch.autograd.grad(minimax.generator(fake, fake).sum(), fake)
    (steep,) = torch.autograd.grad(nonsaturating.generator(fake, fake).sum(), fake)
    assert abs(float(flat)) == pytest.approx(probability(-20), rel=1e-6)
    assert float(steep) == pytest.approx(-1, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_extreme_logits_stay_finite(name: str) -> None:
    loss = CASES[name][0]
    real, fake = torch.tensor([-1e4, 1e4, -1e4]), torch.tensor([1e4, -1e4, -1e4])
    assert torch.isfinite(loss.discriminator(real, fake)).all()
    assert torch.isfinite(loss.generator(real, fake)).all()


def test_the_relativistic_flag_tells_whether_g_reads_the_real_logits() -> None:
    for name, (loss, _, _) in CASES.items():
        real = torch.zeros(1, requires_grad=True)
        out = loss.generator(real, torch.zeros(1, requires_grad=True)).sum()
        (gradient,) = torch.autograd.grad(out, real, allow_unused=True)
        assert (gradient is not None) == loss.relativistic == (name == "relativistic")


def test_class_loss_is_cross_entropy_per_sample_of_raw_logits() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [10.0, -10.0, 0.0]])
    y = torch.tensor([2, 0, 1])
    by_hand = [
        log(exp(1) + exp(2) + exp(3)) - 3,
        log(3),
        log(exp(10) + exp(-10) + 1) + 10,
    ]
    loss = class_loss(logits, y)
    assert loss.tolist() == pytest.approx(by_hand, rel=1e-5)
    assert class_loss(logits.bfloat16(), y).dtype == torch.float32
