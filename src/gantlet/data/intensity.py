"""How the raw values of pictures map to [-1, 1] and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DTYPES = ("uint8", "uint16", "float32")


@dataclass(frozen=True)
class Intensity:
    """A linear map of raw values: `low` becomes -1 and `high` +1; stored in a model and inverted on export."""

    low: float
    high: float
    dtype: str  # of the raw values: "uint8", "uint16" or "float32"

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES or not -np.inf < self.low < self.high < np.inf:
            raise ValueError(f"an intensity needs finite low < high and a dtype of {DTYPES}, not {self}")

    def to_unit(self, raw: NDArray[Any] | Tensor) -> Tensor:
        """Return raw values of any shape as float32 in [-1, 1]; what lies outside of low to high is clipped."""
        if not isinstance(raw, Tensor):
            if raw.dtype == np.uint16 or not raw.flags.writeable:
                raw = raw.astype(np.float32)
            raw = torch.from_numpy(np.ascontiguousarray(raw))
        unit = raw.to(torch.float32)
        if unit is raw:
            unit = raw.clone()
        if self.low:
            unit.sub_(self.low)
        unit.mul_(2 / (self.high - self.low)).sub_(1)
        return unit if self._covers_dtype else unit.clamp_(-1, 1)

    def to_raw(self, images: Tensor) -> NDArray[Any]:
        """Return [-1, 1] values of any shape as raw ones: clipped, and rounded to the nearest for integer dtypes.

        NaN becomes `low`.
        """
        unit = images.detach().to("cpu", torch.float64).numpy()
        span = self.high - self.low
        raw = np.nan_to_num(unit, nan=-1.0).clip(-1, 1) * (span / 2) + (self.low + span / 2)
        return np.asarray(raw if self.dtype == "float32" else np.rint(raw)).astype(self.dtype)

    def to_json(self) -> dict[str, Any]:
        """Return the map as a plain dict."""
        return {"low": self.low, "high": self.high, "dtype": self.dtype}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Intensity:
        """Rebuild what `to_json` returned; KeyError or ValueError for anything else."""
        return cls(float(plain["low"]), float(plain["high"]), str(plain["dtype"]))

    @classmethod
    def of(cls, pixels: NDArray[Any]) -> Intensity:
        """Return the map that suits pixels of any shape and dtype uint8, uint16 or float32.

        uint8: 0 to 255. uint16: 0 to the most that 8, 10, 12, 14 or 16 bits hold, whichever first covers the data
        (scanners store 12 bits in 16). float32: 0 to 1 or -1 to 1 if the data lie within, else their own range.
        """
        dtype = pixels.dtype.name
        if dtype == "uint8":
            return cls(0.0, 255.0, dtype)
        low, high = float(pixels.min()), float(pixels.max())
        if dtype == "uint16":
            return cls(0.0, float(next(2**bits - 1 for bits in (8, 10, 12, 14, 16) if high < 2**bits)), dtype)
        if low >= 0 and high <= 1:
            return cls(0.0, 1.0, dtype)
        if low >= -1 and high <= 1:
            return cls(-1.0, 1.0, dtype)
        return cls(low, high if high > low else low + max(1.0, abs(low)), dtype)

    @property
    def _covers_dtype(self) -> bool:
        top = {"uint8": 255.0, "uint16": 65535.0}.get(self.dtype)
        return self.low == 0 and self.high == top
