"""The first samples a run meets, kept in a buffer: what virtual batch norm takes its statistics from."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ReferenceBatch(nn.Module):
    """Keeps the first batch it is given, cut or repeated to `size` rows, and hands it out ever after.

    With several processes all keep those of the first one.
    """

    holds_rows = ("rows",)
    rows: Tensor
    filled: Tensor

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(size, *shape))
        self.register_buffer("filled", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def keep(self, x: Tensor) -> None:
        """Keep x [N, ...] if nothing is kept yet."""
        first = x.detach().float()[torch.arange(len(self.rows), device=x.device) % len(x)]
        self.rows.copy_(torch.where(self.filled, self.rows, first))
        self.filled.fill_(True)

    def forward(self) -> Tensor:
        """Return a copy of the rows: a later `keep` must not change what a graph holds."""
        return self.rows.clone()
