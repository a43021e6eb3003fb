"""Samples of sound on disk: a wav each with a sheet of spectrograms, one preview to listen to and a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import UserError
from gantlet.media.audio import write_sound
from gantlet.media.foreign import shown
from gantlet.media.image import replace, write_image
from gantlet.media.manifest import entries, write_manifest
from gantlet.media.spectrogram import sheet

GAP = 0.15  # s of silence between the sounds of a preview
PREVIEW, SHEET = 60.0, 64  # s in a preview, and spectrograms on a sheet, at most


def joined(waves: NDArray[Any], sample_rate: int, gap: float = GAP, most: float = PREVIEW) -> NDArray[np.float32]:
    """Return sounds [N, C, T] one after the other [C, T'], as many as `most` seconds hold (at least one)."""
    silence = np.zeros((waves.shape[1], round(gap * sample_rate)), np.float32)
    each = (waves.shape[2] + silence.shape[1]) / sample_rate
    count = max(int(min(len(waves), most / each)), 1)
    parts = [part for wave in waves[:count] for part in (np.asarray(wave, np.float32), silence)]
    return np.concatenate(parts[:-1], axis=1)


def write_sounds(
    out: str | Path,
    waves: NDArray[Any],
    sample_rate: int,
    labels: NDArray[np.int64] | None = None,
    *,
    classes: Sequence[str] = (),
    seed: int = 0,
    first: int = 0,
) -> int:
    """Write sounds [N, C, T] in [-1, 1]; return how many values were clipped.

    `.npz` holds the arrays audio, sample_rate and labels, `.png` the sheet of spectrograms, `.wav` all of them one
    after the other; a folder a wav each, spectrograms.png, preview.wav and manifest.json.

    Raises UserError for any other suffix, or a place that cannot be written.
    """
    out = Path(out)
    suffix = out.suffix.lower()
    if suffix == ".npz":
        arrays = {"audio": waves, "sample_rate": np.array(sample_rate)}
        named = arrays if labels is None else {**arrays, "labels": labels}
        replace(out, lambda file: np.savez_compressed(file, **named))  # type: ignore[arg-type]
        return 0
    if suffix == ".png":
        write_image(out, sheet(waves[:SHEET], sample_rate))
        return 0
    if suffix == ".wav":
        return write_sound(out, joined(waves, sample_rate, most=float("inf")), sample_rate)
    if suffix and not out.is_dir():
        raise UserError(
            f"{shown(out)}: sounds are written as .npz, .png (spectrograms), .wav or into a folder; '{shown(suffix)}' "
            "is none of them, so choose another name."
        )
    clipped, listing = 0, entries(len(waves), ".wav", labels, classes, seed, first)
    for each, wave in zip(listing, waves):
        lost = write_sound(out / each["file"], wave, sample_rate)
        each |= {"sample_rate": sample_rate, "clipped": lost}
        clipped += lost
    write_image(out / "spectrograms.png", sheet(waves[:SHEET], sample_rate))
    write_sound(out / "preview.wav", joined(waves, sample_rate), sample_rate)
    seconds = waves.shape[2] / sample_rate
    about = {"sample_rate": sample_rate, "channels": waves.shape[1], "seconds": seconds, "seed": seed, "files": listing}
    write_manifest(out, about)
    return clipped
