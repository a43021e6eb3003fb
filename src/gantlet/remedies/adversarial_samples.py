"""Adversarial samples: Rob-GAN: Generator, Discriminator, and Adversarial Attacker (Liu, 2019), arXiv:1807.10454.

The attack is projected gradient descent in the maximum norm: Towards Deep Learning Models Resistant to Adversarial
Attacks (Madry et al., 2018), arXiv:1706.06083.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gantlet.recipe import Batch, Nets, Progress, Recipe
from gantlet.remedies.surgery import Instead, first, network, pictures, reals, through, unremembered


def adversarial_samples(
    recipe: Recipe,
    *,
    radius: float = 0.03,  # largest change of a pixel in [-1, 1]: 4 of 255 steps
    steps: int = 1,  # of the attack; each is a forward and backward pass of D
) -> Recipe:
    """D trains on pictures that were moved, within a small radius, to where it is most wrong.

    Symptom: D's gradient is wild or useless to G although D is right: imperceptible changes turn its judgement.
    Points at which a penalty takes D's gradient are left where they are.
    """
    module = network(recipe, "D")

    def change(nets: Nets, batch: Batch, progress: Progress) -> Mapping[str, Any]:
        real = reals(batch)

        def judge(x: Tensor, *rest: Any) -> Any:
            if x.requires_grad:  # a penalty's
                return nets.D(x, *rest)
            wrong = direction(x, real)
            start = moved = pictures(x).detach()
            with unremembered(module):
                for _ in range(steps):
                    moved = moved.requires_grad_(True)
                    with torch.enable_grad():
                        logits = first(nets.D(moved, *rest)).float().view(len(x), -1).sum(1)
                        (slope,) = torch.autograd.grad((wrong * logits).sum(), moved)
                    step = (moved - start).detach() + radius / steps * 1.25 ** (steps > 1) * slope.sign()
                    moved = (start + step.clamp(-radius, radius)).clamp(-1, 1)
            return nets.D(moved, *rest)

        return {"D": Instead(nets.D, judge)}

    return through(recipe, change, "D")


def direction(x: Tensor, real: Tensor) -> Tensor:
    """Return where D's logits of x [N, ...] should be driven to be wrong, [N]: down for real pictures, up for fakes.

    Reals come first where both are judged in one pass; alone they are the batch itself.
    """
    signs = x.new_ones(len(x), dtype=torch.float32)
    if x is real or len(x) == 2 * len(real):
        signs[: len(real)] = -1
    return signs
