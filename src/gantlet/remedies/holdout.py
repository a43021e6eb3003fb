"""Held-out pictures that show D's overfitting: Training GANs with Limited Data (Karras et al., 2020), arXiv:2006.06676.

r_v = (E D(train) - E D(held out)) / (E D(train) - E D(G(z))), Eq. 1: 0 without overfitting, 1 when pictures D was not
trained on look as fake to it as the fakes do.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gantlet.recipe import Losses, Recipe
from gantlet.recipes.signs import learnt_by_heart
from gantlet.remedies.surgery import Moment, after, key, network, unremembered


def holdout(
    recipe: Recipe,
    *,
    share: float = 0.1,  # of the pictures that D never trains on; the split is the same for every seed
    most: int = 1000,  # held-out pictures at most
    every: int = 16,  # steps between two looks; a look is two passes of D without gradient
) -> Recipe:
    """Keeps a few pictures from D and reports how differently it judges them (r_v as `D/overfitting`).

    Symptom: few pictures, and you want to know whether D learns them by heart.
    It changes no gradient, only what there is to learn from.
    """
    D = network(recipe, "D")
    if recipe.sample is None:
        raise ValueError("it needs a recipe that samples")

    @torch.no_grad()
    def look(moment: Moment) -> Losses:
        name = key(moment.batch)
        if moment.progress.step % every == 0 and f"holdout_{name}" in moment.batch:
            with unremembered(D):
                seen = moment.judge(moment.batch[name]).mean()
                unseen = moment.judge(moment.batch[f"holdout_{name}"], moment.batch.get("holdout_label")).mean()
            gap = seen - moment.logits("fake_logits").mean()
            moment.progress.report("train_logits", seen)
            moment.progress.report("holdout_logits", unseen)
            moment.progress.report("overfitting", ((seen - unseen) / gap.clamp_min(1e-3)).clamp(-1, 1))  # r_v
        return moment.terms

    return replace(after(recipe, "D", look), signs=(*recipe.signs, learnt_by_heart))


def split(count: int, share: float, most: int) -> tuple[Tensor, Tensor]:
    """Return the positions of the pictures to train on and of those held out; of `count` at least one to train on."""
    held = min(int(count * share), most, count - 1)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return order[held:].sort().values, order[:held].sort().values
