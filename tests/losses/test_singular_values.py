"""Singular value clipping against the singular value decomposition."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.losses.singular_values import clip_singular_values, clipped


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (3, 2, 2, 2, 2)])
def test_singular_values_are_cut_at_one_and_the_vectors_stay(shape: tuple[int, ...]) -> None:
    weight = 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, s, v = torch.linalg.svd(weight.flatten(1), full_matrices=False)
    assert float(s.max()) > 1 > float(s.min())
    by_hand = (u * s.clamp_max(1)) @ v
    torch.testing.assert_close(clipped(weight), by_hand.view(shape), rtol=1e-4, atol=1e-5)


def test_small_weights_and_a_weight_of_zeros_stay() -> None:
    weight = 0.01 * torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(clipped(weight), weight, rtol=1e-4, atol=1e-7)
    assert torch.equal(clipped(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_every_layer_of_a_network_and_the_gain_of_its_norms() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(2, 4, 2), nn.BatchNorm3d(4), nn.Flatten(), nn.Linear(4, 3))
    norm = network[1]
    assert isinstance(norm, nn.BatchNorm3d)
    assert norm.running_var is not None
    norm.running_var.copy_(torch.tensor([4.0, 0.25, 1.0, 1.0]))
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 1.0, -1.0, 0.5]))
        for layer in (network[0], network[3]):
            layer.weight.mul_(10)  # type: ignore[operator, union-attr]
    clip_singular_values(network)
    assert norm.weight.tolist() == pytest.approx([1.0, 0.5, 0.0, 0.5], abs=1e-4)
    for layer in (network[0], network[3]):
        values = torch.linalg.svdvals(layer.weight.detach().flatten(1))  # type: ignore[operator, union-attr]
        assert float(values.max()) == pytest.approx(1.0, abs=1e-4)
