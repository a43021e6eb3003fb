"""What recipes that take noise off speech share: how they mix it, what they report, their sign of trouble."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gantlet.layers import mixing
from gantlet.layers.speech_measures import si_sdr
from gantlet.recipe import Batch, Draws, Progress


@dataclass(frozen=True)
class Mixing:
    """Clean waves and noise waves of one shape to (noisy, clean), by keyed draws."""

    sample_rate: int
    snr_low: float  # dB, of active speech to noise
    snr_high: float
    clean_share: float = 0.0  # of the samples that get no noise at all
    gain_low: float = 0.0  # dB, of both together
    gain_high: float = 0.0

    def __call__(self, batch: Batch, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return noisy and clean waves [N, C, T]: the noise at a drawn ratio, then both at a drawn level."""
        clean = batch["audio"]
        snr = mixing.decibels(self.snr_low, self.snr_high, draws.uniform("snr", 1)[:, 0])
        noise = mixing.scaled_noise(clean, batch["noise"], snr, self.sample_rate)
        if self.clean_share:
            noise = noise * (draws.uniform("clean", 1, 1) >= self.clean_share)
        noisy = clean + noise
        if (self.gain_low, self.gain_high) != (0.0, 0.0):
            level = mixing.decibels(self.gain_low, self.gain_high, draws.uniform("gain", 1)[:, 0])
            noisy, clean = mixing.gain(noisy, level), mixing.gain(clean, level)
        return noisy, clean

    def example(self, batch: Batch, draws: Draws) -> Mapping[str, Tensor]:
        """Return noisy waves made of a batch's."""
        return {"inputs": self(batch, draws)[0]}


def in_rows(wave: Tensor) -> Tensor:
    """Return waves [N, C, T] as [N * C, T]: each channel is a sound of its own."""
    return wave.flatten(0, 1)


def report_si_sdr(progress: Progress, estimate: Tensor, noisy: Tensor, clean: Tensor) -> None:
    """Report the mean SI-SDR of estimates [N, T] and its gain over the input, where both are finite."""
    with torch.no_grad():
        made, before = si_sdr(estimate, clean), si_sdr(noisy, clean)
        known = made.isfinite() & before.isfinite()
        count = known.sum().clamp_min(1)
        progress.report("si_sdr", torch.where(known, made, 0.0).sum() / count)
        progress.report("si_sdr_improvement", torch.where(known, made - before, 0.0).sum() / count)


def blended(made: Callable[[Tensor], Tensor], inputs: Tensor, strength: float) -> Tensor:
    """Return inputs on the way to what is made of them: 0 changes nothing, 1 is all of the result."""
    return torch.lerp(inputs, made(inputs), strength)


def damaged_speech(statistics: Mapping[str, float]) -> str | None:
    """What comes out is further from the clean speech than what goes in."""
    gain = statistics.get("G/si_sdr_improvement")
    if gain is None or gain > -1:
        return None
    return (
        f"The result is further from the clean speech than the noisy input is ({gain:+.1f} dB of SI-SDR). "
        "Lower the learning rate or the adversarial weight, or go back to the best checkpoint."
    )
