"""What the games of pix2pix and its kin share: learning rates over samples, judging by patches, signs of trouble."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from gantlet.losses.adversarial import AdversarialLoss
from gantlet.recipe import Batch, Losses, Nets, Progress
from gantlet.recipes.image_gan import report_game
from gantlet.recipes.signs import all_knowing_discriminator, dead_discriminator

Loss = Callable[[Nets, Batch, Progress], Losses]

# A spread of the outputs far below the data's is no trouble here: outputs of one batch differ as their inputs do.
PATCH_GAME = (all_knowing_discriminator, dead_discriminator)


def constant_then_linear(lr: float, constant: int | None, decay: int) -> Callable[[Progress], Mapping[str, Any]] | None:
    """Return a schedule: `lr` for `constant` samples, then linearly to 0 over `decay`; None for no decay."""
    if constant is None:
        return None
    return lambda progress: {"lr": lr * min(1.0, max(0.0, 1.0 - (progress.samples - constant) / decay))}


def discriminator_term(
    game: AdversarialLoss, real_logits: Tensor, fake_logits: Tensor, progress: Progress, boundary: float = 0.0
) -> Tensor:
    """Return half of D's mean loss over all patches (Isola 2017, section 3.3: D learns at half speed); report it."""
    report_game(progress, real_logits, fake_logits, boundary)
    return 0.5 * game.discriminator(real_logits.float(), fake_logits.float()).mean()
