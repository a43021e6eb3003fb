"""How noise comes to clean sound: functions of waves [N, C, T] and of uniform numbers [N, ...] that are given."""

from __future__ import annotations

import torch
from torch import Tensor

FRAME = 0.02  # seconds of a frame whose power says whether it is active
RANGE = 40.0  # dB below the loudest frame where silence begins (as in Taal 2011, section II)
SILENCE = 1e-10  # power, -100 dB of full scale, below which nothing is heard


def active_power(wave: Tensor, sample_rate: int) -> Tensor:
    """Return the mean power [N] of the frames of waves [N, C, T] within 40 dB of the loudest: pauses do not count.

    Frames last 20 ms; a rest at the end that fills none is left out, unless it is all there is.
    """
    length = min(max(1, round(FRAME * sample_rate)), wave.shape[-1])
    power = wave.float().square().mean(1).unfold(-1, length, length).mean(-1)  # [N, frames]
    active = power >= power.amax(-1, keepdim=True) * 10 ** (-RANGE / 10)
    return (power * active).sum(-1) / active.sum(-1)


def decibels(low: float, high: float, uniform: Tensor) -> Tensor:
    """Return levels between `low` and `high` dB, uniform in dB for uniform numbers."""
    return low + (high - low) * uniform


def gain(wave: Tensor, level: Tensor) -> Tensor:
    """Return waves [N, C, T] made louder by `level` [N] dB."""
    return wave * _like(10 ** (level / 20), wave)


def scaled_noise(clean: Tensor, noise: Tensor, snr: Tensor, sample_rate: int) -> Tensor:
    """Return noise [N, C, T] so loud that the active power of `clean` lies `snr` [N] dB above its mean power.

    Beside silence, and where the noise itself is silent, there is no ratio to set, and it comes back as it is.
    """
    speech, power = active_power(clean, sample_rate), noise.float().square().mean((1, 2))
    factor = (speech / power.clamp_min(SILENCE) * 10 ** (-snr / 10)).sqrt()
    return noise * _like(torch.where((speech > SILENCE) & (power > SILENCE), factor, 1.0), noise)


def _like(rows: Tensor, wave: Tensor) -> Tensor:
    return rows.view(-1, 1, 1)
