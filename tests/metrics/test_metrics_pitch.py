import math

import numpy as np
import pytest
import torch

from gantlet.data.tones import SAMPLE_RATE, pitch_of, tones
from gantlet.metrics import pitch, pitch_accuracy
from gantlet.metrics.pitch import within


def sines(*hertz: float, rate: int = 8000, length: int = 8000) -> torch.Tensor:
    return torch.sin(2 * math.pi * torch.tensor(hertz)[:, None] * torch.arange(length) / rate)


def test_sines_are_found_within_a_cent_or_two():
    hertz = (90.0, 123.4, 440.0, 700.3, 1000.0)
    found = pitch(sines(*hertz), 8000)
    assert (1200 * (found / torch.tensor(hertz)).log2()).abs().max() < 2
    assert pitch(sines(440.0, rate=22050), 22050).item() == pytest.approx(440, rel=1e-3)


def test_a_missing_fundamental_is_heard():
    """Harmonics 2, 3 and 4 of 200 Hz have the period of 200 Hz."""
    found = pitch(sines(400.0, 600.0, 800.0).sum(0, keepdim=True), 8000)
    assert found.item() == pytest.approx(200, rel=2e-3)


def test_harmonic_tones_never_jump_an_octave():
    waves, labels = tones("test", np.arange(96))
    expected = torch.from_numpy(pitch_of(labels))
    assert pitch_accuracy(torch.from_numpy(waves), expected, SAMPLE_RATE) == 1
    assert pitch_accuracy(torch.from_numpy(waves), expected.roll(4), SAMPLE_RATE) == 0  # all are another pitch now


def test_an_octave_error_and_half_a_semitone_count_as_they_should():
    waves = sines(440.0, 880.0, 440 * 2 ** (0.4 / 12), 440 * 2 ** (0.6 / 12))
    assert pitch_accuracy(waves, torch.full((4,), 440.0), 8000) == 0.5
    assert within(torch.tensor([math.nan, 440.0]), torch.tensor([440.0, 440.0])).tolist() == [False, True]


def test_noise_and_silence_have_no_pitch():
    generator = torch.Generator().manual_seed(0)
    waves = torch.stack([torch.randn(8000, generator=generator), torch.zeros(8000)])
    assert pitch(waves, 8000).isnan().all()
    assert pitch_accuracy(waves, torch.tensor([440.0, 440.0]), 8000) == 0


def test_quiet_tails_do_not_vote():
    loud, hum = sines(500.0)[0], 0.001 * sines(100.0)[0]
    wave = torch.where(torch.arange(8000) < 2500, loud, hum)[None]
    assert pitch(wave, 8000).item() == pytest.approx(500, rel=1e-3)


def test_what_cannot_be_found_is_refused():
    with pytest.raises(ValueError, match="two periods"):
        pitch(torch.zeros(1, 100), 8000)
    with pytest.raises(ValueError, match="0 < low < high < 4000"):
        pitch(torch.zeros(1, 8000), 8000, high=5000)
    assert pitch(torch.zeros(0, 8000), 8000).shape == (0,)


def test_low_notes_get_longer_frames():
    """C2 of a piano: two periods from an octave below it are more than 1024 samples at 16 kHz."""
    hertz = (65.41, 130.81)
    assert pitch_accuracy(sines(*hertz, rate=16_000, length=16_000), torch.tensor(hertz), 16_000) == 1
