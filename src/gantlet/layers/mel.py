"""Mel spectrograms: filterbanks as HTK and Slaney define them, log magnitudes and the way back to linear ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantlet.layers.precision import wide
from gantlet.layers.stft import framed, magnitude, stft

Array = np.ndarray[Any, np.dtype[np.float64]]

LINEAR_STEP, BREAK, LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27  # Slaney 1998: linear to 1 kHz, then logarithmic


def to_mel(hertz: Array | float, htk: bool = False) -> Array:
    """Return the mel of frequencies: HTK's 2595 log10(1 + f / 700), or Slaney's (Auditory Toolbox, 1998)."""
    f = np.asarray(hertz, dtype=np.float64)
    if htk:
        return np.asarray(2595 * np.log10(1 + f / 700))
    above = BREAK / LINEAR_STEP + np.log(np.maximum(f, BREAK) / BREAK) / LOG_STEP
    return np.where(f < BREAK, f / LINEAR_STEP, above)


def to_hertz(mel: Array | float, htk: bool = False) -> Array:
    """Return the frequencies of mels, the inverse of `to_mel`."""
    m = np.asarray(mel, dtype=np.float64)
    if htk:
        return np.asarray(700 * (10 ** (m / 2595) - 1))
    above = BREAK * np.exp(LOG_STEP * (m - BREAK / LINEAR_STEP))
    return np.where(m < BREAK / LINEAR_STEP, m * LINEAR_STEP, above)


def filterbank(sample_rate: int, n_fft: int, mels: int, low: float, high: float, htk: bool = False) -> Array:
    """Return triangles [mels, n_fft / 2 + 1] whose corners are evenly spaced in mel between `low` and `high` Hz.

    HTK: each triangle's top is 1. Slaney: each is divided by half its width in Hz, so that its area is 1.
    Raises ValueError unless 0 <= low < high <= sample_rate / 2.
    """
    if not 0 <= low < high <= sample_rate / 2:
        raise ValueError(f"needs 0 <= low < high <= {sample_rate / 2:g} Hz, not {low:g} and {high:g}")
    corners = to_hertz(np.linspace(to_mel(low, htk), to_mel(high, htk), mels + 2), htk)
    f = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    left, top, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    triangles = np.maximum(0, np.minimum((f - left) / (top - left), (right - f) / (right - top)))
    return np.asarray(triangles if htk else triangles * 2 / (right - left))


@dataclass(frozen=True, kw_only=True)
class MelSpec:
    """What a log-mel spectrogram is: log of the filterbank times magnitudes of frames, never below log `floor`.

    Frames are laid as `stft.framed` lays them: T samples give T // hop frames.
    """

    sample_rate: int  # Hz
    n_fft: int = 1024  # samples, window and transform
    hop: int = 256  # samples from frame to frame
    mels: int = 80  # bands
    low: float = 0.0  # Hz, lower end of the lowest band
    high: float | None = None  # Hz, upper end of the highest; None: half the sample rate
    htk: bool = False  # HTK's scale and height; False: Slaney's
    floor: float = 1e-5  # least magnitude of a band (HiFi-GAN; Vocos has 1e-7)

    @property
    def top(self) -> float:
        """The upper end of the highest band, Hz."""
        return self.sample_rate / 2 if self.high is None else float(self.high)

    def facts(self) -> Mapping[str, float]:
        """Return what two log-mels must have in common to be the same kind of thing, as numbers."""
        named = {name: getattr(self, name) for name in ("sample_rate", "n_fft", "hop", "mels", "low", "htk", "floor")}
        return {name: float(value) for name, value in {**named, "high": self.top}.items()}

    def magnitudes(self, wave: Tensor) -> Tensor:
        """Return magnitudes [N, C, n_fft / 2 + 1, T // hop] of waves [N, C, T]."""
        return magnitude(stft(wave, self.n_fft, self.hop, framed(self.n_fft, self.hop)))

    def log_mel(self, wave: Tensor) -> Tensor:
        """Return log-mels [N, C, mels, T // hop] of waves [N, C, T], differentiable."""
        with torch.autocast(wave.device.type, enabled=False):
            return self.from_magnitudes(self.magnitudes(wave))

    def from_magnitudes(self, magnitudes: Tensor) -> Tensor:
        """Return log-mels [..., mels, frames] of magnitudes [..., n_fft / 2 + 1, frames]."""
        with torch.autocast(magnitudes.device.type, enabled=False):
            magnitudes = wide(magnitudes)
            return (_filters(self, str(magnitudes.device)).type_as(magnitudes) @ magnitudes).clamp_min(self.floor).log()

    def to_magnitudes(self, log_mel: Tensor) -> Tensor:
        """Return magnitudes [..., n_fft / 2 + 1, frames] >= 0: the pseudo-inverse of the filterbank, negatives cut."""
        with torch.autocast(log_mel.device.type, enabled=False):
            mel = wide(log_mel).exp()
            return (_inverse(self, str(mel.device)).type_as(mel) @ mel).clamp_min(0)


@lru_cache(maxsize=32)
def _filters(spec: MelSpec, device: str) -> Tensor:
    # Made outside inference mode: what is made within could not be used in training later.
    with torch.inference_mode(False):
        return torch.tensor(_bank(spec), dtype=torch.float32, device=device)


@lru_cache(maxsize=32)
def _inverse(spec: MelSpec, device: str) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(np.linalg.pinv(_bank(spec)), dtype=torch.float32, device=device)


def _bank(spec: MelSpec) -> Array:
    return filterbank(spec.sample_rate, spec.n_fft, spec.mels, spec.low, spec.top, spec.htk)
