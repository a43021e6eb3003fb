"""Pitch by autocorrelation: the normalised square difference function of McLeod & Wyvill, 2005 ("A smarter way to find
pitch"), interpolated."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

CLARITY = 0.8  # least height of the peak of a frame that has a pitch
CHOICE = 0.9  # the first peak at least this share of the highest is the period (McLeod & Wyvill: 0.8 to 1)
QUIET = 0.01  # frames below this share of the RMS of the loudest are left out: 40 dB
FINER = 4  # steps per sample in which the autocorrelation is looked at: overtones make its peaks narrow
_CHUNK = 64  # waves at a time


def pitch(waves: Tensor, sample_rate: int, *, low: float = 80.0, high: float = 1200.0, frame: int = 1024) -> Tensor:
    """Return the median pitch [N] in Hz of waves [N, T] over frames of `frame` samples; NaN where there is none.

    Only pitches from `low` to `high` Hz are found; frames are longer where two periods of `low` are. A frame counts if
    it repeats itself (its peak is at least 0.8) and is at most 40 dB below the loudest frame of its wave. A shorter
    wave is one frame.

    Raises ValueError unless a wave holds two periods of `low`, and 0 < low < high < sample_rate / 2.
    """
    if not 0 < low < high < sample_rate / 2:
        raise ValueError(f"needs 0 < low < high < {sample_rate / 2:g} Hz, not {low:g} and {high:g}")
    least = two_periods(low, sample_rate)
    size = min(max(frame, least), waves.shape[-1])
    if size < least:
        raise ValueError(f"a wave of {size} samples does not hold two periods of {low:g} Hz")
    if not len(waves):
        return torch.empty(0)
    return torch.cat([_medians(part, sample_rate, low, high, size) for part in torch.split(waves.float(), _CHUNK)])


def within(found: Tensor, expected: Tensor, semitones: float = 0.5) -> Tensor:
    """Tell which pitches [N] in Hz are at most `semitones` from those expected [N]; NaN is not."""
    return 12 * (found / expected.to(found)).log2().abs() <= semitones


def around(expected: Tensor, sample_rate: int) -> tuple[float, float]:
    """Return where to look for pitches: an octave below the lowest expected in Hz to one above the highest."""
    return float(expected.min()) / 2.1, min(float(expected.max()) * 2.1, 0.45 * sample_rate)


def two_periods(low: float, sample_rate: int) -> int:
    """Return the samples that hold two periods of `low` Hz."""
    return math.ceil(2 * sample_rate / low)


def pitch_accuracy(waves: Tensor, expected: Tensor, sample_rate: int, *, semitones: float = 0.5) -> float:
    """Return the share of waves [N, T] whose pitch is within `semitones` of `expected` [N] in Hz.

    A wave without a pitch counts as wrong. Pitches are looked for from an octave below the lowest to one above the
    highest expected, so that an octave error is seen as such. Raises ValueError as `pitch` does.
    """
    low, high = around(expected, sample_rate)
    return float(within(pitch(waves, sample_rate, low=low, high=high), expected, semitones).float().mean())


def _medians(waves: Tensor, sample_rate: int, low: float, high: float, size: int) -> Tensor:
    """Return the median pitch [n] of the frames of waves [n, T] that have one."""
    frames = waves.unfold(1, size, max(size // 2, 1)).contiguous()
    loud = frames.square().mean(2).sqrt()
    heard = loud > QUIET * loud.amax(1, keepdim=True).clamp_min(1e-7)
    period, clarity = _periods(frames.flatten(0, 1), sample_rate / high, sample_rate / low)
    found = (sample_rate / period).view(heard.shape)
    found[~heard | (clarity.view(heard.shape) < CLARITY)] = math.nan
    return torch.nanmedian(found, 1).values


def _periods(frames: Tensor, shortest: float, longest: float) -> tuple[Tensor, Tensor]:
    """Return period in samples and clarity of frames [n, W]; clarity is 0 where no peak lies in the range.

    n(tau) = 2 sum_j x_j x_(j + tau) / sum_j (x_j^2 + x_(j + tau)^2); the first sum is interpolated between whole tau by
    zeros above the highest frequency, the second, which is smooth, by straight lines.
    """
    frames = frames - frames.mean(1, keepdim=True)
    size = frames.shape[1]
    length = 1 << (2 * size - 1).bit_length()
    power = torch.fft.rfft(frames, length).abs().square()
    lags = int(min(longest * 1.05, size - 2)) * FINER + 2
    product = torch.fft.irfft(power, FINER * length)[:, :lags] * FINER
    energy = F.pad(frames.square().cumsum(1), (1, 0))
    tau = torch.arange(lags, device=frames.device) / FINER
    whole = tau.long()
    sums = energy[:, -1:] - energy + energy.flip(1)  # sum of x_j^2 over j >= tau and over j < W - tau
    part = tau - whole
    norm = sums[:, whole] * (1 - part) + sums[:, whole + 1] * part
    value = 2 * product / norm.clamp_min(1e-12)
    inner = value[:, 1:-1]
    peak = (inner > value[:, :-2]) & (inner >= value[:, 2:]) & (inner > 0)
    peak &= (value[:, 1:-1] < 0).cummax(1).values  # beyond the hill around 0
    place = tau[1:-1]
    heights = torch.where(peak & (place >= shortest * 0.95) & (place <= longest * 1.05), inner, 0.0)
    best = heights.amax(1, keepdim=True)
    at = ((heights >= CHOICE * best) & (heights > 0)).float().argmax(1, keepdim=True)
    before, middle, after = (value.gather(1, at + step) for step in (0, 1, 2))
    curve = (before - 2 * middle + after).clamp_max(-1e-12)
    shift = (0.5 * (before - after) / curve).clamp(-0.5, 0.5)
    return ((at + 1 + shift) / FINER)[:, 0], best[:, 0]
