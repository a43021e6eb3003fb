"""Minibatch discrimination and virtual batch norm, against slow references."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.layers.minibatch_discrimination import MinibatchDiscrimination
from gantlet.layers.virtual_batch_norm import VirtualBatchNorm2d


def test_discrimination_is_a_sum_over_the_other_samples() -> None:
    torch.manual_seed(0)
    layer = MinibatchDiscrimination(6, kernels=4, dim=3)
    x = torch.randn(5, 6)
    out = layer(x)
    assert out.shape == (5, 10)
    assert torch.equal(out[:, :6], x)
    M = torch.einsum("nf,fkd->nkd", x, layer.T)
    for i in range(5):
        for b in range(4):
            expected = sum(torch.exp(-(M[i, b] - M[j, b]).abs().sum()) for j in range(5) if j != i)
            assert out[i, 6 + b].item() == pytest.approx(float(torch.as_tensor(expected).detach()), rel=1e-4)


def test_identical_samples_are_as_close_as_can_be() -> None:
    layer = MinibatchDiscrimination(6, kernels=4)
    assert layer(torch.ones(5, 6))[:, 6:].detach().unique().tolist() == pytest.approx([4.0])
    assert layer(torch.ones(1, 6))[:, 6:].abs().sum() == 0


def test_virtual_batch_norm_is_statistics_of_the_reference_and_the_sample() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    layer = VirtualBatchNorm2d(norm, 4)
    x = torch.randn(4 + 2, 3, 5, 5) * 2 + 1
    out = layer(x)
    reference = x[:4]
    for i, sample in enumerate(x):
        together = reference if i < 4 else torch.cat([reference, sample[None]])
        mean, variance = together.mean((0, 2, 3)), together.var((0, 2, 3), correction=0)
        normalised = (sample - mean[:, None, None]) / (variance[:, None, None] + norm.eps).sqrt()
        expected = normalised * norm.weight[:, None, None] + norm.bias[:, None, None]
        torch.testing.assert_close(out[i], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer(x[:5])[4], out[4])
    plain = VirtualBatchNorm2d(nn.BatchNorm2d(3, affine=False), 4)
    torch.testing.assert_close(plain(x)[:4], nn.BatchNorm2d(3, affine=False)(reference), rtol=1e-4, atol=1e-5)
