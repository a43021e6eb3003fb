"""APA: Deceive D: Adaptive Pseudo Augmentation for GAN Training with Limited Data (Jiang et al., 2021).

arXiv:2111.06849.
"""

from __future__ import annotations

import torch

from gantlet.augment.adaptive import Adaptive
from gantlet.errors import UserError
from gantlet.recipe import Batch, Losses, Nets, Progress, Recipe
from gantlet.remedies.surgery import Loss, Moment, Streams, after, key, owner, rewrite, sampled, with_helper


def apa(
    recipe: Recipe,
    *,
    target: float = 0.6,  # of r_t = E sign(D(real)) (section 3.2)
    speed: int = 500_000,  # samples in which p can rise by 1 (authors' code, as ADA)
    start: float = 0.0,  # first p
    highest: float = 0.85,  # p never exceeds this; the authors set no bound
) -> Recipe:
    """Shows D fakes as if they were real, as often as its certainty about real pictures asks for.

    Symptom: few pictures; D is ever surer of the training pictures, held-out ones look fake to it.
    No picture is distorted, so nothing can leak. r_t means something only where logit 0 lies between real and fake:
    not for Wasserstein critics. One more pass of G, without gradient, per update of D.
    """
    base = recipe
    if recipe.sample is None:
        raise ValueError("it needs a recipe that samples")
    recipe = with_helper(recipe, apa=Adaptive(start, target, speed, 4 * recipe.batch_size, highest))

    def adapt(moment: Moment) -> Losses:
        moment.nets.apa.update(moment.logits("real_logits"), moment.progress.samples)
        moment.progress.report("apa_p", moment.nets.apa.p)
        moment.progress.report("apa_r", moment.nets.apa.r)
        return moment.terms

    def deceive(loss: Loss) -> Loss:
        def changed(nets: Nets, batch: Batch, progress: Progress) -> Losses:
            name, y = key(batch), batch.get("label")
            real = batch[name]
            with torch.no_grad():
                fake = sampled(base, nets, Streams(progress, "apa"), y)
            if fake.shape != real.shape:
                raise UserError("This remedy shows D what the recipe samples, and this D judges pictures of it.")
            chosen = progress.uniform("apa") < nets.apa.p
            mixed = torch.where(chosen.view(-1, *[1] * (real.dim() - 1)), fake.to(real.dtype), real)
            return loss(nets, {**batch, name: mixed}, progress)

        return changed

    return rewrite(after(recipe, "D", adapt), owner(recipe, "D"), deceive)
