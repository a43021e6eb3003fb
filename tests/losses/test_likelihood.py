"""Likelihoods and KL against numbers worked out by hand with `math`."""

from __future__ import annotations

from math import exp, log, pi

import pytest
import torch

from gantlet.losses.likelihood import bernoulli_nll, gaussian_nll, kl_from_standard_normal


def test_bernoulli_by_hand() -> None:
    logits, x = [[0.0, 2.0], [-1.5, 30.0]], [[0.25, 1.0], [0.0, 1.0]]
    sigmoid = [[1 / (1 + exp(-logit)) for logit in row] for row in logits]
    expected = [
        -sum(p * log(s) + ((1 - p) * log(1 - s) if p < 1 else 0.0) for p, s in zip(a, b))
        for a, b in zip(x, sigmoid, strict=True)
    ]
    found = bernoulli_nll(torch.tensor(logits).view(2, 1, 1, 2), torch.tensor(x).view(2, 1, 1, 2))
    assert found.tolist() == pytest.approx(expected, rel=1e-6)


def test_bernoulli_sums_over_pixels() -> None:
    """An all-grey guess costs log 2 per pixel: 784 log 2 = 543 nats on MNIST, not 0.69."""
    found = bernoulli_nll(torch.zeros(3, 1, 28, 28), torch.rand(3, 1, 28, 28))
    assert found.tolist() == pytest.approx([784 * log(2)] * 3, rel=1e-6)


def test_gaussian_by_hand() -> None:
    mean, x = [[0.0, 1.0], [2.0, -1.0]], [[1.0, 1.0], [-1.0, 3.0]]
    expected = [(1 + 0 + 2 * log(2 * pi)) / 2, (9 + 16 + 2 * log(2 * pi)) / 2]
    assert gaussian_nll(torch.tensor(mean), torch.tensor(x)).tolist() == pytest.approx(expected, rel=1e-6)


def test_gaussian_is_the_density_of_torch() -> None:
    mean, x = torch.randn(4, 2, 3), torch.randn(4, 2, 3)
    expected = -torch.distributions.Normal(mean, 1.0).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(gaussian_nll(mean, x), expected)


def test_kl_by_hand() -> None:
    mean, log_variance = [[0.0, 0.0], [1.0, -2.0]], [[0.0, 0.0], [log(0.25), log(4.0)]]
    expected = [0.0, (1 + 0.25 - log(0.25) - 1) / 2 + (4 + 4 - log(4.0) - 1) / 2]
    found = kl_from_standard_normal(torch.tensor(mean), torch.tensor(log_variance))
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_halves_of_precision_are_summed_in_whole() -> None:
    """784 terms in bfloat16 would be off by whole nats."""
    logits, x = torch.randn(2, 784), torch.rand(2, 784)
    low = bernoulli_nll(logits.bfloat16(), x)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, bernoulli_nll(logits.bfloat16().float(), x))
    assert kl_from_standard_normal(logits.bfloat16(), logits.bfloat16()).dtype == torch.float32
    assert gaussian_nll(logits.bfloat16(), logits.bfloat16()).dtype == torch.float32
