"""Distances of two tensors, by hand."""

from __future__ import annotations

import pytest
import torch

from gantlet.losses.similarity import feature_distance, l1

X = torch.tensor([[[0.0, 1.0], [2.0, 3.0]], [[0.0, 0.0], [0.0, 0.0]]])
Y = torch.tensor([[[0.0, 0.0], [4.0, 3.0]], [[1.0, 1.0], [1.0, 1.0]]])


def test_l1_is_a_mean_per_sample() -> None:
    assert l1(X, Y).tolist() == [0.75, 1.0]


def test_a_distance_is_float32_whatever_comes_in() -> None:
    assert l1(X.bfloat16(), Y.bfloat16()).dtype == torch.float32


def test_feature_distance_weighs_every_map_alike() -> None:
    """A map of 4 values and one of 1: (0.75 + 2) / 2 and (1 + 4) / 2."""
    first, second = [X, torch.tensor([[1.0], [2.0]])], [Y, torch.tensor([[3.0], [-2.0]])]
    assert feature_distance(first, second).tolist() == [1.375, 2.5]
    for wrong in ([], [X]):
        with pytest.raises(ValueError, match="as many maps"):
            feature_distance(wrong, second if wrong else [])
