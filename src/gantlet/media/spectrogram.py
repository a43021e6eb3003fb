"""Pictures of sounds: spectrograms over a logarithmic frequency axis, level in dB as colour, many on one sheet."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.media.image import grid

Picture = NDArray[np.uint8]
HEIGHT, WIDTH = 96, 144  # pixels of one spectrogram
RANGE = 70.0  # dB between the brightest and the darkest colour
WINDOW = 0.032  # s; the nearest power of two is taken
LOWEST = 60.0  # Hz of the lowest row
# From black over blue, violet and orange to light yellow: lightness rises evenly, also for the colour-blind.
_COLOURS = ((0, 0, 4), (24, 15, 62), (69, 16, 119), (114, 31, 129), (159, 47, 127), (205, 64, 113), (241, 96, 93),
            (253, 150, 104), (254, 202, 141), (252, 253, 191))  # fmt: skip


@lru_cache(maxsize=1)
def colours() -> Picture:
    """Return the colours of 256 levels, [256, 3]."""
    points = np.linspace(0, 255, len(_COLOURS))
    bands = [np.interp(np.arange(256), points, [colour[band] for colour in _COLOURS]) for band in range(3)]
    return np.rint(np.stack(bands, 1)).astype(np.uint8)


@lru_cache(maxsize=8)
def rows_of(bins: int, sample_rate: int, height: int) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    """Return each row's place among the bins, lowest first, and which bins lie in its band: the first, and how many."""
    nyquist = sample_rate / 2
    lowest = min(LOWEST, nyquist / 4)
    edges = np.geomspace(lowest, nyquist, 2 * height + 1) / nyquist * (bins - 1)
    begin, end = np.ceil(edges[:-1:2]).astype(np.int64), np.ceil(edges[2::2]).astype(np.int64)
    return edges[1::2], np.minimum(begin, bins - 1), end - begin


def in_rows(power: NDArray[np.float32], sample_rate: int, height: int) -> NDArray[np.float32]:
    """Return spectra [n, bins] as rows [n, height], lowest first: the most of a band, or between two bins in none."""
    place, begin, count = rows_of(power.shape[1], sample_rate, height)
    low = np.minimum(place.astype(np.int64), power.shape[1] - 2)
    share = (place - low).astype(np.float32)
    between = power[:, low] * (1 - share) + power[:, low + 1] * share
    most = np.maximum.reduceat(power, begin, axis=1)
    return np.asarray(np.where(count > 0, np.maximum(most, between), between), np.float32)


def levels(wave: NDArray[Any], sample_rate: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.float32]:
    """Return the power [height, width] of a wave [T] at rows of rising frequency from below, columns of time.

    Hann windows of about 32 ms around evenly spaced moments; full-scale sine waves have the power 1.
    """
    size = int(2 ** np.clip(round(np.log2(WINDOW * sample_rate)), 6, 12))
    centres = ((np.arange(width) + 0.5) * len(wave) / width).astype(np.int64)
    padded = np.pad(np.asarray(wave, np.float32), size // 2)
    hann = np.hanning(size + 1)[:-1].astype(np.float32)
    frames = padded[centres[:, None] + np.arange(size)] * hann
    power = np.abs(np.fft.rfft(frames, axis=1) / (hann.sum() / 2)).astype(np.float32) ** 2
    return np.ascontiguousarray(in_rows(power, sample_rate, height).T[::-1])


def painted(power: NDArray[Any], loudest: float) -> Picture:
    """Return power [..., height, width] as colours [..., height, width, 3]; `loudest` is the brightest."""
    decibel = 10 * np.log10(np.maximum(power, 1e-12) / max(loudest, 1e-12))
    return np.asarray(colours()[np.rint((decibel / RANGE + 1).clip(0, 1) * 255).astype(np.int64)])


def spectrogram(wave: NDArray[Any], sample_rate: int, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """Return the spectrogram [height, width, 3] of a wave [T] or of the mean of [C, T], its loudest place brightest."""
    power = levels(mono(wave), sample_rate, width, height)
    return painted(power, float(power.max()))


def mono(wave: NDArray[Any]) -> NDArray[np.float32]:
    """Return [T] of [T] or [C, T]: the mean of the channels."""
    values = np.nan_to_num(np.asarray(wave, np.float32))
    return values if values.ndim == 1 else values.mean(0)


def sheet(
    waves: NDArray[Any], sample_rate: int, columns: int | None = None, width: int = WIDTH, height: int = HEIGHT
) -> Picture:
    """Return the spectrograms of sounds [N, C, T] on one picture, row by row; all share the loudest place of all."""
    power = np.stack([levels(mono(wave), sample_rate, width, height) for wave in waves])
    return grid(painted(power, float(power.max())), columns, scale=1, pad=2)


def compared(columns: list[NDArray[Any]], sample_rate: int, width: int = 2 * WIDTH) -> Picture:
    """Return a sheet with a row per sound and a column per list of waves [N, C, T]: before, after, truth."""
    rows = [wave for row in zip(*columns, strict=True) for wave in row]
    power = [levels(mono(wave), sample_rate, width) for wave in rows]
    most = [max(float(p.max()) for p in power[at : at + len(columns)]) for at in range(0, len(power), len(columns))]
    painted_rows = [painted(p, most[index // len(columns)]) for index, p in enumerate(power)]
    return grid(np.stack(painted_rows), len(columns), scale=1, pad=2)
