"""Phase shuffle (Donahue et al., 2018, arXiv:1802.04208, section 3.2): D must not judge by the phase of artefacts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PhaseShuffle(nn.Module):
    """Moves features [N, C, T] by a random -n to n places while training, its ends filled by reflection.

    One shift per call, as in the authors' code: reals and fakes of one pass are moved alike. Drawn on the CPU, whose
    generator the engine keys at every update; no device is waited for.
    """

    def __init__(self, n: int = 2) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        n = min(self.n, x.shape[-1] - 1)
        if not self.training or n <= 0:
            return x
        shift = int(torch.randint(-n, n + 1, ()))
        return moved(x, shift)


def moved(x: Tensor, shift: int) -> Tensor:
    """Return x [N, C, T] moved right by `shift` places (left if negative), what is missing reflected."""
    if shift == 0:
        return x
    if shift > 0:
        return F.pad(x, (shift, 0), mode="reflect")[..., : x.shape[-1]]
    return F.pad(x, (0, -shift), mode="reflect")[..., -x.shape[-1] :]
