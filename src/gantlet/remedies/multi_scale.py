"""Multi-scale D: High-Resolution Image Synthesis with Conditional GANs (Wang et al., 2018), arXiv:1711.11585.

This is pix2pixHD, section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.recipe import Batch, Nets, Progress, Recipe
from gantlet.remedies.structure import shuffled
from gantlet.remedies.surgery import Instead, network, owner, pictures, through, with_network, without_weights


def multi_scale(
    recipe: Recipe,
    *,
    scales: int = 2,  # discriminators in all; each further one sees half the resolution (pix2pixHD: 3)
) -> Recipe:
    """Further discriminators judge the picture at half the resolution, a quarter, ...; their losses are averaged.

    Symptom: details are right and the whole is not, or the other way round.
    Every D has the layers of the first, so coarse pictures are shown enlarged. A gradient penalty takes the sum of all.
    """
    if scales < 2:
        raise ValueError(f"several scales are at least 2, not {scales}")
    coarse = {f"D{2**i}": deepcopy(network(recipe, "D")) for i in range(1, scales)}
    for D in coarse.values():
        shuffled(D)

    def change(nets: Nets, batch: Batch, progress: Progress) -> Mapping[str, Any]:
        def judge(x: Tensor, *rest: Any) -> Any:
            answers = [nets.D(x, *rest)]
            answers += [getattr(nets, f"D{2**i}")(coarser(x, 2**i), *rest) for i in range(1, scales)]
            if isinstance(answers[0], tuple):
                logits, *others = zip(*answers, strict=True)
                return (together(logits), *(torch.stack(parts).mean(0) for parts in others))
            return together(answers)

        return {"D": Instead(nets.D, judge)}

    return without_weights(through(with_network(recipe, owner(recipe, "D"), **coarse), change))


def together(logits: Any) -> Tensor:
    """Return the logits [N] of S discriminators as [N S], picture by picture: reals stay before fakes."""
    return torch.stack(list(logits), dim=1).flatten(0, 1)


def coarser(x: Tensor, factor: int) -> Tensor:
    """Return pictures averaged over factor x factor pixels, at their old size."""
    height, width = pictures(x).shape[-2:]
    small = F.interpolate(x, (max(height // factor, 1), max(width // factor, 1)), mode="area")
    return F.interpolate(small, (height, width), mode="nearest")
