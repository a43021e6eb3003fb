"""Auto: a run that treats itself; noise on D's input first of all remedies (Arjovsky & Bottou, 2017), arXiv:1701.04862.

The engine decides when (engine/care.py). The order is ours: lower learning rates, then noise on D's input, then
augmentation of a share of pictures below .8, so that it does not leak (Karras et al., 2020, arXiv:2006.06676).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gantlet.augment.diffaugment import diffaugment
from gantlet.recipe import Batch, Nets, Progress, Recipe, Treatment
from gantlet.remedies.surgery import on, through, with_helper


class Knobs(nn.Module):
    """What treatments turn, in buffers; `noise` and `augment` are 0 in a run that needs none, and then cost nothing."""

    values: Tensor  # noise, augment

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("values", torch.zeros(2))
        self.noise, self.augment = 0.0, 0.0

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self.turn()

    def turn(self, **to: float) -> None:
        """Set some of them, and take all from the buffer: only then, so that no step waits for the device."""
        for name, value in to.items():
            self.values[("noise", "augment").index(name)] = value
        self.noise, self.augment = (float(value) for value in self.values.cpu())


def auto(
    recipe: Recipe,
    *,
    noise: float = 0.1,  # standard deviation of the first noise on D's input, for pictures in [-1, 1]; then twice this
    augment: float = 0.2,  # first share of pictures augmented; .2 more each time D is found to learn by heart, to .8
) -> Recipe:
    """Acts on the signs of docs/healthy.md: goes back to the last healthy checkpoint and changes one knob; logs it.

    Symptom: you cannot watch the run, or do not know what to turn. Each act is an event `treatment` of the log.
    """

    def change(nets: Nets, batch: Batch, progress: Progress) -> Mapping[str, Any]:
        knobs = nets.auto
        return {"D": on(nets.D, disturbed(knobs))} if knobs.noise or knobs.augment else {}

    slower = Treatment(words="Halved all learning rates.", lr=0.5)
    noisy = [turned(f"Put noise of {sigma:g} on D's input.", noise=sigma) for sigma in (noise, 2 * noise)]
    shares = [share for share in (augment + 0.2 * i for i in range(4)) if share <= 0.81]
    augmented = [turned(f"Augment {share:.0%} of what D sees.", augment=share) for share in shares]
    treatments = {
        "collapse": (slower, slower, noisy[0], slower, augmented[0], slower, noisy[1], slower),
        "all_knowing_discriminator": (noisy[0], slower, noisy[1], slower, slower),
        "dead_discriminator": (slower, slower, slower, noisy[0]),
        "vanishing_or_exploding": (slower, slower, noisy[0], slower, slower),
        "learnt_by_heart": tuple(replace(treatment, back=False) for treatment in augmented),
    }
    recipe = through(with_helper(recipe, auto=Knobs()), change)
    return replace(recipe, treatments={**recipe.treatments, **treatments})


def turned(words: str, **to: float) -> Treatment:
    """Return the treatment that turns knobs."""
    return Treatment(words=words, change=lambda nets: nets.auto.turn(**to))


def disturbed(knobs: Knobs) -> Callable[[Tensor], Tensor]:
    """Return what D's input goes through."""

    def disturb(x: Tensor) -> Tensor:
        if knobs.augment:
            x = diffaugment(x, "color,translation", knobs.augment)
        return x + knobs.noise * torch.randn_like(x) if knobs.noise else x

    return disturb
