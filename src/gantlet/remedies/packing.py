"""PacGAN: The Power of Two Samples in Generative Adversarial Networks (Lin et al., 2018), arXiv:1712.04086."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor

from gantlet.errors import UserError
from gantlet.recipe import Batch, Nets, Progress, Recipe
from gantlet.remedies.structure import first_layers, widen
from gantlet.remedies.surgery import latents, network, num_classes, on, reals, through


def packing(
    recipe: Recipe,
    *,
    samples: int = 2,  # m: pictures that D sees at once (section 4: two suffice)
) -> Recipe:
    """D judges m pictures at once, all real or all fake, laid on each other as channels; only its first layer widens.

    Symptom: mode collapse: one picture looks right, many of them look alike, which D cannot see one by one.
    Consecutive pictures of a batch make a pack, and each is judged at its head once (m turns of the pack), so there
    is a logit for every picture and its label. A gradient penalty is taken per picture, not per pack.
    """
    if samples < 2:
        raise ValueError(f"a pack has at least 2 samples, not {samples}")
    if recipe.batch_size % samples:
        raise ValueError(f"a batch of {recipe.batch_size} does not divide into packs of {samples}")
    D, G = network(recipe, "D"), network(recipe, "G")
    shape = picture_shape(G, latents(recipe, 1, num_classes(G)))
    for layer in first_layers(D, shape[0], prod(shape)):
        more = shape[0] if isinstance(layer, torch.nn.Conv2d) else prod(shape)
        widen(layer, (samples - 1) * more)

    def change(nets: Nets, batch: Batch, progress: Progress) -> Mapping[str, Any]:
        count = len(reals(batch))
        if count % samples:
            raise UserError(f"A batch of {count} does not divide into packs of {samples}; choose another --batch-size.")
        return {"D": on(nets.D, lambda x: packs(x, samples))}

    return through(recipe, change)


def packs(x: Tensor, samples: int) -> Tensor:
    """Return [N, m C, H, W]: row i is picture i and the m - 1 others of its pack, in turn."""
    grouped = x.view(-1, samples, *x.shape[1:])
    turns = [grouped.roll(-turn, 1) for turn in range(samples)]
    return torch.cat(turns, dim=2).flatten(0, 1)


@torch.no_grad()
def picture_shape(G: torch.nn.Module, inputs: tuple[Any, ...]) -> tuple[int, int, int]:
    """Return (channels, height, width) of what G makes."""
    training = G.training
    channels, height, width = G.eval()(*inputs).shape[1:]
    G.train(training)
    return channels, height, width
