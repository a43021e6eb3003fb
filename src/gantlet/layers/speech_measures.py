"""How near speech comes to a clean reference, as functions of waves [N, T]: SI-SDR, STOI, segmental SNR.

A row that a measure is not defined for (a silent reference, too little speech) gives NaN. They stand here, below
recipes and metrics, because a recipe trains on them and `gantlet.metrics.speech` reports them.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from gantlet.layers.precision import wide
from gantlet.layers.resample import resample
from gantlet.layers.stft import overlap_add

STOI_RATE = 10_000  # Hz (Taal 2011, section II)
FRAME, HOP, SPECTRUM = 256, 128, 512  # samples at that rate; idem
BANDS, LOWEST = 15, 150.0  # third-octave bands, centre of the first in Hz; idem
SEGMENT = 30  # frames, 384 ms; idem
CLIPPING = -15.0  # dB, lower bound of the signal-to-distortion ratio (Eq. 3)
RANGE = 40.0  # dB below the loudest frame of the clean speech where silence begins (section II)
TINY = 1e-12


def si_sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio [N] in dB (Le Roux 2019, Eq. 4), means taken off first.

    Infinite for a scaled copy of the reference.
    """
    estimate, reference = (wide(x) - wide(x).mean(-1, keepdim=True) for x in (estimate, reference))
    energy = reference.square().sum(-1)
    scale = (estimate * reference).sum(-1, keepdim=True) / energy.clamp_min(TINY)[..., None]
    target = scale * reference
    ratio = target.square().sum(-1) / (estimate - target).square().sum(-1)
    return torch.where(energy > TINY, 10 * ratio.log10(), torch.nan)


def segmental_snr(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """Return the mean signal-to-noise ratio [N] in dB over frames of 30 ms, each within -10 to 35 dB.

    Hansen & Pellom, 1998: frames step by a quarter of their length and have Hann windows. Silent frames of both count
    as 35. NaN for waves shorter than a frame.
    """
    length = max(4, round(0.03 * sample_rate))
    if reference.shape[-1] < length:
        return wide(reference).new_full(reference.shape[:-1], torch.nan)
    window = torch.hann_window(length, device=reference.device)
    signal, error = (
        (x.unfold(-1, length, length // 4) * window).square().sum(-1)
        for x in (wide(reference), wide(reference) - wide(estimate))
    )
    ratio = 10 * ((signal + 1e-10) / (error + 1e-10)).log10()
    return torch.where((signal == 0) & (error == 0), 35.0, ratio.clamp(-10, 35)).mean(-1)


def stoi(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """Return the short-time objective intelligibility [N] (Taal, Hendriks, Heusdens & Jensen, 2011): 1 is the best.

    Both waves go to 10 kHz; frames in which the reference lies 40 dB below its loudest frame are left out; envelopes of
    15 third-octave bands over 30 frames are normalised, clipped and correlated. NaN where fewer than 30 frames are
    left.
    """
    first, second = (resample(wide(x)[:, None], sample_rate, STOI_RATE)[:, 0] for x in (reference, estimate))
    if first.shape[-1] < FRAME:
        return first.new_full(first.shape[:-1], torch.nan)
    both, frames = without_silence(first, second)
    clean, spoilt = (bands(x) for x in both)  # [N, bands, frames]
    if clean.shape[-1] < SEGMENT:
        return first.new_full(first.shape[:-1], torch.nan)
    x, y = (envelopes.unfold(2, SEGMENT, 1) for envelopes in (clean, spoilt))  # [N, bands, segments, 30]
    alpha = x.norm(dim=-1, keepdim=True) / y.norm(dim=-1, keepdim=True).clamp_min(TINY)
    y = torch.minimum(alpha * y, x * (1 + 10 ** (-CLIPPING / 20)))  # Eq. 3
    x, y = (each - each.mean(-1, keepdim=True) for each in (x, y))
    norms = x.norm(dim=-1).clamp_min(TINY) * y.norm(dim=-1).clamp_min(TINY)
    correlation = ((x * y).sum(-1) / norms).mean(1)  # Eq. 5, mean over bands: [N, segments]
    segments = (frames - SEGMENT + 1).clamp_min(0)
    counted = torch.arange(correlation.shape[1], device=x.device) < segments[:, None]
    total = torch.where(counted, correlation, 0.0).sum(1)
    return torch.where(segments > 0, total / segments.clamp_min(1), torch.nan)


def without_silence(reference: Tensor, other: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Return both waves [N, T] joined from the frames in which the reference is not silent, and how many these are [N].

    Kept frames move to the front in their order and overlap as they did; what follows them is zero.
    """
    window = hann(reference)
    first, second = (x.unfold(-1, FRAME, HOP) * window for x in (reference, other))  # [N, F, frame]
    level = 20 * first.norm(dim=-1).clamp_min(TINY).log10()
    kept = (level > level.amax(-1, keepdim=True) - RANGE) & (level > -200)
    order = (~kept).int().argsort(dim=-1, stable=True)
    frames = kept.sum(-1)
    living = (torch.arange(order.shape[1], device=order.device) < frames[:, None])[..., None]
    first, second = (x.gather(1, order[..., None].expand_as(x)) * living for x in (first, second))
    return (overlap_add(first.transpose(1, 2), HOP), overlap_add(second.transpose(1, 2), HOP)), frames


def bands(wave: Tensor) -> Tensor:
    """Return the envelopes [N, 15, F] of third-octave bands of waves [N, T] at 10 kHz (Taal 2011, Eq. 1)."""
    spectrum = torch.fft.rfft(wave.unfold(-1, FRAME, HOP) * hann(wave), SPECTRUM)
    power: Tensor = spectrum.abs().square() @ third_octaves().type_as(wave).T
    return power.sqrt().transpose(1, 2)


def hann(like: Tensor) -> Tensor:
    """Return the Hann window of 256 samples without the zeros at its ends, as Matlab's `hanning` is."""
    return torch.hann_window(FRAME + 2, periodic=False, device=like.device, dtype=like.dtype)[1:-1]


@cache
def third_octaves() -> Tensor:
    """Return the matrix [15, 257] that adds up the bins of each band, whose edges are those nearest to the ideal ones.

    Centres are 150 * 2^(k / 3) Hz, edges a sixth of an octave to both sides, the upper one left out.
    """
    with torch.inference_mode(False):  # kept for later, which may be training
        return _third_octaves()


def _third_octaves() -> Tensor:
    frequencies = torch.linspace(0, STOI_RATE / 2, SPECTRUM // 2 + 1, dtype=torch.float64)
    centres = LOWEST * 2 ** (torch.arange(BANDS, dtype=torch.float64) / 3)
    low, high = ((frequencies - centres[:, None] * 2**shift).abs().argmin(1) for shift in (-1 / 6, 1 / 6))
    bins = torch.arange(len(frequencies))
    return ((bins >= low[:, None]) & (bins < high[:, None])).double()
