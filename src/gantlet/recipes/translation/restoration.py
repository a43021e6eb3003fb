"""What recipes that restore pictures share: the statistics they report, their signs of trouble, falling rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from gantlet.recipe import Progress
from gantlet.recipes.optimizers import cosine_decay
from gantlet.recipes.signs import all_knowing_discriminator, dead_discriminator

RESTORATION = (all_knowing_discriminator, dead_discriminator)  # a restored picture has no diversity to lose

Schedule = Callable[[Progress], Mapping[str, Any]]


def report_psnr(progress: Progress, restored: Tensor, clean: Tensor, name: str = "psnr") -> None:
    """Report the mean over samples of the peak signal-to-noise ratio of pictures in [-1, 1], in dB, clipped first."""
    with torch.no_grad():
        error = (restored.float().clamp(-1, 1) - clean).square().flatten(1).mean(1)
        progress.report(name, 10 * torch.log10(4 / error.clamp_min(1e-10)))


def maybe_decay(lr: float, samples: int | None) -> Schedule | None:
    """Return `cosine_decay`, or None, a constant rate, where `samples` is None."""
    return None if samples is None else cosine_decay(lr, samples)
