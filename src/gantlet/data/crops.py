"""Where a crop is taken and how it is turned: a pure function of the seed and the position in the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.data.wholes import Wholes

FLIPS = ("none", "mirror", "all")
Pixels = NDArray[Any]


class Crops:
    """Random crops [height, width] of pictures; `flips` is none, mirror (left and right) or all eight symmetries.

    The crop at position p depends on (seed, p) and on the size of its picture, whatever batch it is in.
    """

    def __init__(self, height: int, width: int, seed: int, flips: str = "none") -> None:
        if flips not in FLIPS:
            raise ValueError(f"flips are {', '.join(FLIPS)}, not '{flips}'")
        self.height, self.width, self.flips = height, width, flips
        self._key = (seed % 2**64) | (0x63726F70 << 64)  # a stream of its own

    def numbers(self, start: int, count: int) -> NDArray[np.float64]:
        """Return four numbers in [0, 1) for each of the positions start .. start + count - 1: [count, 4]."""
        raw = np.random.Philox(key=self._key, counter=start).random_raw(4 * count)
        return np.asarray((raw >> np.uint64(11)) * 2.0**-53, np.float64).reshape(count, 4)

    def cut(self, pictures: Wholes, indices: Sequence[int] | NDArray[Any], numbers: NDArray[np.float64]) -> Pixels:
        """Return a crop [n, height, width, C] of each picture. All must be at least as large."""
        out = np.empty((len(indices), self.height, self.width, pictures.channels), pictures.flat.dtype)
        starts = pictures.starts
        for row, index in enumerate(indices):
            (height, width), (down, right, mirror, turn) = pictures.sizes[index], numbers[row]
            top, left = int(down * (height - self.height + 1)), int(right * (width - self.width + 1))
            whole = pictures.flat[starts[index] : starts[index] + height * width].reshape(height, width, -1)
            out[row] = self.turned(whole[top : top + self.height, left : left + self.width], mirror, turn)
        return out

    def turned(self, crop: Pixels, mirror: float, turn: float) -> Pixels:
        """Return a crop [height, width, C] as its numbers say."""
        if self.flips != "none" and mirror < 0.5:
            crop = crop[:, ::-1]
        if self.flips == "all":
            quarters = int(turn * 4) if self.height == self.width else 2 * int(turn * 2)
            crop = np.rot90(crop, quarters)
        return crop
