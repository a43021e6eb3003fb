"""The one size, number of channels and depth of a data set, and how each picture is brought to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantlet.errors import UserError
from gantlet.media.image import Header

Pixels = NDArray[Any]

SIDES = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)  # nets halve them at least twice
MAX_SIDE = 16384


@dataclass(frozen=True)
class Shape:
    """What every picture becomes: [height, width, channels] of this dtype."""

    height: int
    width: int
    channels: int
    dtype: str
    natural: tuple[int, int] | None = None  # (height, width) of the pictures, if these are scaled to less unasked

    @property
    def bytes(self) -> int:
        """The bytes of one picture."""
        return self.height * self.width * self.channels * np.dtype(self.dtype).itemsize


def check_resolution(resolution: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """Return (height, width) in pixels, or None; `UserError` if a side is not from 1 to 16384."""
    if resolution is None:
        return None
    sides = (resolution, resolution) if isinstance(resolution, int) else tuple(resolution)
    if len(sides) != 2 or any(isinstance(s, bool) or not isinstance(s, int) for s in sides):
        raise UserError(f"resolution {resolution} is neither a number of pixels nor a pair (height, width).")
    if not all(1 <= side <= MAX_SIDE for side in sides):
        raise UserError(f"resolution {resolution} is out of range; choose sides from 1 to {MAX_SIDE} pixels.")
    return sides[0], sides[1]


def common_size(sizes: Counter[tuple[int, int]]) -> tuple[int, int]:
    """Return the (height, width) for pictures of these sizes.

    The most common size if at least 90 % have it, square or not. Else a square: the largest of 8, 12, 16, 24, 32,
    48, ..., 768, 1024 that is not above the median shorter side (or that side itself if it is below 8).
    """
    size, count = min(sizes.items(), key=lambda item: (-item[1], item[0]))
    if count >= 0.9 * sizes.total():
        return size
    short = sorted(Counter({min(s): 0 for s in sizes}).keys())
    shares = Counter[int]()
    for each, number in sizes.items():
        shares[min(each)] += number
    half, seen, median = sizes.total() / 2, 0, short[-1]
    for side in short:
        seen += shares[side]
        if seen >= half:
            median = side
            break
    side = max((s for s in SIDES if s <= median), default=median)
    return side, side


def limited(size: tuple[int, int], at_most: int | None) -> tuple[int, int]:
    """Return (height, width), scaled so that the longer side is `at_most` if it is longer: about the same aspect ratio,
    the shorter side a multiple of 4.
    """
    longest = max(size)
    if at_most is None or longest <= at_most:
        return size
    height, width = (max(4, round(side * at_most / longest / 4) * 4) for side in size)
    return height, width


def common_shape(
    headers: Sequence[Header], resolution: tuple[int, int] | None, where: str, at_most: int | None = None
) -> Shape:
    """Return what suits all pictures: `common_size`, RGB if any has colour, uint16 if any has 16 bits, else uint8.

    Without a `resolution` the longer side is `at_most` pixels.

    Raises:
        UserError: float pictures among integer ones, which have no common scale.
    """
    dtypes = {header.dtype for header in headers}
    if "float32" in dtypes and len(dtypes) > 1:
        raise UserError(f"{where}: mixes pictures of floats with pictures of integers, which have no common scale.")
    natural = resolution or common_size(Counter((header.height, header.width) for header in headers))
    height, width = resolution or limited(natural, at_most)
    channels, dtype = max(header.channels for header in headers), max(dtypes, key=lambda d: (len(d), d))
    return Shape(height, width, channels, dtype, None if (height, width) == natural else natural)


def fit(pixels: Pixels, shape: Shape) -> Pixels:
    """Bring one picture [H, W, C] to `shape`: depth, channels, then size.

    Grey becomes RGB by repetition, RGB grey by the luma weights 0.299, 0.587, 0.114; 8 bits become 16 times 257.
    A picture of another aspect ratio is cropped at its centre; another size is reached by Pillow's antialiased bicubic
    filter, clipped to the dtype's range. Raises ValueError for float against integer pixels and other channel counts.
    """
    pixels = _fit_depth(pixels, shape.dtype)
    have = pixels.shape[2]
    if have != shape.channels:
        if have == 1 and shape.channels == 3:
            pixels = pixels.repeat(3, axis=2)
        elif have == 3 and shape.channels == 1:
            grey = pixels.astype(np.float64) @ np.array([[0.299], [0.587], [0.114]])
            pixels = (grey if shape.dtype == "float32" else np.rint(grey)).astype(shape.dtype)
        else:
            raise ValueError(f"it has {have} channels and the others {shape.channels}")
    return resize(pixels, shape.height, shape.width)


def _fit_depth(pixels: Pixels, dtype: str) -> Pixels:
    have = pixels.dtype.name
    if have == dtype:
        return pixels
    if (have, dtype) == ("uint8", "uint16"):
        return pixels.astype(np.uint16) * np.uint16(257)
    if (have, dtype) == ("uint16", "uint8"):
        return np.asarray(np.rint(pixels / 257)).astype(np.uint8)
    raise ValueError(f"it holds {have} values and the others {dtype}")


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """Crop one picture [H, W, C] or many [N, H, W, C] of a size at the centre to the aspect ratio of [height, width],
    then resize them with Pillow's antialiased bicubic filter, clipped to the dtype's range (floats: to their own).
    """
    have_y, have_x = pixels.shape[-3:-1]
    crop_y, crop_x = have_y, have_x
    if have_x * height > have_y * width:
        crop_x = max(1, round(have_y * width / height))
    else:
        crop_y = max(1, round(have_x * height / width))
    top, left = (have_y - crop_y) // 2, (have_x - crop_x) // 2
    pixels = pixels[..., top : top + crop_y, left : left + crop_x, :]
    if (crop_y, crop_x) == (height, width):
        return pixels
    if pixels.ndim == 3:
        one: Pixels = _filtered(pixels[None], height, width)[0]
        return one
    out = np.empty((len(pixels), height, width, pixels.shape[3]), pixels.dtype)
    step = max(1, 2**19 // max(crop_y, crop_x, height, width))
    for start in range(0, len(pixels), step):
        out[start : start + step] = _filtered(pixels[start : start + step], height, width)
    return out


def _filtered(pixels: Pixels, height: int, width: int) -> Pixels:
    """Resize [N, H, W, C] at once: a picture as high as all of them, first along the width, then along the height."""
    if pixels.dtype == np.uint8 and pixels.shape[3] in (1, 3):
        return _along_width(_along_width(pixels, width).swapaxes(1, 2), height).swapaxes(1, 2)
    planes = pixels.astype(np.float32).transpose(0, 3, 1, 2).reshape(-1, *pixels.shape[1:3], 1)
    planes = _along_width(_along_width(planes, width).swapaxes(1, 2), height).swapaxes(1, 2)
    out = planes.reshape(len(pixels), pixels.shape[3], height, width).transpose(0, 2, 3, 1)
    if pixels.dtype == np.float32:  # bicubic overshoots
        sides = (1, 2, 3)
        return np.asarray(out.clip(pixels.min(sides, keepdims=True), pixels.max(sides, keepdims=True)))
    return np.asarray(np.rint(out).clip(0, np.iinfo(pixels.dtype).max)).astype(pixels.dtype)


def _along_width(pixels: Pixels, width: int) -> Pixels:
    count, rows, columns, channels = pixels.shape
    flat = np.ascontiguousarray(pixels).reshape(count * rows, columns, channels)
    image = Image.fromarray(flat[..., 0] if channels == 1 else flat)
    wide = image.resize((width, count * rows), Image.Resampling.BICUBIC)
    return np.asarray(wide).reshape(count, rows, width, channels)
