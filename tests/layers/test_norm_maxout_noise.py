"""Conditional batch norm, maxout and noise against loops written by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.layers.conditional_norm import BatchNorm2d, ConditionalBatchNorm2d, batch_norm
from gantlet.layers.maxout import Maxout
from gantlet.layers.noise import GaussianNoise


def conditional(channels: int = 3, classes: int = 4) -> ConditionalBatchNorm2d:
    """Return a conditional norm with gains and biases that differ everywhere."""
    torch.manual_seed(0)
    norm = ConditionalBatchNorm2d(channels, classes)
    nn.init.normal_(norm.gain.weight)
    nn.init.normal_(norm.bias.weight)
    return norm


def test_conditional_batch_norm_equals_a_hand_loop() -> None:
    norm, x, y = conditional(), torch.randn(5, 3, 4, 2), torch.tensor([0, 3, 1, 1, 2])
    out = norm(x, y)
    for c in range(3):
        values = x[:, c]
        mean, variance = values.mean(), values.var(unbiased=False)
        for n in range(5):
            gain, bias = norm.gain.weight[y[n], c], norm.bias.weight[y[n], c]
            by_hand = gain * (x[n, c] - mean) / (variance + 1e-5).sqrt() + bias
            torch.testing.assert_close(out[n, c], by_hand, rtol=1e-5, atol=1e-6)


def test_its_running_statistics_serve_evaluation() -> None:
    norm, x, y = conditional(), torch.randn(64, 3, 4, 4) * 2 + 1, torch.zeros(64, dtype=torch.int64)
    for _ in range(200):
        norm(x, y)
    norm.eval()
    alone = norm(x[:1], y[:1])
    torch.testing.assert_close(alone, norm(x, y)[:1], rtol=1e-5, atol=1e-5)
    variance = x.transpose(0, 1).flatten(1).var(1)  # running variances are unbiased
    wanted = (x[:1] - x.mean((0, 2, 3), keepdim=True)) / (variance + 1e-5).sqrt()[None, :, None, None]
    wanted = wanted * norm.gain.weight[0][None, :, None, None] + norm.bias.weight[0][None, :, None, None]
    torch.testing.assert_close(alone, wanted, rtol=1e-3, atol=1e-3)


def test_it_begins_as_plain_batch_norm() -> None:
    x, y = torch.randn(6, 3, 4, 4), torch.randint(0, 4, (6,))
    torch.testing.assert_close(ConditionalBatchNorm2d(3, 4)(x, y), nn.BatchNorm2d(3)(x))


def test_batch_norm_chooses_by_the_number_of_classes() -> None:
    plain, other = batch_norm(3, 0), batch_norm(3, 5)
    assert isinstance(plain, BatchNorm2d)
    assert isinstance(other, ConditionalBatchNorm2d)
    assert other.gain.weight.shape == (5, 3)
    x = torch.randn(4, 3, 2, 2)
    torch.testing.assert_close(plain(x, torch.zeros(4, dtype=torch.int64)), nn.BatchNorm2d(3)(x))


def test_maxout_equals_a_hand_loop() -> None:
    torch.manual_seed(0)
    layer, x = Maxout(4, units=3, pieces=5), torch.randn(6, 4)
    weight, bias = layer.linear.weight.detach(), layer.linear.bias.detach()
    out = layer(x).detach()
    assert out.shape == (6, 3)
    for n in range(6):
        for unit in range(3):
            pieces = [float(weight[unit * 5 + p] @ x[n] + bias[unit * 5 + p]) for p in range(5)]
            assert float(out[n, unit]) == pytest.approx(max(pieces), rel=1e-5, abs=1e-6)


def test_maxout_sends_its_gradient_to_the_winning_piece_alone() -> None:
    layer, x = Maxout(2, units=1, pieces=3), torch.ones(1, 2)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.tensor([[0.0, 0.0], [2.0, 1.0], [1.0, 1.0]]))
        layer.linear.bias.zero_()
    layer(x).sum().backward()
    assert layer.linear.weight.grad is not None
    assert layer.linear.weight.grad.tolist() == [[0, 0], [1, 1], [0, 0]]


def test_noise_has_its_sigma_while_training_and_is_gone_in_evaluation() -> None:
    torch.manual_seed(0)
    x = torch.full((100, 1000), 3.0)
    out = GaussianNoise(0.2)(x)
    assert float((out - x).mean()) == pytest.approx(0, abs=0.005)
    assert float((out - x).std()) == pytest.approx(0.2, rel=0.02)
    assert torch.equal(GaussianNoise(0.2).eval()(x), x)
    assert torch.equal(GaussianNoise(0.0)(x), x)
