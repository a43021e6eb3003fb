"""What a folder of samples says of them: which sample each file holds, and of which class it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.media.image import replace


def entries(
    count: int, suffix: str, labels: NDArray[np.int64] | None, classes: Sequence[str], seed: int, first: int
) -> list[dict[str, Any]]:
    """Return what is said of samples `first` to `first + count`: file, sample, seed; label and class if there are."""
    listing, digits = [], max(5, len(str(first + count - 1)))
    for number in range(first, first + count):
        about: dict[str, Any] = {"file": f"{number:0{digits}d}{suffix}", "sample": number, "seed": seed}
        if labels is not None:
            label = int(labels[number - first])
            about |= {"label": label, "class": classes[label] if label < len(classes) else None}
        listing.append(about)
    return listing


def write_manifest(folder: Path, about: dict[str, Any]) -> None:
    """Write manifest.json. Raises UserError if the place cannot be written."""
    replace(folder / "manifest.json", lambda file: file.write(json.dumps(about, indent=1).encode()))
