"""How near results come to references: a CSV with a line per file and one of means."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import torch
from torch import Tensor

from gantlet.data import Intensity
from gantlet.errors import UserError
from gantlet.media.foreign import shown
from gantlet.media.image import replace
from gantlet.media.picture import Picture
from gantlet.metrics.similarity import WINDOW, Protocol, hole_psnr, mean_absolute_error, psnr, ssim


def score(
    made: Picture, wanted: Picture, intensity: Intensity, protocol: Protocol, mask: Tensor | None, name: object
) -> dict[str, float]:
    """Return the numbers of one file, means over its frames.

    Raises UserError if the reference has another size, type or number of channels.
    """
    if made.pixels.shape != wanted.pixels.shape or made.pixels.dtype != wanted.pixels.dtype:
        raise UserError(
            f"Reference {shown(name)} is {wanted.pixels.dtype} {list(wanted.pixels.shape)} and the result "
            f"{made.pixels.dtype} {list(made.pixels.shape)} [frames, height, width, channels]; they must be alike."
        )
    span = intensity.high - intensity.low
    rows = [_of_frame(made, wanted, frame, span, intensity.low, protocol, mask) for frame in range(made.frames)]
    return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}


def _of_frame(
    made: Picture, wanted: Picture, frame: int, span: float, low: float, protocol: Protocol, mask: Tensor | None
) -> dict[str, float]:
    first, second = (
        torch.from_numpy(each.pixels[frame : frame + 1].astype("float32")).permute(0, 3, 1, 2)
        for each in (made, wanted)
    )
    a, width = protocol.of(first, span, low)
    b, _ = protocol.of(second, span, low)
    numbers = {"psnr": psnr(a, b, width)}
    numbers["ssim"] = ssim(a, b, width) if min(a.shape[-2:]) >= WINDOW else torch.tensor([float("nan")])
    numbers["mae"] = mean_absolute_error(first, second)
    if mask is not None:
        numbers["hole_psnr"] = hole_psnr(first, second, mask, span)
        numbers["hole_mae"] = mean_absolute_error(first, second, mask)
    return {key: float(value) for key, value in numbers.items()}


def write_scores(path: Path, rows: dict[str, dict[str, float]]) -> dict[str, float]:
    """Write a CSV of the numbers by file, with their means in the last line; return the means."""
    keys = list(next(iter(rows.values())))
    means = {key: sum(row[key] for row in rows.values()) / len(rows) for key in keys}
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["file", *keys])
    for name, row in [*rows.items(), ("mean", means)]:
        writer.writerow([name, *(f"{row[key]:.6g}" for key in keys)])
    replace(path, lambda file: file.write(text.getvalue().encode()))
    return means
