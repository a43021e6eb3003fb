"""Minibatch layers: Improved Techniques for Training GANs (Salimans et al., 2016, 3.2), arXiv:1606.03498.

The standard deviation alone: section 3 of Progressive Growing of GANs (Karras et al., 2018), arXiv:1710.10196.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from gantlet.layers.minibatch_discrimination import MinibatchDiscrimination
from gantlet.layers.minibatch_std import MinibatchStd
from gantlet.recipe import Batch, Nets, Progress, Recipe
from gantlet.remedies.structure import exchange, inputs, last_layer, widen
from gantlet.remedies.surgery import in_parts, network, reals, through


def minibatch_std(
    recipe: Recipe,
    *,
    group: int = 4,  # samples that are compared (Karras 2019, 2020)
) -> Recipe:
    """D is told how much the samples of a group differ: one number more for its last layer.

    Symptom: mode collapse; samples differ less than the data do. Cheap, no new parameters but one weight.
    """
    return _before_the_logit(recipe, lambda features: (MinibatchStd(group), 1))


def minibatch_discrimination(
    recipe: Recipe,
    *,
    kernels: int = 100,  # B: numbers that tell how close other samples are (authors' code)
    dim: int = 5,  # C: of the space each compares in (authors' code)
) -> Recipe:
    """D is told how close each sample is to the others of its batch, by learnt comparisons.

    Symptom: mode collapse to a single point. Costs memory with the square of the batch.
    """
    return _before_the_logit(recipe, lambda features: (MinibatchDiscrimination(features, kernels, dim), kernels))


def _before_the_logit(recipe: Recipe, make: Callable[[int], tuple[nn.Module, int]]) -> Recipe:
    """Put a layer that appends features before D's last one; reals and fakes are then judged apart from each other."""
    D = network(recipe, "D")
    last = last_layer(D)
    if not isinstance(last, nn.Linear):
        raise ValueError("it needs a D that ends in a Linear layer")
    layer, more = make(inputs(last))
    widen(last, more)
    exchange(D, last, nn.Sequential(layer, last))

    def change(nets: Nets, batch: Batch, progress: Progress) -> Mapping[str, Any]:
        return {"D": in_parts(nets.D, len(reals(batch)))}

    return through(recipe, change)
