"""Built-in clips whose truth is known, `bouncing_shapes` and `moving_digits`: each a function of (split, index)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.data import known
from gantlet.data.splits import choose_split

NAMES = ("bouncing_shapes", "moving_digits")
COUNTS = {"train": 2400, "test": 480}  # clips
SIDE = 32  # pixels, unless another size is asked for; lengths below are for this side, and grow with it
FRAME_RATE = 10.0  # frames a second
SHAPES = ("disc", "square", "triangle", "cross")
SPEEDS: dict[str, tuple[float, float]] = {"slow": (0.5, 1.1), "fast": (1.6, 2.5)}  # pixels a frame
SHAPE_CLASSES = tuple(f"{shape} {speed}" for shape in SHAPES for speed in SPEEDS)
DIGIT_CLASSES = tuple("0123456789")
DIGIT_SPEEDS = (0.5, 2.5)  # pixels a frame
RADII = (4.0, 6.0)  # of shapes
MARGINS = {"bouncing_shapes": 7.0, "moving_digits": 9.0}  # pixels that centres keep from the edges

_CHUNK = 64  # clips that are drawn at a time
_DRAWS = 8  # random numbers of a clip: start y and x, angle, speed, size, light

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Motion:
    """Where the one object of each clip truly is: a point that flies straight and is thrown back by a box."""

    positions: NDArray[np.float64]  # [N, T, 2] y and x of its centre in pixels; the first pixel's centre is 0
    velocities: NDArray[np.float64]  # [N, 2] pixels a frame, when the clip begins
    box: NDArray[np.float64]  # [2, 2] lowest and highest y, lowest and highest x of the centre

    @property
    def speeds(self) -> NDArray[np.float64]:
        """Pixels a frame [N]."""
        return np.asarray(np.hypot(self.velocities[:, 0], self.velocities[:, 1]))

    def rows(self, indices: Any) -> Motion:
        """Return the motion of some of the clips."""
        return Motion(self.positions[indices], self.velocities[indices], self.box)


@dataclass(frozen=True, eq=False)
class Made:
    """Clips [N, T, H, W, 1] uint8 with their classes [N] and their truth."""

    clips: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    motion: Motion


def make(
    name: str,
    split: str,
    num_frames: int = 16,
    resolution: tuple[int, int] = (SIDE, SIDE),
    stride: int = 1,
    count: int | None = None,
) -> Made:
    """Return the clips of `bouncing_shapes` or `moving_digits`: one object each, moving straight, bouncing off a box.

    Classes are a shape at a speed, or the digit; size, light, place and direction are drawn. Clip i of a split is the
    same whatever else is asked for, and the first frames of a longer one are those of a shorter one. Sizes and speeds
    grow with the shorter side; `stride` takes every so many frames, `count` the first clips of the split.

    Raises NoSuchSplit for a split that is neither train nor test.
    """
    split = choose_split(name, split, COUNTS)
    number = np.arange(min(COUNTS[split], COUNTS[split] if count is None else count))
    key = 101 + 2 * NAMES.index(name) + list(COUNTS).index(split)
    raw = np.random.Philox(key=key).random_raw(COUNTS[split] * _DRAWS).reshape(-1, _DRAWS)[number]
    draws = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53  # [0, 1)
    scale = min(resolution) / SIDE
    if name == "moving_digits":
        table = known.digits(split)
        assert table.labels is not None
        chosen = number % len(table.pixels)
        digits, labels, classes = (
            table.pixels[chosen, :, :, 0].astype(np.float32) / 16,
            table.labels[chosen],
            DIGIT_CLASSES,
        )
        slowest, fastest = (np.full(len(number), speed) for speed in DIGIT_SPEEDS)
    else:
        labels, classes = number % len(SHAPE_CLASSES), SHAPE_CLASSES
        slowest, fastest = np.asarray(list(SPEEDS.values()))[labels % len(SPEEDS)].T
    motion = _motion(name, draws, scale * slowest, scale * fastest, num_frames, resolution, stride)
    light = 0.6 + 0.4 * draws[:, 5]
    clips = np.empty((len(number), num_frames, *resolution, 1), np.uint8)
    for start in range(0, len(number), _CHUNK):
        part = slice(start, start + _CHUNK)
        at = motion.positions[part].astype(np.float32)
        if name == "moving_digits":
            drawn = _digits(digits[part], at, resolution, 2 * scale)
        else:
            radius = scale * (RADII[0] + (RADII[1] - RADII[0]) * draws[part, 4])
            drawn = _shapes(labels[part] // len(SPEEDS), radius, at, resolution)
        clips[part, ..., 0] = np.rint(255 * light[part, None, None, None] * drawn)
    return Made(clips, labels.astype(np.int64), classes, motion)


def _motion(
    name: str,
    draws: NDArray[np.float64],
    slowest: NDArray[np.float64],
    fastest: NDArray[np.float64],
    num_frames: int,
    resolution: tuple[int, int],
    stride: int,
) -> Motion:
    """Return where the objects are: on a triangle wave along each axis."""
    margin = MARGINS[name] * min(resolution) / SIDE
    box = np.array([[margin, side - 1 - margin] for side in resolution])
    speed = slowest + (fastest - slowest) * draws[:, 3]
    angle = 2 * np.pi * draws[:, 2]
    velocities = stride * speed[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1)
    start = draws[:, :2] * (box[:, 1] - box[:, 0])
    way = start[:, None] + velocities[:, None] * np.arange(num_frames)[:, None]
    return Motion(box[:, 0] + folded(way, box[:, 1] - box[:, 0]), velocities, box)


def folded(way: NDArray[np.float64], length: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the place within [0, length] of something that has gone `way` and is thrown back at both ends."""
    return np.asarray(length - np.abs(np.mod(way, 2 * length) - length))


def _shapes(kinds: NDArray[np.int64], radius: NDArray[np.float64], at: Floats, resolution: tuple[int, int]) -> Floats:
    """Return the share [n, T, H, W] of each pixel that lies in a shape, from the distance to its edge."""
    y = np.arange(resolution[0], dtype=np.float32)[None, None, :, None] - at[:, :, 0, None, None]
    x = np.arange(resolution[1], dtype=np.float32)[None, None, None, :] - at[:, :, 1, None, None]
    r = radius.astype(np.float32)[:, None, None, None]
    out = np.empty((*at.shape[:2], *resolution), np.float32)
    for kind in range(len(SHAPES)):
        mine = kinds == kind
        if mine.any():
            out[mine] = np.clip(0.5 - _beyond(kind, y[mine], x[mine], r[mine]), 0, 1)
    return out


def _beyond(kind: int, y: Floats, x: Floats, r: Floats) -> Any:
    """Return how far pixels lie outside of a shape, negative inside; the centre of mass is the origin."""
    if kind == 0:
        return np.sqrt(y * y + x * x) - r
    if kind == 1:
        return np.maximum(abs(y), abs(x)) - np.float32(0.85) * r
    if kind == 2:  # equilateral, its base below
        slope = np.float32(np.sqrt(3) / 2) * abs(x) - np.float32(0.5) * y
        return np.maximum(y, slope) - np.float32(0.65) * r
    thin, long = np.float32(0.35) * r, r
    return np.minimum(np.maximum(abs(y) - thin, abs(x) - long), np.maximum(abs(y) - long, abs(x) - thin))


def _digits(digits: Any, at: Any, resolution: tuple[int, int], scale: float) -> Any:
    """Return digits [n, 8, 8] enlarged bilinearly, their centres of mass at [n, T, 2]: [n, T, H, W]."""
    cells = np.arange(digits.shape[1], dtype=np.float32)
    mass = digits.sum((1, 2))
    middles = [(digits.sum(2 - axis) * cells).sum(1) / mass for axis in (0, 1)]
    rows, columns = (_weights(at[:, :, axis], resolution[axis], cells, middles[axis], scale) for axis in (0, 1))
    placed: Any = rows @ digits[:, None] @ columns.swapaxes(2, 3)
    return placed


def _weights(at: Any, side: int, cells: Floats, middle: Floats, scale: float) -> Any:
    """Return [n, T, side, cells]: the share of each cell of a digit in each pixel of a line; `middle` is at `at`."""
    place = (np.arange(side, dtype=np.float32) - at[..., None]) / np.float32(scale) + middle[:, None, None]
    return np.maximum(0, 1 - np.abs(place[..., None] - cells))


def describe(name: str, made: Made, stride: int = 1) -> tuple[str, ...]:
    """Return in words what a built-in set is."""
    what: Mapping[str, str] = {
        "bouncing_shapes": f"one of {len(SHAPES)} shapes a clip, slow or fast, made by rule",
        "moving_digits": "one real digit of scikit-learn a clip, enlarged and moved by rule",
    }
    height, width = made.clips.shape[2:4]
    return (f"{what[name]}: {made.clips.shape[1]} frames of {width} x {height}, {FRAME_RATE / stride:g} a second",)
