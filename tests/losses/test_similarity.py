"""Distances of two tensors, by hand."""

from __future__ import annotations

import pytest
import torch

from gantlet.losses.similarity import charbonnier, feature_distance, l1

X = torch.tensor([[[0.0, 1.0], [2.0, 3.0]], [[0.0, 0.0], [0.0, 0.0]]])
Y = torch.tensor([[[0.0, 0.0], [4.0, 3.0]], [[1.0, 1.0], [1.0, 1.0]]])


def test_l1_is_a_mean_per_sample() -> None:
    assert l1(X, Y).tolist() == [0.75, 1.0]


def test_charbonnier_rounds_the_corner_at_zero() -> None:
    by_hand = [(0.5 + (1 + 0.25) ** 0.5 + (4 + 0.25) ** 0.5 + 0.5) / 4, (1 + 0.25) ** 0.5]
    assert charbonnier(X, Y, 0.5).tolist() == pytest.approx(by_hand)
    x = torch.zeros(1, 4, requires_grad=True)
    charbonnier(x, torch.zeros(1, 4)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0] * 4]


def test_distances_are_float32_whatever_comes_in() -> None:
    assert {loss(X.bfloat16(), Y.bfloat16()).dtype for loss in (l1, charbonnier)} == {torch.float32}


def test_feature_distance_weighs_every_map_alike() -> None:
    """A map of 4 values and one of 1: (0.75 + 2) / 2 and (1 + 4) / 2."""
    first, second = [X, torch.tensor([[1.0], [2.0]])], [Y, torch.tensor([[3.0], [-2.0]])]
    assert feature_distance(first, second).tolist() == [1.375, 2.5]
    for wrong in ([], [X]):
        with pytest.raises(ValueError, match="as many maps"):
            feature_distance(wrong, second if wrong else [])
