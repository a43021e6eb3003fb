"""What GANs of sounds share: a game of pictures, played with pictures of sounds or with the waves themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from gantlet.recipe import Batch, Nets, Progress, Recipe

# What G imitates of sounds [N, C, T]: [N, ...] in [-1, 1]. Progress is None where sounds are not trained on.
Pictures = Callable[[Nets, Tensor, Progress | None], Tensor]


def waves(nets: Nets, audio: Tensor, progress: Progress | None) -> Tensor:
    """Return the sounds themselves, [N, C, T]."""
    return audio


def of_sounds(game: Recipe, pictures: Pictures) -> Recipe:
    """Return a game of pictures as one of sounds: phases and remedies see `pictures` of a batch as "image"."""

    def view(nets: Nets, batch: Batch, progress: Progress) -> Batch:
        seen = {**batch, "image": pictures(nets, batch["audio"], progress)}
        if "holdout_audio" in batch:
            seen["holdout_image"] = pictures(nets, batch["holdout_audio"], None)
        return seen

    return replace(game, view=view)
