"""Clips beside each other: film strips to look at, one animation of several clips, and samples on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import UserError
from gantlet.media import film
from gantlet.media.clip import ClipWriter, check_clip_name, write_clip
from gantlet.media.foreign import shown
from gantlet.media.image import grid, replace, write_image
from gantlet.media.manifest import entries, write_manifest

Clips = NDArray[np.uint8]  # [N, T, H, W, C]

SHOWN_FRAMES = 16  # on a strip, at most: evenly taken from all
SHOWN_CLIPS = 32  # on a sheet


def film_strip(clips: Clips) -> NDArray[np.uint8]:
    """Return a picture [H', W', C] of clips: a row each, its frames from left to right."""
    count = clips.shape[1]
    chosen = np.linspace(0, count - 1, min(count, SHOWN_FRAMES)).round().astype(int)
    kept = clips[:SHOWN_CLIPS, chosen]
    return grid(kept.reshape(-1, *kept.shape[2:]), columns=len(chosen))


def tiled(frames: NDArray[np.uint8], columns: int | None = None) -> NDArray[np.uint8]:
    """Return one picture [H', W', C] of the frames [N, H, W, C] of this moment; a single one is only enlarged."""
    return grid(frames, columns) if len(frames) > 1 else grid(frames, 1, pad=0)


def write_tiled(path: Path, clips: Clips, rate: float, columns: int | None = None) -> None:
    """Write clips as one animation, beside each other."""
    write_clip(path, np.stack([tiled(frames, columns) for frames in clips.swapaxes(0, 1)]), rate)


def write_stream(path: Path, frames: Iterable[NDArray[np.uint8]], rate: float) -> int:
    """Write frames [N, H, W, C], as they come, as one animation; return how many there were."""
    with ClipWriter(path, rate) as writer:
        for each in frames:
            writer.write(tiled(each))
    return writer.count


def write_both(folder: Path, name: str, clips: Clips, rate: float, columns: int | None = None) -> NDArray[np.uint8]:
    """Write the animation and the strip of clips; return the strip."""
    sheet = film_strip(clips)
    write_image(folder / f"{name}.png", sheet)
    write_tiled(folder / f"{name}.gif", clips[:SHOWN_CLIPS], rate, columns)
    return sheet


def write_clips(
    out: str | Path,
    clips: Clips,
    rate: float,
    labels: NDArray[np.int64] | None = None,
    *,
    classes: Sequence[str] = (),
    seed: int = 0,
    first: int = 0,
) -> list[Path]:
    """Write clips; return what was written beside `out`, if anything.

    `.npz` holds the arrays clips, frame_rate and labels, `.png` the film strips, `.gif`, `.webp`, `.mp4` and `.webm`
    all clips side by side; a folder a .gif each, strip.png, clips.gif (and clips.mp4 where PyAV is there) with all of
    them, and manifest.json.

    Raises UserError for any other suffix, or a place that cannot be written.
    """
    out, suffix = Path(out), Path(out).suffix.lower()
    if suffix == ".npz":
        arrays = {"clips": clips, "frame_rate": np.array(rate)}
        named: dict[str, Any] = arrays if labels is None else {**arrays, "labels": labels}
        replace(out, lambda file: np.savez_compressed(file, **named))
        return []
    if suffix == ".png":
        write_image(out, film_strip(clips))
        return []
    if suffix and not out.is_dir():
        check_name(out)
        write_tiled(out, clips, rate)
        return []
    listing = entries(len(clips), ".gif", labels, classes, seed, first)
    for each, clip in zip(listing, clips):
        write_clip(out / each["file"], clip, rate)
    beside = [out / "strip.png", out / "clips.gif", *([out / "clips.mp4"] if film.there() else [])]
    write_image(beside[0], film_strip(clips))
    for path in beside[1:]:
        write_tiled(path, clips[:SHOWN_CLIPS], rate)
    write_manifest(out, {"frame_rate": rate, "frames": clips.shape[1], "seed": seed, "files": listing})
    return beside


def check_name(out: Path) -> None:
    """Raise UserError unless samples can be written under this name."""
    if out.suffix.lower() in (".npz", ".png"):
        return
    try:
        check_clip_name(out)
    except UserError as error:
        if "PyAV" in str(error):
            raise
        raise UserError(
            f"{shown(out)}: clips are written as .gif, .webp, .mp4, .webm, .npz, .png (film strips) or into a folder; "
            f"'{shown(out.suffix)}' is none of them, so choose another name."
        ) from error
