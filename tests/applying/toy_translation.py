"""Toy recipes of pictures into pictures, trained for a step on "images" data.

Their networks hold fixed numbers, so that every result is known.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe, Tiling
from gantlet.recipes.optimizers import adam

TINY = dict(channels=1, resolution=8)


class Blur(nn.Module):
    """Five 3x3 box filters in a row, each padded with zeros and scaled by a parameter: a field of 11 pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))
        self.register_buffer("kernel", torch.ones(channels, 1, 3, 3) / 9)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(5):
            x = F.conv2d(x, self.kernel, padding=1, groups=x.shape[1])
        return x * self.gain


class Gain(nn.Module):
    """The picture times a parameter that begins, and with a rate of 0 stays, at 1."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain


def recipe_of(network: nn.Module, apply: Callable[..., Tensor], tiling: Tiling | None) -> Recipe:
    """Return a recipe that trains nothing: its rate is 0."""

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        return {"l1": (nets.G(batch["image"]) - batch["image"]).abs().mean()}

    return Recipe(
        players={"G": Player(networks={"G": network}, optimizer=adam(0.0, (0.9, 0.999)))},
        phases=(Phase(player="G", loss=loss),),
        batch_size=4,
        apply=apply,
        tiling=tiling,
    )


def plain(nets: Nets, inputs: Tensor) -> Tensor:
    made: Tensor = nets.G(inputs)
    return made


def blur(*, channels: int = 1, resolution: int = 8) -> Recipe:
    """A blur with a field of 11 pixels: tiles of a margin of 5 are exact."""
    return recipe_of(Blur(channels), plain, Tiling(margin=5))


def strided(*, channels: int = 1, resolution: int = 8) -> Recipe:
    """Means over the 4x4 blocks of a grid: sides are multiples of 4 and tiles must keep to the grid."""

    def apply(nets: Nets, inputs: Tensor) -> Tensor:
        assert inputs.shape[2] % 4 == 0
        assert inputs.shape[3] % 4 == 0
        return F.interpolate(F.avg_pool2d(nets.G(inputs), 4), scale_factor=4)

    return recipe_of(Gain(), apply, Tiling(multiple=4, margin=4))


def same(*, channels: int = 1, resolution: int = 8) -> Recipe:
    """Nothing is done; `shift` adds a number."""

    def apply(
        nets: Nets,
        inputs: Tensor,
        shift: float = 0.0,  # added to the picture
    ) -> Tensor:
        made: Tensor = nets.G(inputs) + shift
        return made

    return recipe_of(Gain(), apply, Tiling(margin=0))


def enlarge(*, channels: int = 1, resolution: int = 8) -> Recipe:
    """Each pixel twice in each direction."""

    def apply(nets: Nets, inputs: Tensor) -> Tensor:
        return F.interpolate(nets.G(inputs), scale_factor=2)

    return recipe_of(Gain(), apply, Tiling(scale=2, margin=2))


def fill(*, channels: int = 1, resolution: int = 8) -> Recipe:
    """Holes become black; it has a strength of its own, which makes them `1 - 2 strength`."""

    def apply(nets: Nets, inputs: Tensor, mask: Tensor | None = None, strength: float = 1.0) -> Tensor:
        assert mask is not None
        return torch.where(mask > 0, 1 - 2 * strength, nets.G(inputs))

    return recipe_of(Gain(), apply, Tiling(margin=4))


def whole(*, channels: int = 1, resolution: int = 8) -> Recipe:
    """Minus the mean of the whole picture, which tiles would change."""

    def apply(nets: Nets, inputs: Tensor) -> Tensor:
        x: Tensor = nets.G(inputs)
        return x - x.mean((2, 3), keepdim=True)

    return recipe_of(Gain(), apply, None)


def fixed(*, channels: int = 1, resolution: int = 8) -> Recipe:
    """Nothing is done, and only to pictures of the size it was trained on."""

    def apply(nets: Nets, inputs: Tensor) -> Tensor:
        if inputs.shape[2:] != (resolution, resolution):
            raise ValueError(f"it takes {resolution}x{resolution}")
        made: Tensor = nets.G(inputs)
        return made

    return recipe_of(Gain(), apply, None)
