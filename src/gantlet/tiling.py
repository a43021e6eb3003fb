"""Pictures of any size through networks of a bounded one: overlapping tiles, blended by a linear feather.

A tile reaches `margin` pixels beyond what is used of it, on every side where the picture goes on: there its networks
see padding where the whole picture has pixels. Next to that lies the feather, over which neighbours fade into each
other. Tiles start at multiples of `multiple`, so that strided layers meet the same grid as in the whole picture.
Finished rows leave at once: beside the picture and the result, memory holds a row of tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.errors import UserError
from gantlet.recipe import Tiling

FEATHER = 16  # pixels of the input, or `multiple` if that is more
TILE = 512  # side of what a tile puts out, in pixels, unless its margins need more
BATCH_PIXELS = TILE * TILE * 4  # of input and output, computed at once on an accelerator


@dataclass(frozen=True)
class Axis:
    """How one side of a picture is cut: where tiles of one length start, and what each weighs at each of its pixels."""

    starts: tuple[int, ...]
    length: int
    weights: NDArray[np.float64]  # [tiles, length]; over all tiles they sum to 1 at every pixel


def side_of_tiles(tiling: Tiling, tile: int | None = None) -> int:
    """Return the side of a tile in pixels of the input; UserError if `tile` leaves nothing between its margins."""
    frame = 2 * tiling.margin + max(FEATHER, tiling.multiple)
    least = frame + tiling.multiple
    if tile is None:
        tile = max(ceil(TILE / tiling.scale), frame + 64, least)
    if tile < least:
        raise UserError(f"Tiles of {tile} pixels leave nothing between their margins; take --tile {least} or more.")
    return up_to_multiple(tile, tiling.multiple)


def up_to_multiple(length: int, multiple: int) -> int:
    """Return the next multiple that is not below `length`."""
    return ceil(length / multiple) * multiple


def cut(length: int, tile: int, tiling: Tiling) -> Axis:
    """Return how a side of `length` pixels is cut into tiles; what fits into one goes whole."""
    padded = up_to_multiple(length, tiling.multiple)
    if padded <= tile:
        return Axis((0,), padded, np.ones((1, padded)))
    feather = max(FEATHER, tiling.multiple)
    step = (tile - 2 * tiling.margin - feather) // tiling.multiple * tiling.multiple
    starts = (*range(0, padded - tile, max(step, tiling.multiple)), padded - tile)
    ramp = ((np.arange(tile) + 1.0 - tiling.margin) / (feather + 1)).clip(0, 1)
    weights, total = np.ones((len(starts), tile)), np.zeros(padded)
    for row, start in zip(weights, starts):
        row *= 1 if start == 0 else ramp
        row *= 1 if start == padded - tile else ramp[::-1]
        total[start : start + tile] += row
    for row, start in zip(weights, starts):
        row /= total[start : start + tile]
    return Axis(starts, tile, weights)


def reflected(start: int, stop: int, length: int) -> NDArray[np.int64]:
    """Return the pixels that stand at positions `start` to `stop` of a side of `length` continued by reflection."""
    period = max(2 * (length - 1), 1)
    place = np.arange(start, stop) % period
    return np.minimum(place, period - place)


def count_tiles(height: int, width: int, tiling: Tiling, tile: int | None = None) -> int:
    """Return the number of tiles of a picture."""
    side = side_of_tiles(tiling, tile)
    return len(cut(height, side, tiling).starts) * len(cut(width, side, tiling).starts)


def bands(
    function: Callable[..., Tensor],
    pixels: NDArray[Any],
    tiling: Tiling,
    prepare: Callable[[NDArray[Any]], Tensor],
    *,
    tile: int | None = None,
    beside: Mapping[str, Tensor] | None = None,
    tick: Callable[[int], None] | None = None,
    batch: int = 1,
) -> Iterator[tuple[int, Tensor]]:
    """Yield (first row, rows [N, Ct, h, W * scale] float32 on the host): the picture that `function` makes, in order.

    `pixels` are [N, H, W, C] in any type; `prepare` brings a tile of them to the [n, C, h, w] that `function` takes.
    `beside` holds tensors [N, c, H, W] that `function` takes by name, cut alike (a mask). `tick` hears of tiles done.
    `batch` tiles are computed at once.

    Raises:
        UserError: the networks cannot take such tiles or give another size than `tiling` says.
    """
    height, width = pixels.shape[1:3]
    side = side_of_tiles(tiling, tile)
    down, across, scale = cut(height, side, tiling), cut(width, side, tiling), tiling.scale
    columns = [reflected(start, start + across.length, width) for start in across.starts]
    fade = torch.from_numpy(across.weights).float().repeat_interleave(scale, 1)  # [tiles, length * scale]
    band: Tensor | None = None
    for number, top in enumerate(down.starts):
        rows = reflected(top, top + down.length, height)
        weight = torch.from_numpy(down.weights[number]).float().repeat_interleave(scale)[:, None]
        last = number + 1 == len(down.starts)
        slices = {name: values[:, :, rows] for name, values in (beside or {}).items()}
        held = pixels[:, rows]
        for first in range(0, len(columns), max(1, batch)):
            some = columns[first : first + batch]
            made = _made(
                function,
                prepare(np.concatenate([held[:, :, x] for x in some])),
                {name: torch.cat([values[..., x] for x in some]) for name, values in slices.items()},
                scale,
            )
            for offset, part in enumerate(torch.split(made, len(pixels))):
                left = across.starts[first + offset] * scale
                if band is None:
                    full = (across.starts[-1] + across.length) * scale
                    band = torch.zeros(*part.shape[:2], down.length * scale, full)
                part = part.cpu() * (weight * fade[first + offset])
                band[..., left : left + part.shape[-1]] += part
            if tick is not None:
                tick(len(some))
        assert band is not None
        done = (height - top if last else down.starts[number + 1] - top) * scale
        yield top * scale, band[:, :, :done, : width * scale]
        if not last:
            kept = band[:, :, done:]
            band = torch.cat([kept, torch.zeros(*band.shape[:2], done, band.shape[3])], dim=2)


def _made(function: Callable[..., Tensor], inputs: Tensor, beside: Mapping[str, Tensor], scale: int) -> Tensor:
    """Return what the networks make of tiles [n, C, h, w], as float32."""
    height, width = inputs.shape[-2:]
    with refusals(height, width):
        made = function(inputs, **{name: values.to(inputs) for name, values in beside.items()})
    if made.ndim != 4 or tuple(made.shape[-2:]) != (height * scale, width * scale):
        raise UserError(
            f"The recipe makes {list(made.shape[1:])} of {height} x {width} pixels, no picture {scale} times as large."
        )
    return made.detach().float()


@contextmanager
def refusals(height: int, width: int) -> Iterator[None]:
    """Turn what networks raise for a size or option they do not take, or for want of memory, into one `UserError`."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(f"{height} x {width} pixels at once need too much memory; choose a smaller --tile.") from error
    except (RuntimeError, ValueError) as error:
        words = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UserError(f"The recipe refuses {height} x {width} pixels or its options: {words}.") from error


def tiled(function: Callable[..., Tensor], pictures: Tensor, tiling: Tiling, device: Any, **options: Any) -> Tensor:
    """Return what `function` makes of pictures [N, C, H, W] in [-1, 1]: [N, Ct, H * scale, W * scale] on the host.

    `options` and errors are those of `bands`.
    """
    out: Tensor | None = None
    height, width = pictures.shape[-2] * tiling.scale, pictures.shape[-1] * tiling.scale

    def prepare(tile: NDArray[Any]) -> Tensor:
        return torch.from_numpy(tile).to(device, torch.float32).permute(0, 3, 1, 2)

    pixels = pictures.detach().cpu().permute(0, 2, 3, 1).numpy()
    for top, rows in bands(function, pixels, tiling, prepare, **options):
        if out is None:
            out = torch.empty(*rows.shape[:2], height, width)
        out[:, :, top : top + rows.shape[2]] = rows
    assert out is not None
    return out
