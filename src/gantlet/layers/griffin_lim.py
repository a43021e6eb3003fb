"""Waves from magnitudes alone: Griffin & Lim, 1984, with the momentum of Perraudin, Balazs & Sondergaard, 2013."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from gantlet.layers.precision import wide
from gantlet.layers.stft import from_polar, istft, magnitude, stft


def griffin_lim(
    magnitudes: Tensor,
    n_fft: int,
    hop: int,
    length: int,
    iterations: int = 32,
    momentum: float = 0.99,
    phase: Tensor | None = None,
    padding: int | None = None,
) -> Tensor:
    """Return waves [N, C, length] whose spectra have nearly these magnitudes [N, C, n_fft / 2 + 1, frames].

    `phase` are the first angles in radians, of the same shape; None takes the same random ones (seed 0) for every row.
    `length` and `padding` (as in `stft`) must belong to that number of frames. Momentum 0 is Griffin & Lim's own
    algorithm, whose error never grows; .99 gets further in as many iterations (Perraudin 2013).
    """
    with torch.autocast(magnitudes.device.type, enabled=False):
        size = wide(magnitudes)
        angles = first_phase(size) if phase is None else phase.type_as(size)
        spectrum, before = from_polar(size, angles), None
        for _ in range(iterations):
            consistent = stft(istft(spectrum, n_fft, hop, length, padding), n_fft, hop, padding)
            ahead = consistent if before is None else consistent + momentum * (consistent - before)
            spectrum, before = size * ahead / magnitude(ahead), consistent
        return istft(spectrum, n_fft, hop, length, padding)


def first_phase(magnitudes: Tensor) -> Tensor:
    """Return angles in radians, [1, 1, F, frames], uniform in the circle: a function of the shape alone."""
    generator = torch.Generator().manual_seed(0)
    angles = torch.rand(1, 1, *magnitudes.shape[-2:], generator=generator) * 2 * pi
    return angles.type_as(magnitudes)


def rough_spectrum(magnitudes: Tensor, n_fft: int, hop: int, iterations: int, padding: int | None = None) -> Tensor:
    """Return a spectrum [N, C, n_fft / 2 + 1, frames] with these magnitudes and the phase of some iterations.

    The first angles are random for every line and the same in every frame, so that what a frame becomes depends on its
    neighbours and not on its number: a long sound can be made in pieces. No gradient passes.
    """
    with torch.no_grad(), torch.autocast(magnitudes.device.type, enabled=False):
        size = wide(magnitudes)
        phase = first_phase(size[..., :1]).expand_as(size)
        if iterations:
            length = size.shape[-1] * hop
            wave = griffin_lim(size, n_fft, hop, length, iterations, phase=phase, padding=padding)
            phase = stft(wave, n_fft, hop, padding).angle()
        return from_polar(size, phase)


def spectral_convergence(wave: Tensor, magnitudes: Tensor, n_fft: int, hop: int, padding: int | None = None) -> Tensor:
    """Return | |STFT(wave)| - magnitudes | / |magnitudes| per sample, [N]: 0 for a wave that has them."""
    apart = torch.linalg.vector_norm((magnitude(stft(wave, n_fft, hop, padding)) - magnitudes).flatten(1), dim=1)
    whole: Tensor = torch.linalg.vector_norm(magnitudes.flatten(1), dim=1)
    convergence: Tensor = apart / whole.clamp_min(1e-12)
    return convergence
