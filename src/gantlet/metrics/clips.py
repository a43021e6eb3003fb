"""Numbers of clips [N, C, T, H, W] in [-1, 1]: objects, constancy of content, straightness and speed of motion.

Those of motion are for clips of one bright object on black that flies straight and bounces off a box (data/moving.py),
where the truth is known. Flicker and nearest neighbours are for any clips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

THRESHOLD = 0.25  # of the brightest pixel of a clip: above it lies the object
SMALLEST = 4  # pixels of an object, at a side of 32
CROP = 10  # pixels around the centre that are compared, to each side, at a side of 32
ALIKE = 0.9  # correlation with the clip's mean crop, from which a frame shows the same content
SAME_LIGHT = 0.2  # share by which a frame's light may differ from the clip's median
_SIDE = 32


def flicker_error(outputs: Tensor, truth: Tensor) -> Tensor:
    """Return the mean of |(y_t - y_(t-1)) - (x_t - x_(t-1))| [N] of clips y against their truths x."""
    if outputs.shape != truth.shape or outputs.ndim != 5 or outputs.shape[2] < 2:
        raise ValueError(f"needs two sets of clips of 2 frames or more: {list(outputs.shape)}, {list(truth.shape)}")
    return (outputs.diff(dim=2) - truth.diff(dim=2)).abs().flatten(1).mean(1)


def light(clips: Tensor) -> Tensor:
    """Return the light [N, T, H, W] of each pixel: 0 for black, 1 for white; the mean of the channels."""
    return (clips.float().mean(1) + 1) / 2


def components(masks: Tensor) -> Tensor:
    """Return for each pixel of masks [M, H, W] bool the number (from 1) of the region it lies in, 0 outside.

    Regions of 8 neighbours; each is numbered by its last pixel.
    """
    count, height, width = masks.shape
    inside = masks.float()
    numbers = inside * torch.arange(1, height * width + 1, dtype=torch.float32).view(1, height, width)
    for _ in range(height * width):
        grown = F.max_pool2d(numbers[:, None], 3, 1, 1)[:, 0] * inside
        if torch.equal(grown, numbers):
            break
        numbers = grown
    return numbers.long().view(count, height, width)


def object_count(clips: Tensor) -> Tensor:
    """Return how many bright regions of at least 4 pixels (at 32 x 32) each frame shows: [N, T]."""
    bright = light(clips)
    top = bright.flatten(1).amax(1)[:, None, None, None]
    masks = (bright > THRESHOLD * top) & (bright > 0.1)
    frames = masks.flatten(0, 1)
    smallest = SMALLEST * (min(clips.shape[-2:]) / _SIDE) ** 2
    numbers = components(frames).flatten(1)
    sizes = torch.zeros(len(frames), numbers.shape[1] + 1).scatter_add_(1, numbers, torch.ones(numbers.shape))
    return (sizes[:, 1:] >= smallest).sum(1).view(clips.shape[0], clips.shape[2])


def centres(clips: Tensor) -> Tensor:
    """Return the centre of light [N, T, 2] (y, x in pixels) of what is over a tenth of the clip's brightest."""
    bright = light(clips)
    top = bright.flatten(1).amax(1)[:, None, None, None]
    mass = (bright - 0.1 * top).clamp_min(0) + 1e-9
    y, x = (torch.arange(side, dtype=torch.float32) for side in mass.shape[-2:])
    total = mass.sum((2, 3))
    return torch.stack([(mass.sum(3) * y).sum(2) / total, (mass.sum(2) * x).sum(2) / total], -1)


def constancy(clips: Tensor) -> Tensor:
    """Return whether each frame shows the content of its clip [N, T] bool, wherever it is.

    Crops around the centres are compared with the mean crop of the clip: a correlation of .9 or more, and a light
    that differs by at most a fifth from the clip's median.
    """
    bright, at = light(clips), centres(clips)
    count, frames, height, width = bright.shape
    reach = round(CROP * min(height, width) / _SIDE)
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    side = len(offsets)
    y = ((at[..., 0, None] + offsets) / max(height - 1, 1) * 2 - 1)[:, :, :, None].expand(-1, -1, -1, side)
    x = ((at[..., 1, None] + offsets) / max(width - 1, 1) * 2 - 1)[:, :, None, :].expand(-1, -1, side, -1)
    places = torch.stack([x, y], -1).flatten(0, 1)
    crops = F.grid_sample(bright.reshape(-1, 1, height, width), places, align_corners=True)
    crops = crops.view(count, frames, -1)
    mean = crops.mean(1, keepdim=True)
    apart, other = crops - crops.mean(2, keepdim=True), mean - mean.mean(2, keepdim=True)
    alike = (apart * other).sum(2) / (apart.norm(dim=2) * other.norm(dim=2)).clamp_min(1e-9)
    lit = crops.sum(2)
    middle = lit.median(1, keepdim=True).values
    same: Tensor = (alike >= ALIKE) & ((lit - middle).abs() <= SAME_LIGHT * middle)
    return same


@dataclass(frozen=True)
class Flight:
    """The straight flight with bounces that is nearest to a path."""

    residual: Tensor  # [N] root of the mean squared distance of the path to it, in pixels
    speed: Tensor  # [N] pixels a frame


def flight(paths: Tensor, box: NDArray[np.float64], fastest: float) -> Flight:
    """Return the flights nearest to paths [N, T, 2] (y, x) in a box [2, 2], of at most `fastest` pixels a frame."""
    residuals, speeds = [], []
    for axis in (0, 1):
        low, high = (float(edge) for edge in box[axis])
        found = [_along(part, low, high, fastest) for part in torch.split(paths[..., axis], 64)]
        residuals.append(torch.cat([each[0] for each in found]))
        speeds.append(torch.cat([each[1] for each in found]))
    return Flight((residuals[0] + residuals[1]).sqrt(), torch.hypot(*speeds))


def _along(path: Tensor, low: float, high: float, fastest: float) -> tuple[Tensor, Tensor]:
    """Return the mean squared residual [N] and the speed [N] of the best triangle wave through paths [N, T].

    A grid over speed and phase, then a finer one around the best of the coarse.
    """
    length, frames = high - low, path.shape[1]
    time = torch.arange(frames, dtype=torch.float32)
    step = min(length / (4 * max(frames - 1, 1)), fastest / 8)
    speed = torch.linspace(0, fastest, max(int(fastest / step) + 2, 3))
    phase = torch.arange(64) / 64 * 2 * length
    best_speed, best_phase = torch.zeros(len(path)), torch.zeros(len(path))
    spans = (float(speed[1]), float(phase[1]))
    for turn in range(4):
        if turn == 0:
            v, p = (grid.flatten().expand(len(path), -1) for grid in torch.meshgrid(speed, phase, indexing="ij"))
        else:
            near = torch.linspace(-1, 1, 7)
            dv, dp = (grid.flatten() for grid in torch.meshgrid(spans[0] * near, spans[1] * near, indexing="ij"))
            v, p = best_speed[:, None] + dv, best_phase[:, None] + dp
            spans = (spans[0] / 3, spans[1] / 3)
        way = p[..., None] + v[..., None] * time
        wave = low + length - (way.remainder(2 * length) - length).abs()
        errors = (wave - path[:, None]).square().mean(2)
        error, which = errors.min(1)
        best_speed, best_phase = (each.gather(1, which[:, None])[:, 0] for each in (v, p))
    return error, best_speed.abs()


def wasserstein(first: Tensor, second: Tensor) -> float:
    """Return the first Wasserstein distance of two samples of numbers: the mean distance of their quantiles."""
    at = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    a, b = (torch.quantile(values.double(), at) for values in (first, second))
    return float((a - b).abs().mean())


@dataclass(frozen=True)
class MotionNumbers:
    """What is gathered of clips whose truth is of a known kind."""

    one_object: Tensor  # [N, T] bool
    constant: Tensor  # [N, T] bool
    residual: Tensor  # [N] pixels
    speed: Tensor  # [N] pixels a frame

    @classmethod
    def of(cls, clips: Tensor, box: NDArray[np.float64], fastest: float) -> MotionNumbers:
        """Return what is seen in clips [N, C, T, H, W]; speeds of at most `fastest` pixels a frame are looked for."""
        found = flight(centres(clips), box, fastest)
        return cls(object_count(clips) == 1, constancy(clips), found.residual, found.speed)

    @classmethod
    def joined(cls, parts: list[MotionNumbers]) -> MotionNumbers:
        """Return all of several."""
        names = ("one_object", "constant", "residual", "speed")
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))

    def values(self, speeds: Tensor) -> dict[str, float]:
        """Return the numbers: shares of frames, pixels, the distance to real speeds [M] as a share of their range."""
        spread = float(speeds.max() - speeds.min())
        return {
            "one_object": float(self.one_object.float().mean()),
            "content_constant": float(self.constant.float().mean()),
            "trajectory_residual": float(self.residual.mean()),
            "speed_w1": wasserstein(self.speed, speeds) / max(spread, 1e-9),
        }


def nearest_clips(samples: Tensor, clips: Tensor, side: int = 16) -> tuple[Tensor, Tensor]:
    """Return for each sample the clip [N] that is nearest to it, and the distance [N]; both are [.., C, T, H, W].

    The distance is the root of the mean square over pixels, each frame averaged down to `side` pixels.
    """
    few = [F.adaptive_avg_pool3d(each.float(), (each.shape[2], side, side)).flatten(1) for each in (samples, clips)]
    apart = torch.cdist(few[0], few[1]) / few[0].shape[1] ** 0.5
    distance, index = apart.min(1)
    return index, distance
