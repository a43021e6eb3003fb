"""Change of sample rate: a sinc under a Kaiser window, evaluated for the phases that the two rates give.

Output sample j lies at j * old / new input samples; T samples become ceil(T * new / old). Beyond its ends a wave is 0.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.layers.precision import wide

Array = np.ndarray[Any, np.dtype[np.float64]]
LARGEST_TABLE = 2**22  # numbers: rates without a common divisor (44,101 to 8,000 Hz) would need gigabytes
BLOCK = 2**14  # output samples at a time, where there is no table


def resampled_length(length: int, old: int, new: int) -> int:
    """Return ceil(length * new / old)."""
    return -(-length * new // old)


def resample(wave: Tensor, old: int, new: int, zeros: int = 24, beta: float = 9.0, rolloff: float = 0.95) -> Tensor:
    """Return waves [N, C, T] of `old` Hz at `new` Hz, [N, C, ceil(T new / old)], differentiable.

    The low-pass filter has `zeros` zero crossings to each side, a Kaiser window `beta` and ends at `rolloff` times half
    the lower rate. zeros=10, beta=5, rolloff=1 are the numbers of scipy.signal.resample_poly.
    Raises ValueError for rates below 1.
    """
    if old < 1 or new < 1:
        raise ValueError(f"sample rates are positive, not {old} and {new}")
    if old == new:
        return wave
    up, down = new // gcd(old, new), old // gcd(old, new)
    length = resampled_length(wave.shape[-1], old, new)
    with torch.autocast(wave.device.type, enabled=False):
        rows = wide(wave).flatten(0, 1)
        reach = ceil(_half(up, down, zeros) / up)  # input samples that a sample of the output depends on, each side
        if up * (2 * reach + down + 1) <= LARGEST_TABLE:
            out = _by_table(rows, up, down, reach, _Filter(zeros, beta, rolloff), length)
        else:
            out = _by_block(rows, up, down, reach, _Filter(zeros, beta, rolloff), length)
    return out.view(*wave.shape[:2], length)


class _Filter(NamedTuple):
    """What the low-pass filter is."""

    zeros: int
    beta: float
    rolloff: float


def _half(up: int, down: int, zeros: int) -> int:
    """Return half the filter's length in steps of 1 / (old * up) seconds."""
    return zeros * max(up, down)


def _taps(steps: Array, up: int, down: int, design: _Filter) -> Array:
    """Return the filter's values at these steps from its middle, before its sum is set to `up`."""
    half = _half(up, down, design.zeros)
    inside = np.clip(1 - (steps / half) ** 2, 0, None)
    window = np.where(np.abs(steps) <= half, np.i0(design.beta * np.sqrt(inside)), 0.0)
    return np.asarray(np.sinc(steps * design.rolloff / max(up, down)) * window)


@lru_cache(maxsize=32)
def _gain(up: int, down: int, design: _Filter) -> float:
    """Return what makes the filter's values sum to `up`: the gain of a constant is then 1."""
    half = _half(up, down, design.zeros)
    return float(up / _taps(np.arange(-half, half + 1, dtype=np.float64), up, down, design).sum())


@lru_cache(maxsize=32)
def _table(up: int, down: int, reach: int, design: _Filter) -> Tensor:
    """Return a kernel [up, 1, taps] for each phase: output i * up + p reads inputs from i * down - reach on."""
    inputs = np.arange(2 * reach + down + 1) - reach
    steps = np.arange(up)[:, None] * down - inputs * up
    with torch.inference_mode(False):  # kept for later, which may be training
        return torch.tensor(_taps(steps.astype(np.float64), up, down, design) * _gain(up, down, design))[:, None]


def _by_table(rows: Tensor, up: int, down: int, reach: int, design: _Filter, length: int) -> Tensor:
    turns = -(-length // up)
    kernel = _table(up, down, reach, design).type_as(rows)
    missing = max((turns - 1) * down + kernel.shape[-1] - reach - rows.shape[-1], 0)
    phases = F.conv1d(F.pad(rows[:, None], (reach, missing)), kernel, stride=down)[..., :turns]
    return phases.transpose(1, 2).flatten(1)[:, :length]


def _by_block(rows: Tensor, up: int, down: int, reach: int, design: _Filter, length: int) -> Tensor:
    padded, parts = F.pad(rows, (reach, reach + 1)), []
    for start in range(0, length, BLOCK):
        positions = np.arange(start, min(start + BLOCK, length), dtype=np.int64) * down
        inputs = (positions // up)[:, None] + np.arange(-reach, reach + 1)
        values = _taps((positions[:, None] - inputs * up).astype(np.float64), up, down, design)
        kernel = torch.tensor(values * _gain(up, down, design)).type_as(rows)
        places = torch.tensor(inputs + reach, device=rows.device)
        parts.append((padded[:, places] * kernel).sum(-1))
    return torch.cat(parts, dim=1)
