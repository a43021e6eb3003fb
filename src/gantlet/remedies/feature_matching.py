"""Feature matching: Improved Techniques for Training GANs (Salimans et al., 2016, 3.1), arXiv:1606.03498."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gantlet.recipe import Batch, Losses, Nets, Progress, Recipe
from gantlet.remedies.structure import last_layer
from gantlet.remedies.surgery import Loss, Moment, after, network, owner, reals, rewrite


def feature_matching(
    recipe: Recipe,
    *,
    weight: float = 1.0,  # of the distance
    adversarial: float = 0.0,  # what remains of G's own adversarial loss; the paper replaces it
) -> Recipe:
    """G makes the features of D agree on average, instead of winning against D.

    Symptom: G oscillates or chases D's newest whim; samples change their kind again and again.
    The features are what D's last layer reads.
    """
    D = network(recipe, "D")
    last_layer(D)
    features: list[Tensor] = []  # of one update at a time, in the order in which D is asked

    def match(moment: Moment) -> Losses:
        moment.asked("D")
        fake = features[0].float().mean(0)
        with torch.no_grad():
            moment.judge(reals(moment.batch), moment.batch.get("label"))
        real = features[-1].float().mean(0)
        terms = {**moment.terms, "features": weight * (real - fake).square().sum()}  # |E f(x) - E f(G(z))|^2
        if adversarial:
            terms["adversarial"] = adversarial * terms["adversarial"]
        else:
            terms.pop("adversarial")
        return terms

    def listen(loss: Loss) -> Loss:
        def changed(nets: Nets, batch: Batch, progress: Progress) -> Losses:
            def note(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
                features.append(inputs[0])

            handle = last_layer(D).register_forward_pre_hook(note)
            try:
                return loss(nets, batch, progress)
            finally:
                handle.remove()
                features.clear()

        return changed

    return rewrite(after(recipe, "G", match), owner(recipe, "G"), listen, only_game=True)
