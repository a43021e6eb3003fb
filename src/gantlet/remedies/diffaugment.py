"""DiffAugment: Differentiable Augmentation for Data-Efficient GAN Training (Zhao et al., 2020), arXiv:2006.10738."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gantlet.augment import diffaugment as augment
from gantlet.recipe import Batch, Nets, Progress, Recipe
from gantlet.remedies.surgery import on, through


def diffaugment(
    recipe: Recipe,
    *,
    policy: str = "color,translation,cutout",  # families of augmentation; section 4 takes all three for little data
    probability: float = 1.0,  # share of the pictures that is augmented; the paper augments all
) -> Recipe:
    """Augments whatever D sees, real and fake, while D and while G learn.

    Symptom: few pictures (up to ten thousand or so): samples get worse again while D's loss still falls.
    """
    for name in policy.split(","):
        if name not in augment.POLICIES:
            raise ValueError(f"it knows the policies {', '.join(augment.POLICIES)}, not '{name}'")

    if probability <= 0:
        return recipe

    def change(nets: Nets, batch: Batch, progress: Progress) -> Mapping[str, Any]:
        return {"D": on(nets.D, lambda x: augment.diffaugment(x, policy, probability))}

    return through(recipe, change)


def little_data(
    recipe: Recipe,
    *,
    num_pictures: int = 0,  # that are trained on; filled from the data
    policy: str = "color,translation,cutout",  # as for diffaugment
) -> Recipe:
    """DiffAugment as strong as the number of pictures asks for: .3 of the pictures for few, none from 100,000 on.

    Symptom: few pictures, and no wish to choose. The rule is that of lightweight-gan: min(.5, (1e5 - n) 3e-6).
    """
    return diffaugment(recipe, policy=policy, probability=augment.automatic(num_pictures))
