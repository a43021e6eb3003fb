"""Instance noise: Amortised MAP Inference for Image Super-Resolution (Sonderby et al., 2017), arXiv:1610.04490.

Towards Principled Methods for Training GANs (Arjovsky & Bottou, 2017), arXiv:1701.04862, gives the reason: noise lets
two distributions overlap that otherwise do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from gantlet.recipe import Batch, Nets, Progress, Recipe
from gantlet.remedies.surgery import on, through


def instance_noise(
    recipe: Recipe,
    *,
    sigma: float = 0.1,  # standard deviation at the start, for pictures in [-1, 1]
    fade: int | None = 1_000_000,  # samples until it has fallen to 0, linearly; None never
) -> Recipe:
    """Gaussian noise on whatever D sees, real and fake, less and less.

    Symptom: D is right on every picture from the start and G's gradient vanishes.
    """

    def change(nets: Nets, batch: Batch, progress: Progress) -> Mapping[str, Any]:
        now = sigma * (1.0 if fade is None else max(0.0, 1.0 - progress.samples / fade))
        return {"D": on(nets.D, lambda x: x + now * torch.randn_like(x))} if now else {}

    return through(recipe, change)
