"""ADA: Training Generative Adversarial Networks with Limited Data (Karras et al., 2020), arXiv:2006.06676."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gantlet.augment.ada import bgc
from gantlet.augment.adaptive import Adaptive
from gantlet.recipe import Batch, Losses, Nets, Progress, Recipe
from gantlet.remedies.surgery import Moment, after, on, through, with_helper


def ada(
    recipe: Recipe,
    *,
    target: float = 0.6,  # of r_t = E sign(D(real)) (section 3)
    speed: int = 500_000,  # samples in which p can rise by 1; 100,000 after a transfer (authors' code)
    start: float = 0.0,  # first p
    highest: float = 0.85,  # p never exceeds this, lest they leak (section 2.2); the authors' code has no bound
) -> Recipe:
    """Augments whatever D sees with a probability that follows D's overfitting, reported as `D/ada_r` and `D/ada_p`.

    Symptom: few pictures: D is ever surer of the training pictures, samples get worse again.
    Flips, turns, scales and colours: right for pictures that stay possible when turned, or at least for many kinds.
    r_t means something only where logit 0 lies between real and fake: not for Wasserstein critics.
    """
    recipe = with_helper(recipe, ada=Adaptive(start, target, speed, 4 * recipe.batch_size, highest))

    def adapt(moment: Moment) -> Losses:
        moment.nets.ada.update(moment.logits("real_logits"), moment.progress.samples)
        moment.progress.report("ada_p", moment.nets.ada.p)
        moment.progress.report("ada_r", moment.nets.ada.r)
        return moment.terms

    def change(nets: Nets, batch: Batch, progress: Progress) -> Mapping[str, Any]:
        return {"D": on(nets.D, lambda x: bgc(x, nets.ada.p))}

    return through(after(recipe, "D", adapt), change)
