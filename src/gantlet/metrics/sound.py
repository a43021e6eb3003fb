"""Numbers of sound: spectral distances of two waves, and how much of one is clipped or silent. Waves are [N, T]."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gantlet.layers.mel import MelSpec
from gantlet.layers.stft import magnitude

RESOLUTIONS = ((512, 50, 240), (1024, 120, 600), (2048, 240, 1200))  # n_fft, hop, window (Yamamoto et al. 2020)
SILENCE = -60.0  # dB below full scale


def mel_l1(estimate: Tensor, reference: Tensor, spec: MelSpec) -> Tensor:
    """Return the mean absolute difference [N] of natural log-mels of waves [N, T]; what they are, `spec` says."""
    _same(estimate, reference)
    apart = spec.log_mel(estimate[:, None]) - spec.log_mel(reference[:, None])
    return apart.abs().flatten(1).mean(1)


def multi_resolution_stft(
    estimate: Tensor, reference: Tensor, resolutions: Sequence[tuple[int, int, int]] = RESOLUTIONS
) -> Tensor:
    """Return the multi-resolution STFT distance [N] of waves [N, T] (Yamamoto et al. 2020, arXiv 1910.11480, eq. 4-6).

    The mean over resolutions of |R - E| / |R| (Frobenius norms of magnitudes: spectral convergence) and the mean of
    |log R - log E|; magnitudes are at least 1e-5 of a sine of full scale (sum of the window / 2). Resolutions are
    (n_fft, hop, window) in samples, Hann windows, frames centred on multiples of the hop.

    Raises ValueError if the waves differ in shape or are not longer than half the largest n_fft.
    """
    _same(estimate, reference)
    if estimate.shape[1] <= max(n_fft for n_fft, _, _ in resolutions) // 2:
        raise ValueError(f"waves of {estimate.shape[1]} samples are too short for these resolutions")
    total = torch.zeros(len(estimate), device=estimate.device)
    for n_fft, hop, width in resolutions:
        e, r = (_magnitudes(wave, n_fft, hop, width).flatten(1) for wave in (estimate, reference))
        total += (r - e).norm(dim=1) / r.norm(dim=1) + (r.log() - e.log()).abs().mean(1)
    return total / len(resolutions)


def clipping_share(waves: Tensor, full_scale: float = 32766 / 32768) -> Tensor:
    """Return the share [N] of samples of waves [N, T] at or beyond full scale (the last two steps of 16 bits)."""
    return (waves.abs() >= full_scale).float().mean(1)


def silence_share(waves: Tensor, sample_rate: int, *, below: float = SILENCE, seconds: float = 0.02) -> Tensor:
    """Return the share [N] of frames of `seconds`, side by side, of waves [N, T] with an RMS under `below` dB.

    0 dB is an RMS of 1. What is left over after the last whole frame is not looked at.
    """
    size = min(max(round(seconds * sample_rate), 1), waves.shape[1])
    frames = waves.float().unfold(1, size, size)
    return (frames.square().mean(2) < 10 ** (below / 10)).float().mean(1)


def rms(waves: Tensor) -> Tensor:
    """Return the root of the mean square [N] of waves [N, T]."""
    return waves.float().square().mean(1).sqrt()


def times_real_time(compute: Callable[[], object], seconds: float, *, repeats: int = 3) -> float:
    """Return seconds of sound per second of the clock: the best of `repeats` runs of `compute`, after one to warm up.

    `seconds` is the length of what one run makes. The real-time factor of the literature is often the inverse.
    """
    compute()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        compute()
        taken.append(time.perf_counter() - began)
    return seconds / max(min(taken), 1e-9)


def _magnitudes(waves: Tensor, n_fft: int, hop: int, width: int) -> Tensor:
    window = torch.hann_window(width, device=waves.device)
    spectrum = torch.stft(waves.float(), n_fft, hop, width, window, return_complex=True)
    return magnitude(spectrum, floor=1e-5 * width / 4)  # a Hann window of `width` sums to width / 2


def _same(estimate: Tensor, reference: Tensor) -> None:
    if estimate.shape != reference.shape or estimate.ndim != 2:
        raise ValueError(f"needs two sets of waves [N, T], not {list(estimate.shape)} and {list(reference.shape)}")
