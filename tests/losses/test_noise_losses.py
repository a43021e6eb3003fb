"""Losses of the NoiseGAN family: closed forms of the gradient form of instance noise, and of the diversity term."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gantlet.losses.diversity_sensitive import diversity_sensitive
from gantlet.losses.penalties import instance_noise_penalty


def test_the_gradient_form_of_a_linear_critic() -> None:
    """f(x) = <w, x>: the gradient is w, so what is left are the weights (1 - D)^2 and D^2."""
    w = torch.tensor([0.5, -1.0, 2.0])
    real, fake = torch.randn(6, 3), torch.randn(6, 3)
    found = instance_noise_penalty(lambda x: x @ w, real, fake)
    d_real, d_fake = torch.sigmoid(real @ w), torch.sigmoid(fake @ w)
    torch.testing.assert_close(found.detach(), ((1 - d_real) ** 2 + d_fake**2) * 5.25)


def test_it_is_the_second_order_of_noise_on_the_inputs() -> None:
    """E softplus(-f(x + n)) - softplus(-f(x)) = var/2 D(1 - D) |w|^2 + ..., and Roth 2017 makes of it (1 - D)^2.

    At the optimum of a pair of equal distributions, D = 1/2 everywhere, the two agree: 1/4 each, 1/2 together.
    """
    w, x, sigma = torch.tensor([0.6, -0.8]), torch.zeros(1, 2), 0.1
    n = sigma * torch.randn(400_000, 2, generator=torch.Generator().manual_seed(0))
    noisy = torch.nn.functional.softplus(-(x + n) @ w).mean() + torch.nn.functional.softplus((x + n) @ w).mean()
    plain = 2 * torch.nn.functional.softplus(torch.zeros(()))
    penalty = sigma**2 / 2 * instance_noise_penalty(lambda x: x @ w, x, x)
    assert float(noisy - plain) == pytest.approx(float(penalty.detach()), rel=0.05)


def test_the_gradient_form_trains_the_critic_and_stays_in_float32() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1), torch.nn.Flatten(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = instance_noise_penalty(network, torch.randn(5, 3), torch.randn(5, 3))
    assert (found.dtype, found.shape) == (torch.float32, (5,))
    found.mean().backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in network.parameters())


def test_the_diversity_term_is_a_ratio_of_mean_absolute_differences() -> None:
    first, second = torch.zeros(2, 1, 2, 2), torch.tensor([1.0, 3.0]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    z_first, z_second = torch.zeros(2, 4), torch.tensor([[1.0, 1, 1, 1], [2.0, 2, 0, 0]])
    assert diversity_sensitive(first, second, z_first, z_second).tolist() == [-1.0, -3.0]
    same = torch.randn(2, 3, requires_grad=True)
    value: Tensor = diversity_sensitive(same, same.detach() + 1, z_first, z_second).sum()
    value.backward()
    assert same.grad is not None
    assert bool((same.grad > 0).all())  # to move towards the other is what it makes dear
