"""Maxout (Goodfellow 2013)."""

from __future__ import annotations

from torch import Tensor, nn


class Maxout(nn.Module):
    """The largest of `pieces` linear maps per unit: [N, in] -> [N, units]."""

    def __init__(self, in_features: int, units: int, pieces: int) -> None:
        super().__init__()
        self.units, self.pieces = units, pieces
        self.linear = nn.Linear(in_features, units * pieces)

    def forward(self, x: Tensor) -> Tensor:
        mapped: Tensor = self.linear(x)
        return mapped.view(-1, self.units, self.pieces).amax(2)
