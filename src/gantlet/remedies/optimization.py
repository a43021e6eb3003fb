"""Gradient clipping (Pascanu et al., 2013), arXiv:1211.5063; plain SGD for D (Chintala et al., 2016, ganhacks)."""

from __future__ import annotations

from gantlet.recipe import Recipe
from gantlet.recipes.optimizers import sgd as make_sgd
from gantlet.remedies.surgery import change_player, owner


def gradient_clipping(
    recipe: Recipe,
    *,
    norm: float = 1.0,  # largest norm of each player's whole gradient
) -> Recipe:
    """No update follows a longer gradient than this.

    Symptom: sudden jumps: a gradient explodes, samples turn to noise at once.
    """
    for player in recipe.players:
        recipe = change_player(recipe, player, clip_norm=norm)
    return recipe


def sgd(
    recipe: Recipe,
    *,
    network: str = "D",  # whose player
    lr: float = 0.01,  # first guess, not measured yet
    momentum: float = 0.0,  # none, as simple as it gets
) -> Recipe:
    """One player learns by stochastic gradient descent instead of its own optimizer; its schedule is dropped.

    Symptom: D wins at once with Adam, or momentum makes the players circle each other.
    """
    return change_player(recipe, owner(recipe, network), optimizer=make_sgd(lr, momentum), schedule=None)
