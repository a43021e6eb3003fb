"""Moving averages of weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def decay(batch_size: int, halflife: int, samples: int, ramp: float = 0.05) -> float:
    """Return the factor that keeps half of an old weight after `halflife` samples.

    Early on the half-life is at most `ramp` of the samples seen, so that the average forgets the random start
    (Karras 2020, EMA ramp-up).
    """
    return float(0.5 ** (batch_size / max(min(halflife, ramp * samples), 1e-8)))


@torch.no_grad()
def update(averaged: nn.Module, live: nn.Module, keep: float) -> None:
    """Move `averaged` towards `live`: keep * averaged + (1 - keep) * live.

    Floating-point buffers (the statistics of batch norm) are averaged like weights, others are copied.
    """
    old: list[Tensor] = list(averaged.parameters())
    new: list[Tensor] = list(live.parameters())
    for a, b in zip(averaged.buffers(), live.buffers(), strict=True):
        if a.is_floating_point():
            old.append(a)
            new.append(b)
        else:
            a.copy_(b)
    torch._foreach_lerp_(old, new, 1.0 - keep)
