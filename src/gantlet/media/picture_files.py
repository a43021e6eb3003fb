"""Samples of pictures on disk: a file of arrays, one grid, or a PNG each and a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import UserError
from gantlet.media.foreign import shown
from gantlet.media.image import Pixels, grid, replace, to_displayable, write_image
from gantlet.media.manifest import entries, write_manifest

if TYPE_CHECKING:
    from gantlet.data.intensity import Intensity


def write_samples(
    out: str | Path,
    raw: Pixels,
    labels: NDArray[np.int64] | None = None,
    *,
    classes: Sequence[str] = (),
    seed: int = 0,
    first: int = 0,
    intensity: Intensity | None = None,
) -> None:
    """Write pictures [N, H, W, C]: `.npz` (arrays images, labels), one `.png` grid, or a folder (no suffix).

    npz holds the raw values. Folder and grid show uint8 (and the folder uint16) as they are unless `intensity` says
    how to display them, which float pictures and those of 5 or more channels need. A folder gets a PNG each, named
    after the number of its sample, from `first` on, and manifest.json.

    Raises UserError for any other suffix, or a place that cannot be written.
    """
    out = Path(out)
    if out.suffix.lower() == ".npz":
        arrays = {"images": raw} if labels is None else {"images": raw, "labels": labels}
        replace(out, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]
    elif out.suffix.lower() == ".png":
        write_image(out, grid(to_displayable(raw, intensity) if intensity else raw))
    elif out.suffix == "" or out.is_dir():
        pictures = raw if intensity is None or _fits_png(raw, intensity) else to_displayable(raw, intensity)
        listing = entries(len(raw), ".png", labels, classes, seed, first)
        for each, picture in zip(listing, pictures):
            write_image(out / each["file"], picture)
        write_manifest(out, {"seed": seed, "files": listing})
    else:
        raise UserError(
            f"{shown(out)}: samples are written as .npz, as one .png grid, or into a folder; '{shown(out.suffix)}' is "
            "none of them, so choose another name."
        )


def _fits_png(raw: Pixels, intensity: Intensity) -> bool:
    """Return whether the raw values can be written as they are: PNG has the channels, and they span their dtype."""
    top = {"uint8": 255, "uint16": 65535}.get(raw.dtype.name)
    return raw.shape[-1] in (1, 3, 4) and (intensity.low, intensity.high) == (0, top)
