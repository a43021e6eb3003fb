"""What models of sound must beat: methods that learn nothing. Waves are tensors [T] in [-1, 1].

All three know the noise only from the recording itself: the mean power of its quietest frames.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gantlet.layers.stft import istft, stft

WINDOW = 0.032  # seconds; frames step by a quarter of it
QUIET = 0.15  # share of the frames, the quietest, that are taken for noise alone


def boll(wave: Tensor, sample_rate: int, quiet: float = QUIET) -> Tensor:
    """Subtract the noise's magnitude from each frame's, what is below 0 becoming 0 (Boll 1979)."""
    spectrum = transform(wave, sample_rate)
    size = spectrum.abs()
    noise = noise_power(spectrum, quiet).sqrt()
    return back(spectrum * (1 - noise / size.clamp_min(1e-10)).clamp_min(0), wave, sample_rate)


def berouti(wave: Tensor, sample_rate: int, quiet: float = QUIET, least: float = 0.01) -> Tensor:
    """Subtract more than the noise's power where a frame is bad, and leave `least` of it (Berouti et al. 1979).

    The factor is 4 at 0 dB, 3/20 less for each dB, between -5 and 20 dB.
    """
    spectrum = transform(wave, sample_rate)
    power, noise = spectrum.abs().square(), noise_power(spectrum, quiet)
    ratio = 10 * (power.sum(0) / noise.sum().clamp_min(1e-20)).clamp_min(1e-10).log10()
    factor = 4 - 3 / 20 * ratio.clamp(-5, 20)
    left = torch.maximum(power - factor * noise, least * noise)
    gain = (left / power.clamp_min(1e-20)).sqrt().clamp_max(1)
    return back(spectrum * gain, wave, sample_rate)


def wiener(
    wave: Tensor, sample_rate: int, quiet: float = QUIET, smoothing: float = 0.98, least: float = -25.0
) -> Tensor:
    """Apply the Wiener gain xi / (1 + xi) with the decision-directed estimate of xi (Scalart 1996; Ephraim 1984).

    xi = a |S before|^2 / N + (1 - a) max(|Y|^2 / N - 1, 0) (Ephraim & Malah, Eq. 51), at least `least` dB.
    """
    spectrum = transform(wave, sample_rate)
    noise = noise_power(spectrum, quiet)[:, 0].clamp_min(1e-12)
    posterior = spectrum.abs().square() / noise[:, None]
    before, gains = torch.ones_like(noise), []
    for gamma in posterior.T:
        xi = (smoothing * before + (1 - smoothing) * (gamma - 1).clamp_min(0)).clamp_min(10 ** (least / 10))
        gains.append(xi / (1 + xi))
        before = gains[-1].square() * gamma
    return back(spectrum * torch.stack(gains, 1), wave, sample_rate)


def noise_power(spectrum: Tensor, quiet: float) -> Tensor:
    """Return the mean power [F, 1] of the quietest frames of a spectrum [F, frames]."""
    power = spectrum.abs().square()
    count = max(1, round(quiet * power.shape[1]))
    quietest = power.sum(0).topk(count, largest=False).indices
    return power[:, quietest].mean(1, keepdim=True)


def transform(wave: Tensor, sample_rate: int) -> Tensor:
    """Return the spectrum [F, frames] of a wave [T]."""
    hop = round(WINDOW * sample_rate / 4)
    return stft(wave[None, None], 4 * hop, hop)[0, 0]


def back(spectrum: Tensor, like: Tensor, sample_rate: int) -> Tensor:
    """Return the wave of a spectrum, as long as `like`."""
    hop = round(WINDOW * sample_rate / 4)
    return istft(spectrum[None, None], 4 * hop, hop, len(like))[0, 0]
