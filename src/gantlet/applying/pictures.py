"""`gantlet apply` with a picture-to-picture model: files in, files of the same kind out, of any size."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.applying.depth import fit_channels, maps, to_raw
from gantlet.applying.inputs import Input, Output, counterparts, find
from gantlet.applying.scores import score, write_scores
from gantlet.applying.sheet import ROWS, contact_sheet, thumbnail
from gantlet.applying.translator import Translator, check_mask, translator
from gantlet.data import Intensity
from gantlet.data.shape import resize
from gantlet.errors import UserError
from gantlet.media.foreign import shown
from gantlet.media.image import write_image
from gantlet.media.picture import Picture, check_writable, read_picture, write_picture
from gantlet.metrics.similarity import Protocol
from gantlet.model import Model
from gantlet.report.status import Standing, Status, choose_status

Pixels = NDArray[Any]

STRIP = 32  # rows that are brought to the target's type at once


@dataclass(frozen=True)
class Extras:
    """What a run takes and writes beside its pictures."""

    mask: str | Path | None = None  # white where a hole is: one for all pictures, or a folder of the same names
    references: str | Path | None = None  # what results should look like, by the same names
    metrics: Path | None = None  # a .csv
    sheet: Path | None = None  # a .png
    window: tuple[float, float] | None = None  # raw values that are black and white
    luma: bool = False
    crop: int = 0

    def check(self) -> None:
        """Raise UserError for what cannot go together."""
        if (self.references is None) != (self.metrics is None):
            raise UserError("--references and --metrics belong together: the folder of references, and the .csv.")
        for option, path, suffix in (("--metrics", self.metrics, ".csv"), ("--sheet", self.sheet, ".png")):
            if path is not None and path.suffix.lower() != suffix:
                raise UserError(f"{option} must end in {suffix}, not '{path.name}'.")
        if self.crop < 0:
            raise UserError(f"--crop takes 0 pixels or more, not {self.crop}.")


@dataclass
class Done:
    """What a run of apply did: files and frames, the means of its numbers and what these mean."""

    files: int = 0
    frames: int = 0
    means: dict[str, float] = field(default_factory=dict)
    protocol: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """A picture and what became of it, with the maps of their raw values."""

    given: Picture
    made: Picture
    maps: tuple[Intensity, Intensity]


def apply_pictures(
    model: Model,
    source: str | Path,
    out: Path,
    extras: Extras | None = None,
    *,
    strength: float | None = None,
    tile: int | None = None,
    quiet: bool = True,
    **options: Any,
) -> Done:
    """Apply a model to a picture, a clip or a folder of pictures, and write what it makes of them to `out`.

    Raises UserError for what does not fit: unreadable files, sizes of masks and references, options, places.
    """
    extras = extras or Extras()
    run = translator(model, strength=strength, tile=tile, **options)
    check_mask(run, extras.mask)
    extras.check()
    inputs = find(source)
    output = Output(Path(out), Path(source))
    output.check()
    masks = {} if extras.mask is None else counterparts(inputs, extras.mask, "--mask")
    references = {} if extras.references is None else counterparts(inputs, extras.references, "--references")
    progress = Watch(choose_status(quiet), len(inputs), f"{model.about['recipe']} on {shown(source)}")
    try:
        return _each(run, inputs, output, extras, masks, references, progress)
    finally:
        progress.status.stop()


def _each(
    run: Translator,
    inputs: list[Input],
    output: Output,
    extras: Extras,
    masks: dict[str, Path],
    references: dict[str, Path],
    progress: Watch,
) -> Done:
    done, rows, cells, clip = Done(), dict[str, dict[str, float]](), list[list[Pixels]](), list[Pixels]()
    for given in inputs:
        picture = read_picture(given.path, run.channels)
        path = _place(run, given, picture, output, extras)
        hole = None if not masks else read_mask(masks[given.name], picture)
        result = translate(run, picture, given.path, extras.window, hole, progress.file(run, picture))
        if path is not None:
            write_picture(path, result.made, 1 if run.tiling is None else run.tiling.scale)
        elif clip and clip[0].shape != result.made.pixels.shape:
            raise UserError(f"{shown(given.path)} has another size than the first; frames of a clip have one size.")
        else:
            clip.append(result.made.pixels)
        shown_beside = [(result.given.pixels[0], result.maps[0]), (result.made.pixels[0], result.maps[1])]
        if references:
            wanted = read_picture(references[given.name])
            protocol = Protocol(extras.luma, extras.crop)
            rows[given.name] = score(result.made, wanted, result.maps[1], protocol, hole, references[given.name])
            span = result.maps[1].high - result.maps[1].low
            done.protocol = protocol.lines(span, result.made.pixels.shape[3])
            shown_beside.append((wanted.pixels[0], result.maps[1]))
        if extras.sheet is not None and len(cells) < ROWS:
            cells.append([thumbnail(pixels, intensity) for pixels, intensity in shown_beside])
        done.files, done.frames = done.files + 1, done.frames + picture.frames
    if clip:
        write_picture(output.path, Picture(np.concatenate(clip)))
    if extras.metrics is not None:
        done.means = write_scores(extras.metrics, rows)
    if extras.sheet is not None:
        write_image(extras.sheet, contact_sheet(cells))
    return done


def _place(run: Translator, given: Input, picture: Picture, output: Output, extras: Extras) -> Path | None:
    """Return where a result goes, None for a frame of a clip; UserError, before any work, if it cannot be written."""
    channels = run.made_channels
    fit_channels(picture.pixels[:1, :1, :1], run.channels, given.path)
    way_out = maps(picture.pixels, run.intensities, extras.window, given.path)[1]
    if output.is_clip:
        check_writable(output.path, channels, way_out.dtype, 2, False)
        if picture.frames > 1:
            raise UserError(f"{shown(given.path)} holds several frames, and is to be one frame of a clip.")
        return None
    path = output.of(given, way_out.dtype, channels, picture.frames)
    check_writable(path, channels, way_out.dtype, picture.frames, picture.alpha is not None)
    return path


def translate(
    run: Translator,
    picture: Picture,
    name: object = "picture",
    window: tuple[float, float] | None = None,
    mask: Tensor | None = None,
    tick: Callable[[int], None] | None = None,
) -> Result:
    """Return what becomes of a picture, frame by frame, in the same type, with its transparency.

    Raises UserError for a picture of one pixel across, other channels, or values that no map is known for.
    """
    if min(picture.size) < 2:
        raise UserError(f"{shown(name)} is {picture.size[1]} x {picture.size[0]}; sides of 2 pixels are the least.")
    source, target = maps(picture.pixels, run.intensities, window, name)
    pixels = fit_channels(picture.pixels, run.channels, name)
    made: Pixels | None = None
    scale = 1 if run.tiling is None else run.tiling.scale
    for frame in range(picture.frames):
        for top, rows in run.rows(pixels[frame : frame + 1], source, mask, tick):
            if made is None:
                height = rows.shape[2] if run.tiling is None else picture.size[0] * scale
                made = np.empty((picture.frames, height, rows.shape[3], rows.shape[1]), target.dtype)
            for first in range(0, rows.shape[2], STRIP):  # what is between is float64, several times
                some = rows[0, :, first : first + STRIP].permute(1, 2, 0)
                made[frame, top + first : top + first + some.shape[0]] = to_raw(some, target)
    assert made is not None
    alpha = None if picture.alpha is None else _alpha(picture.alpha, made)
    shown_as = picture if pixels is picture.pixels else Picture(pixels)
    return Result(shown_as, Picture(made, alpha, picture.times, picture.like), (source, target))


def _alpha(alpha: Pixels, made: Pixels) -> Pixels:
    """Return transparency [F, H, W, 1] for a result of any size and type; untouched where both are as before."""
    if alpha.shape[1:3] != made.shape[1:3]:
        alpha = resize(alpha, made.shape[1], made.shape[2])
    if alpha.dtype == made.dtype:
        return alpha
    tops = [1.0 if kind == np.float32 else float(np.iinfo(kind).max) for kind in (alpha.dtype, made.dtype)]
    scaled = alpha.astype(np.float64) * (tops[1] / tops[0])
    return np.asarray(scaled if made.dtype == np.float32 else np.rint(scaled)).astype(made.dtype)


def read_mask(path: Path, picture: Picture) -> Tensor:
    """Return a mask [1, 1, H, W] uint8, 1 where the file is nearer to white: a hole.

    Raises UserError if it has another size than the picture.
    """
    mask = read_picture(path)
    if mask.size != picture.size or mask.frames > 1:
        what = f"{mask.frames} frames of " if mask.frames > 1 else ""
        raise UserError(
            f"Mask {shown(path)} is {what}{mask.size[1]} x {mask.size[0]} pixels and its picture "
            f"{picture.size[1]} x {picture.size[0]}; they must have one size."
        )
    top = 1.0 if mask.pixels.dtype == np.float32 else float(np.iinfo(mask.pixels.dtype).max)
    holes = mask.pixels[0].mean(-1, dtype=np.float32) > top / 2
    return torch.from_numpy(holes.astype(np.uint8))[None, None]


class Watch:
    """Says how far a run is: files, and tiles of the present one."""

    def __init__(self, status: Status, files: int, what: str) -> None:
        self.status, self._files, self._begun = status, files, -1
        self._started, self._tiles = time.monotonic(), 0
        status.start(what)

    def file(self, run: Translator, picture: Picture) -> Callable[[int], None]:
        """Begin the next file; return what hears of its tiles."""
        self._begun += 1
        total = run.tiles(*picture.size) * picture.frames
        before = self._tiles

        def tick(tiles: int) -> None:
            self._tiles += tiles
            fraction = (self._begun + (self._tiles - before) / total) / self._files
            seconds = max(time.monotonic() - self._started, 1e-9)
            left = seconds * (1 - fraction) / max(fraction, 1e-9)
            self.status.update(Standing(fraction, self._tiles, self._tiles / seconds, left))

        return tick
