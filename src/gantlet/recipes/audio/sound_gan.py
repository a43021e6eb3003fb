"""What GANs of sounds share: a game of pictures, played with pictures of sounds or with the waves themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from gantlet.losses.penalties import gradient_norm_squared
from gantlet.recipe import Batch, Losses, Nets, Phase, Progress, Recipe

Pictures = Callable[[Nets, Batch, Progress], Tensor]  # what G imitates of a batch: [N, ...] in [-1, 1]


def waves(nets: Nets, batch: Batch, progress: Progress) -> Tensor:
    """Return the sounds themselves, [N, C, T]."""
    return batch["audio"]


def lazy_r1(game: Recipe, gamma: float, every: int) -> Recipe:
    """Return the game with gamma / 2 |grad D|^2 on reals as a phase of its own, every so many steps (Karras 2020)."""

    def r1_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        y = batch.get("label")
        return {"r1": gamma / 2 * gradient_norm_squared(lambda x: nets.D(x, y), batch["image"]).mean()}

    return replace(game, phases=(*game.phases, Phase(player="D", loss=r1_loss, every=every)))


def of_sounds(game: Recipe, pictures: Pictures) -> Recipe:
    """Return a game of pictures as one of sounds: every phase is given `pictures` of its batch as "image"."""

    def heard(phase: Phase) -> Phase:
        def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
            return phase.loss(nets, {**batch, "image": pictures(nets, batch, progress)}, progress)

        return replace(phase, loss=loss)

    return replace(game, phases=tuple(heard(phase) for phase in game.phases))
