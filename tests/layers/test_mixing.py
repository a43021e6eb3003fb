"""Noise comes to clean sound at the ratio that was asked for; emphasis and its inverse; the kept batch."""

from __future__ import annotations

import pytest
import torch

from gantlet.layers import mixing
from gantlet.layers.emphasis import de_emphasis, emphasis
from gantlet.layers.reference_batch import ReferenceBatch


def test_the_power_of_speech_leaves_its_pauses_out() -> None:
    """Frames of 160 samples: two of power 1, one of .25, and seven 60 dB down."""
    wave = torch.cat([torch.ones(320), torch.full((160,), 0.5), torch.full((1120,), 1e-3)])
    assert mixing.active_power(wave[None, None], 8000) == pytest.approx(0.75)
    stereo = torch.stack([wave, 0 * wave])[None]
    assert mixing.active_power(stereo, 8000) == pytest.approx(0.375)
    assert mixing.active_power(wave[None, None, :50], 8000) == pytest.approx(1.0)
    assert mixing.active_power(torch.zeros(2, 1, 400), 8000).tolist() == [0, 0]


@pytest.mark.parametrize("snr", [-5.0, 0.0, 20.0])
def test_the_ratio_is_the_one_asked_for(snr: float) -> None:
    clean, noise = torch.randn(3, 2, 1600), 7 * torch.randn(3, 2, 1600)
    clean[:, :, 800:] = 0
    made = mixing.scaled_noise(clean, noise, torch.full((3,), snr), 8000)
    ratio = clean[:, :, :800].square().mean((1, 2)) / made.square().mean((1, 2))
    torch.testing.assert_close(10 * ratio.log10(), torch.full((3,), snr), atol=0.02, rtol=0)
    torch.testing.assert_close(made / noise, (made / noise)[:, :1, :1].expand_as(noise))


def test_beside_silence_there_is_no_ratio() -> None:
    clean, noise = torch.zeros(2, 1, 400), torch.randn(2, 1, 400)
    clean[1], noise[1] = 1, 0
    assert torch.equal(mixing.scaled_noise(clean, noise, torch.zeros(2), 8000), noise)


def test_levels_and_gains() -> None:
    levels = mixing.decibels(-5, 20, torch.tensor([0.0, 0.2, 1.0]))
    assert levels.tolist() == [-5, 0, 20]
    made = mixing.gain(torch.ones(3, 1, 2), torch.tensor([20.0, 0.0, -6.0206]))
    torch.testing.assert_close(made[:, 0, 0], torch.tensor([10.0, 1.0, 0.5]))


@pytest.mark.parametrize("length", [1, 7, 3000])
def test_de_emphasis_is_the_recursion_and_inverts(length: int) -> None:
    wave = torch.randn(2, 1, length, dtype=torch.float64)
    slow = wave.clone()
    for t in range(1, length):
        slow[..., t] += 0.95 * slow[..., t - 1]
    torch.testing.assert_close(de_emphasis(wave), slow, atol=1e-10, rtol=0)
    torch.testing.assert_close(emphasis(de_emphasis(wave)), wave, atol=1e-10, rtol=0)
    assert emphasis(torch.ones(1, 1, 3))[0, 0].tolist() == pytest.approx([1, 0.05, 0.05])
    assert torch.equal(emphasis(wave, 0.0), wave)
    with pytest.raises(ValueError, match="below 1"):
        de_emphasis(wave, 1.0)


def test_the_first_batch_is_kept() -> None:
    kept = ReferenceBatch(3, (2,))
    kept.keep(torch.tensor([[1.0, 2], [3, 4]]))
    kept.keep(torch.zeros(5, 2))
    assert kept().tolist() == [[1, 2], [3, 4], [1, 2]]
    other = ReferenceBatch(3, (2,))
    other.load_state_dict(kept.state_dict())
    other.keep(torch.zeros(5, 2))
    assert torch.equal(other(), kept())
