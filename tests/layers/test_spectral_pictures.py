"""Pictures of sounds and back, statistics per frequency, phase shuffle."""

from __future__ import annotations

import pytest
import torch

from gantlet.layers.phase_shuffle import PhaseShuffle, moved
from gantlet.layers.spectral_pictures import BinStatistics, SpectralPictures


def sounds(length: int = 2048) -> torch.Tensor:
    t = torch.arange(length) / 8000
    waves = [torch.sin(2 * torch.pi * f * t) * torch.linspace(1, 0.2, length) for f in (440, 1000, 1700, 250)]
    return torch.stack(waves).view(2, 2, length) * 0.5


@pytest.mark.parametrize("fold", [1, 4])
def test_pictures_show_magnitudes_exactly(fold: int) -> None:
    spectral = SpectralPictures(n_fft=128, hop=32, fold=fold)
    pictures = spectral.draw(sounds())
    assert pictures.shape == (2, *spectral.shape(2, 2048)) == (2, 2 * fold, 64 // fold, 64)
    assert float(pictures.abs().max()) <= 1
    torch.testing.assert_close(spectral.size(pictures), spectral.magnitudes(sounds()), atol=2e-3, rtol=1e-3)


def test_folding_puts_neighbouring_frequencies_into_channels() -> None:
    plain, folded = (SpectralPictures(n_fft=128, hop=32, fold=fold).draw(sounds()) for fold in (1, 4))
    assert torch.equal(folded[:, 4 + 3, 5], plain[:, 1, 5 * 4 + 3])  # second channel of the sound, line 23
    with pytest.raises(ValueError, match="64 frequencies cannot be folded by 3"):
        SpectralPictures(n_fft=128, hop=32, fold=3).shape(1, 2048)


def test_silence_is_minus_one_and_comes_back_as_silence() -> None:
    spectral = SpectralPictures(n_fft=128, hop=32)
    pictures = spectral.draw(torch.zeros(1, 1, 640))
    assert float((pictures + 1).abs().max()) < 1e-4
    size = spectral.size(torch.full((1, 1, 64, 20), -1.0))
    assert torch.equal(spectral.waves(size, 640, torch.zeros_like(size), 4, 0.99), torch.zeros(1, 1, 640))


def test_there_and_back_is_near_and_of_the_same_length() -> None:
    spectral = SpectralPictures(n_fft=256, hop=64)
    x = sounds(2011)
    size = spectral.size(spectral.draw(x))
    phase = torch.rand(size.shape, generator=torch.Generator().manual_seed(0)) * 6.28
    waves = spectral.waves(size, 2011, phase, 64, 0.99)
    assert waves.shape == x.shape
    assert float((spectral.magnitudes(waves) - spectral.magnitudes(x)).norm() / spectral.magnitudes(x).norm()) < 0.1


def test_statistics_are_those_of_what_earlier_steps_saw() -> None:
    statistics = BinStatistics(5, wanted=10)
    rows = torch.randn(14, 2, 5, 7, generator=torch.Generator().manual_seed(0)) * 3 + torch.arange(5)[:, None]
    statistics.look(rows[:4], 0)
    statistics.look(rows[4:6], 0)  # a part of the same step
    assert statistics.mean.tolist() == [-5] * 5
    statistics.look(rows[6:10], 1)
    seen = rows[:6].transpose(0, 2).flatten(1)
    torch.testing.assert_close(statistics.mean, seen.mean(1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(statistics.deviation, seen.std(1, correction=0), atol=1e-5, rtol=1e-5)
    statistics.look(rows[10:], 2)
    statistics.look(rows[:1], 3)  # enough was seen: nothing moves any more
    seen = rows[:10].transpose(0, 2).flatten(1)
    torch.testing.assert_close(statistics.mean, seen.mean(1), atol=1e-5, rtol=1e-5)
    x = statistics.mean[:, None] + statistics.deviation[:, None] * torch.tensor([[0.0, 1.5, 9.0]])
    torch.testing.assert_close(statistics(x)[0], torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(statistics.inverse(statistics(x))[:, :2], x[:, :2])


def test_moving_reflects_the_ends() -> None:
    x = torch.arange(5.0)[None, None]
    assert moved(x, 2)[0, 0].tolist() == [2, 1, 0, 1, 2]
    assert moved(x, -1)[0, 0].tolist() == [1, 2, 3, 4, 3]


def test_phase_shuffle_moves_in_training_only_and_by_every_shift() -> None:
    x = torch.arange(9.0)[None, None]
    layer = PhaseShuffle(2)
    assert layer.eval()(x) is x
    layer.train()
    torch.manual_seed(0)
    found = {tuple(layer(x)[0, 0].tolist()) for _ in range(100)}
    assert found == {tuple(moved(x, shift)[0, 0].tolist()) for shift in range(-2, 3)}
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    assert torch.equal(first, layer(x))
