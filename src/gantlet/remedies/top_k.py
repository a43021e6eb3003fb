"""Top-k Training of GANs: Improving Performance by Throwing Away Bad Samples (Sinha et al., 2020), arXiv:2002.06224."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gantlet.recipe import Batch, Nets, Progress, Recipe
from gantlet.remedies.surgery import Instead, network, through, without_weights


def top_k(
    recipe: Recipe,
    *,
    floor: float = 0.5,  # nu: least share of the batch that is kept (section 4)
    decay: float = 0.99,  # gamma: factor on the share per epoch (section 4)
    epoch: int = 50_000,  # samples after which the share has been multiplied by gamma once
) -> Recipe:
    """G learns from its best samples only, those that D finds most real.

    Symptom: samples between the modes, unlike anything in the data; the bad ones pull G away from the data.
    """
    if "dropout" in inspect.signature(network(recipe, "D").forward).parameters:  # switched off for rewards
        raise ValueError("its D rewards every sample, and this remedy leaves the worst ones out")

    def change(nets: Nets, batch: Batch, progress: Progress) -> Mapping[str, Any]:
        share = max(floor, decay ** (progress.samples // epoch))

        def best(*inputs: Any) -> Any:
            output = nets.D(*inputs)
            if isinstance(output, tuple):
                return (keep(output[0], share), *output[1:])
            return keep(output, share)

        return {"D": Instead(nets.D, best)}

    return without_weights(through(recipe, change, "G"))


def keep(logits: Tensor, share: float) -> Tensor:
    """Return the highest logits, this share of them."""
    count = max(round(share * len(logits)), 1)
    return logits if count == len(logits) else logits.topk(count, dim=0).values
