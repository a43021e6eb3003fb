"""How the raw values of a person's pictures map to what a model was trained on, and its results back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gantlet.data import Intensity
from gantlet.errors import UserError
from gantlet.media.foreign import shown


def maps(
    pixels: NDArray[Any], trained: tuple[Intensity, Intensity], window: tuple[float, float] | None, name: object
) -> tuple[Intensity, Intensity]:
    """Return the map of raw values to [-1, 1] on the way in, and the one on the way out; `trained` are the model's.

    In: the window if there is one; else the model's own if the picture has its type and, of integers, no value beyond
    it (12 bits in 16); else the picture's whole type (0 to 255, 0 to 65535; floats within 0 to 1 or -1 to 1). Out: the
    same, so that depth and units stay; but a model whose targets have another map than its sources (MR into CT) gives
    its targets' values.

    Raises UserError for floats beyond 1 that no window explains, and for a window without width.
    """
    source, target = trained
    kind = pixels.dtype.name
    if window is not None:
        if not -np.inf < window[0] < window[1] < np.inf:
            raise UserError(f"--window takes two numbers, the lower first, not {window[0]:g},{window[1]:g}.")
        way_in = Intensity(*window, kind)
    elif kind == source.dtype and (kind == "float32" or _covers(source, pixels)):
        way_in = source
    elif kind == "float32":
        way_in = Intensity.of(pixels)
        if (way_in.low, way_in.high) not in ((0.0, 1.0), (-1.0, 1.0)):
            raise UserError(
                f"{shown(name)} holds floats from {pixels.min():g} to {pixels.max():g} and the model knows "
                f"{source.dtype}; say with --window LOW,HIGH what is black and white."
            )
    else:
        way_in = Intensity(0.0, float(np.iinfo(pixels.dtype).max), kind)
    return way_in, way_in if target == source else target


def to_raw(unit: Tensor, intensity: Intensity) -> NDArray[Any]:
    """Return values in [-1, 1] as raw ones, also where a window goes beyond what their type holds: clipped to it."""
    if intensity.dtype == "float32":
        return intensity.to_raw(unit)
    top = float(np.iinfo(intensity.dtype).max)
    if intensity.low >= 0 and intensity.high <= top:
        return intensity.to_raw(unit)
    raw = Intensity(intensity.low, intensity.high, "float32").to_raw(unit)
    return np.asarray(np.rint(raw).clip(0, top)).astype(intensity.dtype)


def _covers(intensity: Intensity, pixels: NDArray[Any]) -> bool:
    return bool(intensity.low <= pixels.min() and pixels.max() <= intensity.high)


def fit_channels(pixels: NDArray[Any], channels: int, name: object) -> NDArray[Any]:
    """Return [F, H, W, C] with the model's channels: grey is repeated, and colour that is grey throughout taken once.

    Raises UserError for other numbers of channels.
    """
    have = pixels.shape[3]
    if have == channels:
        return pixels
    if have == 1 and channels == 3:
        return np.broadcast_to(pixels, (*pixels.shape[:3], 3))
    if have == 3 and channels == 1 and all((pixels[..., 0] == pixels[..., i]).all() for i in (1, 2)):
        return pixels[..., :1]
    raise UserError(f"{shown(name)} has {have} channels, the model was trained on {channels}; convert it first.")
