"""The relativistic average game against its equations, written out for two logits of each kind."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from gantlet.losses.relativistic_average import relativistic_average


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def test_both_sides_are_equations_1_and_2_of_esrgan() -> None:
    real, fake = [1.0, 2.0], [-1.0, 0.5]
    real_mean, fake_mean = 1.5, -0.25
    d_loss = (
        -sum(log(sigmoid(x - fake_mean)) for x in real) / 2 - sum(log(1 - sigmoid(x - real_mean)) for x in fake) / 2
    )
    g_loss = (
        -sum(log(1 - sigmoid(x - fake_mean)) for x in real) / 2 - sum(log(sigmoid(x - real_mean)) for x in fake) / 2
    )
    given = torch.tensor(real), torch.tensor(fake)
    assert float(relativistic_average.discriminator(*given).mean()) == pytest.approx(d_loss, rel=1e-5)
    assert float(relativistic_average.generator(*given).mean()) == pytest.approx(g_loss, rel=1e-5)
    assert relativistic_average.relativistic
