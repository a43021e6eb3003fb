"""A contact sheet: each picture beside what became of it, and beside its reference if there is one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantlet.data import Intensity
from gantlet.media.image import grid, to_displayable

Pixels = NDArray[Any]

CELL = 256  # side of a cell in pixels, at most
ROWS = 24  # files shown


def thumbnail(pixels: Pixels, intensity: Intensity, side: int = CELL) -> Pixels:
    """Return one picture [H, W, C] as [side, side, 3] uint8, all of it, in the middle of black."""
    stride = max(1, max(pixels.shape[:2]) // (4 * side))  # resized exactly enough from four times the size
    small = to_displayable(pixels[None, ::stride, ::stride], intensity)[0]
    image = Image.fromarray(np.ascontiguousarray(small[..., 0] if small.shape[2] == 1 else small)).convert("RGB")
    factor = side / max(image.size)
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    image = image.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BICUBIC)
    cell = np.zeros((side, side, 3), np.uint8)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = np.asarray(image)
    return cell


def contact_sheet(rows: list[list[Pixels]]) -> Pixels:
    """Return rows of thumbnails as one picture; more than six rows stand in two columns."""
    across = len(rows[0]) * (2 if len(rows) > 6 else 1)
    return grid(np.stack([cell for row in rows for cell in row]), columns=across, scale=1, pad=2)
