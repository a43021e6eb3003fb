"""Griffin-Lim: the error falls, and a tone comes back."""

from __future__ import annotations

import torch

from gantlet.layers.griffin_lim import griffin_lim, spectral_convergence
from gantlet.layers.stft import framed, magnitude, stft

N_FFT, HOP = 256, 64


def sound() -> torch.Tensor:
    """Two sweeps of harmonics, [2, 1, 4096]."""
    t = torch.arange(4096) / 8000
    pitch = torch.tensor([[200.0, 300.0], [350.0, 250.0]])
    phase = 2 * torch.pi * (pitch[:, :1] * t + (pitch[:, 1:] - pitch[:, :1]) * t.square() / 2 / t[-1])
    return sum(torch.sin(k * phase) / k for k in (1, 2, 3, 4))[:, None] * 0.3


def test_the_plain_algorithm_never_gets_worse() -> None:
    size = magnitude(stft(sound(), N_FFT, HOP))
    errors = torch.stack(
        [
            spectral_convergence(griffin_lim(size, N_FFT, HOP, 4096, n, momentum=0), size, N_FFT, HOP)
            for n in (0, 1, 2, 4, 8, 16, 32)
        ]
    )
    assert (errors[1:] < errors[:-1]).all()
    assert float(errors[-1].max()) < float(errors[0].min()) / 3


def test_momentum_gets_further_in_as_many_iterations() -> None:
    size = magnitude(stft(sound(), N_FFT, HOP))
    plain, fast = (
        spectral_convergence(griffin_lim(size, N_FFT, HOP, 4096, 64, momentum=m), size, N_FFT, HOP) for m in (0, 0.99)
    )
    assert float(fast.mean()) < 0.7 * float(plain.mean())


def test_a_sine_is_recovered_up_to_its_phase() -> None:
    t = torch.arange(4096) / 8000
    sine = 0.5 * torch.sin(2 * torch.pi * 625 * t)[None, None]
    padding = framed(N_FFT, HOP)
    wave = griffin_lim(magnitude(stft(sine, N_FFT, HOP, padding)), N_FFT, HOP, 4096, 64, padding=padding)
    middle = wave[0, 0, 512:-512]
    spectrum = torch.fft.rfft(middle * torch.hann_window(len(middle))).abs()
    assert abs(float(spectrum.argmax()) * 8000 / len(middle) - 625) < 3
    assert abs(float(middle.square().mean().sqrt()) - 0.5 / 2**0.5) < 0.02


def test_rows_do_not_depend_on_each_other_and_phases_matter() -> None:
    size = magnitude(stft(sound(), N_FFT, HOP))
    both = griffin_lim(size, N_FFT, HOP, 4096, 8)
    torch.testing.assert_close(both[1:], griffin_lim(size[1:], N_FFT, HOP, 4096, 8), atol=1e-4, rtol=0)
    phase = torch.rand(size.shape, generator=torch.Generator().manual_seed(1)) * 6.28
    assert not torch.allclose(both, griffin_lim(size, N_FFT, HOP, 4096, 8, phase=phase), atol=1e-2)


def test_silence_stays_silent() -> None:
    wave = griffin_lim(torch.zeros(1, 1, 129, 65), N_FFT, HOP, 4096, 8)
    assert torch.equal(wave, torch.zeros(1, 1, 4096))
