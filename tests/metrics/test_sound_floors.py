"""The floors of speech enhancement do what they are said to: less noise, and clean speech nearly as it was."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch

from gantlet.metrics.speech import si_sdr

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
floors = importlib.import_module("sound_floors")
METHODS = ("boll", "berouti", "wiener")
RATE = 8000


def tones(seconds: int = 3) -> torch.Tensor:
    """Return bursts of a few harmonics with pauses between them."""
    t = torch.arange(seconds * RATE) / RATE
    sound = sum(torch.sin(2 * torch.pi * 200 * k * t) / k for k in range(1, 6))
    return 0.2 * sound * (torch.sin(2 * torch.pi * 1.5 * t) > 0)


def noise(length: int) -> torch.Tensor:
    return torch.randn(length, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", METHODS)
def test_they_take_noise_away(name: str) -> None:
    clean = tones()
    noisy = clean + 0.1 * noise(len(clean))
    made = getattr(floors, name)(noisy, RATE)
    assert made.shape == clean.shape
    before, after = (si_sdr(wave[None], clean[None]).item() for wave in (noisy, made))
    assert after > before + 3


@pytest.mark.parametrize("name", METHODS)
def test_they_leave_speech_without_noise(name: str) -> None:
    clean = tones()
    made = getattr(floors, name)(clean + 1e-5 * noise(len(clean)), RATE)
    assert si_sdr(made[None], clean[None]) > 25


def test_noise_is_that_of_the_quietest_frames() -> None:
    spectrum = torch.ones(4, 10, dtype=torch.complex64) * torch.tensor([3.0, 5, 1, 4, 9, 2, 6, 8, 7, 10])
    assert floors.noise_power(spectrum, 0.2).flatten().tolist() == [2.5] * 4  # (1 + 4) / 2
    assert floors.noise_power(spectrum, 0.0).flatten().tolist() == [1.0] * 4


def test_the_wiener_gain_of_noise_alone_tends_to_its_least() -> None:
    """gamma near 1 gives xi = -25 dB at least, so the gain is about 10^-2.5: 50 dB less power."""
    wave = 0.1 * noise(4 * RATE)
    made = floors.wiener(wave, RATE, quiet=1.0)
    assert (made[RATE:].square().mean() / wave[RATE:].square().mean()).log10() * 10 < -20
