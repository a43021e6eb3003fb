"""A model as a function of pictures: its options checked, its strength bound, large pictures cut into tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.applying.outlook import outlook
from gantlet.data import Intensity
from gantlet.errors import UserError
from gantlet.recipe import Tiling
from gantlet.recipes import catalogue
from gantlet.tiling import BATCH_PIXELS, bands, count_tiles, refusals, side_of_tiles, tiled

if TYPE_CHECKING:
    from gantlet.model import Model


@dataclass(frozen=True)
class Translator:
    """A picture-to-picture model with its options: tensors [N, C, H, W] in [-1, 1] in, such tensors out."""

    model: Model
    options: Mapping[str, Any]  # of the recipe's apply
    mix: float = 1.0  # of the result into the input, where the recipe has no strength of its own
    tile: int | None = None  # side of a tile in pixels of the input; None chooses it

    @property
    def channels(self) -> int:
        """The channels that the networks take."""
        return self._side("source_channels", "target_channels")

    @property
    def made_channels(self) -> int:
        """The channels that they give."""
        return self._side("target_channels", "source_channels")

    @property
    def intensities(self) -> tuple[Intensity, Intensity]:
        """The maps of raw values of what the model was trained to take, and to give."""
        data = self.model.about["data"]
        source = data.get("source_intensity") or data["intensity"]
        sides = [Intensity.from_json(each) for each in (source, data.get("target_intensity") or source)]
        return (sides[1], sides[0]) if self.backward else (sides[0], sides[1])

    @property
    def backward(self) -> bool:
        """Tell whether a model of two directions goes from its target to its source."""
        return self.options.get("direction") == "backward"

    def _side(self, one: str, other: str) -> int:
        facts = self.model.about["data"]["facts"]
        return int(facts.get(other if self.backward else one, facts.get("channels", 1)))

    @property
    def tiling(self) -> Tiling | None:
        """How large pictures are cut; None if the networks must see them whole."""
        return self.model.recipe.tiling

    @property
    def takes_mask(self) -> bool:
        """Tell whether the recipe is told where holes are."""
        return "mask" in tensors_beside(self.model)

    @torch.inference_mode()
    def __call__(self, inputs: Tensor, **beside: Tensor) -> Tensor:
        """Return what the networks make of inputs on their device, whole."""
        assert self.model.recipe.apply is not None
        with refusals(*inputs.shape[-2:]):
            made: Tensor = self.model.recipe.apply(self.model.nets, inputs, **self.options, **beside)
        if made.ndim != 4:
            raise UserError(
                f"Recipe '{self.model.about['recipe']}' makes {list(made.shape)} of pictures {list(inputs.shape)}, and "
                "these are no pictures; a classifier needs --out CLASSES.csv."
            )
        if self.mix == 1:
            return made
        if made.shape != inputs.shape:
            raise UserError(
                f"A strength mixes input and output, and these differ ({list(inputs.shape[1:])} and "
                f"{list(made.shape[1:])}); leave --strength out."
            )
        return torch.lerp(inputs.float(), made.float(), self.mix)

    def rows(
        self,
        pixels: NDArray[Any],
        source: Intensity,
        mask: Tensor | None = None,
        tick: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[int, Tensor]]:
        """Yield (first row, rows [N, Ct, h, W'] in [-1, 1]) of what raw pictures [N, H, W, C] become, in order."""

        def prepare(tile: NDArray[Any]) -> Tensor:
            return source.to_unit(tile).to(self.model.device).permute(0, 3, 1, 2)

        beside = self._beside(pixels, mask, prepare)
        if self.tiling is None:
            inputs = prepare(pixels)
            yield 0, self(inputs, **{name: value.to(inputs) for name, value in beside.items()}).float().cpu()
            if tick is not None:
                tick(1)
        else:
            yield from bands(
                self, pixels, self.tiling, prepare, tile=self.tile, beside=beside, tick=tick, batch=self._batch()
            )

    def tiles(self, height: int, width: int) -> int:
        """Return the number of tiles of a picture."""
        return 1 if self.tiling is None else count_tiles(height, width, self.tiling, self.tile)

    def whole(self, pictures: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return what becomes of pictures [N, C, H, W] in [-1, 1] of any size, on their device."""
        if pictures.ndim != 4 or pictures.shape[1] != self.channels or not pictures.numel():
            raise UserError(f"The model takes pictures [N, {self.channels}, H, W], not {list(pictures.shape)}.")
        if self.tiling is None:
            inputs = pictures.to(self.model.device, torch.float32)
            made = self(inputs, **({} if mask is None else {"mask": mask.to(inputs)})).float()
        else:

            def prepare(tile: NDArray[Any]) -> Tensor:
                return torch.from_numpy(tile).to(self.model.device, torch.float32).permute(0, 3, 1, 2)

            pixels = pictures.detach().cpu().permute(0, 2, 3, 1).numpy()
            beside = self._beside(pixels, None if mask is None else mask.cpu(), prepare)
            options: dict[str, Any] = dict(tile=self.tile, beside=beside, batch=self._batch())
            made = tiled(self, pictures, self.tiling, self.model.device, **options)
            if mask is not None and made.shape == pictures.shape:  # feathers round: what is known is to stay as it is
                made = torch.where(mask.to(made) > 0.5, made, pictures.to(made))
        return made.to(pictures.device)

    def _beside(
        self, pixels: NDArray[Any], mask: Tensor | None, prepare: Callable[[NDArray[Any]], Tensor]
    ) -> dict[str, Tensor]:
        """Return what tiles get beside pixels [N, H, W, C]: the mask, and what the whole picture tells of its holes."""
        if mask is None:
            return {}
        height, width = pixels.shape[1:3]
        if self.tiling is None or self.tiles(height, width) == 1 or "guess" not in tensors_beside(self.model):
            return {"mask": mask}
        side = side_of_tiles(self.tiling, self.tile)
        with torch.inference_mode():
            return {"mask": mask, "guess": outlook(replace(self, mix=1.0), pixels, mask, prepare, side)}

    def _batch(self) -> int:
        """Return how many tiles are computed at once: one on a CPU, which gains nothing by more."""
        if self.tiling is None or self.model.device.type == "cpu":
            return 1
        return max(1, BATCH_PIXELS // (side_of_tiles(self.tiling, self.tile) * self.tiling.scale) ** 2)


def known_options(model: Model) -> dict[str, catalogue.Parameter]:
    """Return the options of a recipe's `apply` by name. Raises UserError if it applies to nothing."""
    if model.recipe.apply is None:
        raise UserError(f"Recipe '{model.about['recipe']}' applies to no input; use `gantlet sample` for new pictures.")
    return {each.name: each for each in _parameters(model) if "Tensor" not in each.annotation}


def tensors_beside(model: Model) -> set[str]:
    """Return the names of the pictures that a recipe's `apply` takes beside its inputs."""
    return {each.name for each in _parameters(model) if "Tensor" in each.annotation}


def _parameters(model: Model) -> list[catalogue.Parameter]:
    function: Callable[..., Any] | None = model.recipe.apply
    return [] if function is None else list(catalogue.parameters(function)[2:])  # after the networks and the inputs


def translator(model: Model, *, strength: float | None = None, tile: int | None = None, **options: Any) -> Translator:
    """Return a model as a function of pictures; text is read as the type that its option states.

    Where the recipe's own `apply` takes a strength it gets it; else output and input are mixed by it, 1 all output.

    Raises UserError if the recipe applies to nothing, has no such option, or the text is none of its type.
    """
    known = known_options(model)
    name = model.about["recipe"]
    options = catalogue.own_options("apply", name, known, options, VERB_OPTIONS)
    if strength is not None and not 0 <= strength <= 1:
        raise UserError(f"--strength goes from 0 to 1, not {strength}.")
    if tile is not None and model.recipe.tiling is None:
        raise UserError(f"Recipe '{name}' must see a picture whole; leave --tile out.")
    if tile is not None and model.recipe.tiling is not None:
        side_of_tiles(model.recipe.tiling, tile)
    if strength is not None and "strength" in known:
        return Translator(model, {**options, "strength": strength}, tile=tile)
    return Translator(model, options, 1.0 if strength is None else strength, tile)


VERB_OPTIONS = ("out", "mask", "strength", "sheet", "references", "metrics", "window", "tile", "checkpoint", "device")


def check_mask(translator: Translator, mask: object) -> None:
    """Raise UserError if there is a mask, and a recipe that takes none."""
    if mask is not None and not translator.takes_mask:
        raise UserError(
            f"Recipe '{translator.model.about['recipe']}' takes no mask, as it fills no holes; leave --mask out."
        )
