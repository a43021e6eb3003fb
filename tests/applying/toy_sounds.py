"""Toy recipes of sounds into sounds, whose networks hold fixed numbers, and models of them, untrained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.engine import nets
from gantlet.layers.mel import MelSpec
from gantlet.model import Model
from gantlet.recipe import Batch, Hearing, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.optimizers import adam

RATE = 8000
SPEC = MelSpec(sample_rate=RATE, n_fft=64, hop=16, mels=6)


class Gain(nn.Module):
    """The wave times a parameter, which is 1."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain


def recipe_of(apply: Callable[..., Tensor], hearing: Hearing | None) -> Recipe:
    """Return a recipe that trains nothing."""

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        return {"l1": (nets.G(batch["audio"]) - batch["audio"]).abs().mean()}

    return Recipe(
        players={"G": Player(networks={"G": Gain()}, optimizer=adam(0.0, (0.9, 0.999)))},
        phases=(Phase(player="G", loss=loss),),
        apply=apply,
        hearing=hearing,
    )


def same() -> Recipe:
    """Nothing is done; `gain` multiplies."""

    def apply(
        nets: Nets,
        inputs: Tensor,
        gain: float = 1.0,  # times the wave
    ) -> Tensor:
        made: Tensor = nets.G(inputs) * gain
        return made

    return recipe_of(apply, Hearing(sample_rate=RATE))


def smooth() -> Recipe:
    """Means over 201 samples, zeros beyond the ends: a margin of 100 is exact."""

    def apply(nets: Nets, inputs: Tensor) -> Tensor:
        return F.avg_pool1d(nets.G(inputs), 201, 1, 100)

    return recipe_of(apply, Hearing(sample_rate=RATE, margin=100))


def strided() -> Recipe:
    """Means over blocks of 64 samples of a grid: lengths are multiples of it, and pieces must keep to the grid."""

    def apply(nets: Nets, inputs: Tensor) -> Tensor:
        assert inputs.shape[2] % 64 == 0
        return F.avg_pool1d(nets.G(inputs), 64).repeat_interleave(64, 2)

    return recipe_of(apply, Hearing(sample_rate=RATE, multiple=64, margin=64))


def restless() -> Recipe:
    """Adds the mean of what it sees, so that every piece differs from the next one by a step."""

    def apply(nets: Nets, inputs: Tensor) -> Tensor:
        x: Tensor = nets.G(inputs)
        return x + x.mean(2, keepdim=True)

    return recipe_of(apply, Hearing(sample_rate=RATE, margin=100))


def broken() -> Recipe:
    """Gives NaN."""
    return recipe_of(lambda nets, inputs: nets.G(inputs) * torch.nan, Hearing(sample_rate=RATE))


def vocoder() -> Recipe:
    """A wave whose value over each frame is the mean of the frame's log-mel over 10."""

    def apply(nets: Nets, inputs: Tensor) -> Tensor:
        return nets.G(inputs).mean(1, keepdim=True).repeat_interleave(16, 2) / 10

    hearing = Hearing(
        sample_rate=RATE, multiple=16, margin=64, features=lambda x: SPEC.log_mel(x).flatten(1, 2), facts=SPEC.facts()
    )
    return recipe_of(apply, hearing)


def model_of(recipe: Recipe, name: str = "toy", **data: Any) -> Model:
    """Return a model of a recipe, as `gantlet.load` would give it."""
    about = {
        "facts": {"channels": 1, "sample_rate": RATE, "length": 800},
        "intensity": {"low": 0.0, "high": 255.0, "dtype": "uint8"},
        "classes": [],
        "class_counts": [],
    }
    described = {"recipe": name, "arguments": {}, "data": {**about, **data}}
    return Model(recipe, nets.build(recipe, torch.device("cpu")), described, torch.device("cpu"))
