"""Measures of speech against values worked out by hand and against slow loops written from the papers."""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gantlet.layers.speech_measures import third_octaves
from gantlet.metrics import speech


def speechlike(length: int, seed: int = 0, count: int = 2) -> torch.Tensor:
    """Return noise [count, length] whose loudness rises and falls, with pauses."""
    generator = torch.Generator().manual_seed(seed)
    envelope = torch.sin(torch.arange(length) / 700.0).clamp_min(0) ** 2
    return torch.randn(count, length, generator=generator) * envelope


def slow_stoi(estimate: np.ndarray, reference: np.ndarray) -> float:
    """STOI of waves at 10 kHz, in loops, from section II of Taal 2011."""
    window = np.hanning(258)[1:-1]
    starts = range(0, len(reference) - 255, 128)
    levels = [20 * math.log10(np.linalg.norm(window * reference[s : s + 256]) + 1e-12) for s in starts]
    kept = [s for s, level in zip(starts, levels, strict=True) if level > max(levels) - 40]
    joined = []
    for wave in (reference, estimate):
        out = np.zeros((len(kept) + 1) * 128)
        for place, s in enumerate(kept):
            out[place * 128 : place * 128 + 256] += window * wave[s : s + 256]
        joined.append(out)
    envelopes = []
    for wave in joined:
        frames = [np.abs(np.fft.rfft(window * wave[s : s + 256], 512)) ** 2 for s in range(0, len(wave) - 255, 128)]
        bands = np.zeros((15, len(frames)))
        hertz = np.arange(257) * 10_000 / 512
        for j in range(15):
            low = np.argmin(np.abs(hertz - 150 * 2 ** (j / 3) * 2 ** (-1 / 6)))
            high = np.argmin(np.abs(hertz - 150 * 2 ** (j / 3) * 2 ** (1 / 6)))
            for m, frame in enumerate(frames):
                bands[j, m] = math.sqrt(frame[low:high].sum())
        envelopes.append(bands)
    values = []
    for m in range(30, envelopes[0].shape[1] + 1):
        for j in range(15):
            x, y = (bands[j, m - 30 : m] for bands in envelopes)
            y = np.minimum(y * np.linalg.norm(x) / np.linalg.norm(y), x * (1 + 10 ** (15 / 20)))
            x, y = x - x.mean(), y - y.mean()
            values.append(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))
    return float(np.mean(values))


@pytest.mark.parametrize("level", [0.05, 0.5, 3.0])
def test_stoi_is_what_the_loops_give(level: float) -> None:
    clean = speechlike(14_000, count=3)
    noisy = clean + level * speechlike(14_000, seed=1, count=3) + 0.1 * level
    fast = speech.stoi(noisy, clean, 10_000)
    slow = [slow_stoi(noisy[i].double().numpy(), clean[i].double().numpy()) for i in range(3)]
    np.testing.assert_allclose(fast.numpy(), slow, atol=2e-4)
    for i in range(3):  # rows of another number of living frames do not touch each other
        torch.testing.assert_close(speech.stoi(noisy[i : i + 1], clean[i : i + 1], 10_000)[0], fast[i])


def test_stoi_leaves_silence_out_row_by_row() -> None:
    clean = torch.cat([speechlike(9000, count=1).abs() + 0.1, torch.zeros(1, 9000)], 1)
    noisy = clean + 0.3 * torch.randn(1, 18_000, generator=torch.Generator().manual_seed(2))
    assert slow_stoi(noisy[0].double().numpy(), clean[0].double().numpy()) == pytest.approx(
        float(speech.stoi(noisy, clean, 10_000)), abs=2e-4
    )
    both = torch.cat([clean, clean.flip(1)]), torch.cat([noisy, noisy.flip(1)])
    assert speech.stoi(both[1], both[0], 10_000)[0] == pytest.approx(float(speech.stoi(noisy, clean, 10_000)), abs=1e-6)


@pytest.mark.parametrize("rate", [8000, 10_000, 16_000, 22_050])
def test_stoi_of_equals_is_one_whatever_the_scale_and_falls_with_noise(rate: int) -> None:
    clean = speechlike(2 * rate)
    noise = torch.randn(2, 2 * rate, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(speech.stoi(clean, clean, rate), torch.ones(2), atol=1e-4, rtol=0)
    values = [float(speech.stoi(clean + level * noise, clean, rate).mean()) for level in (0, 0.1, 0.3, 1, 3)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.5
    noisy = clean + 0.3 * noise
    torch.testing.assert_close(
        speech.stoi(0.01 * noisy, 5 * clean, rate), speech.stoi(noisy, clean, rate), rtol=1e-3, atol=1e-4
    )


def test_stoi_is_not_defined_without_enough_speech() -> None:
    clean = torch.zeros(3, 8000)
    clean[0, :300], clean[2] = 1.0, speechlike(8000, count=1)[0]
    assert speech.stoi(clean, clean, 8000).isnan().tolist() == [True, True, False]
    assert speech.stoi(clean[:, :50], clean[:, :50], 8000).isnan().all()


def test_third_octave_bands() -> None:
    """Edges by hand: 150 Hz * 2^(-1/6) = 133.6 is nearest to bin 7 (136.7 Hz), 168.4 to bin 9 (175.8)."""
    bands = third_octaves()
    assert bands[0].nonzero().flatten().tolist() == [7, 8]
    assert bands.shape == (15, 257)
    assert (bands.sum(0) <= 1).all()  # neighbours share no bin
    assert bands.sum(0).nonzero().flatten()[[0, -1]].tolist() == [7, 218]  # up to 4276 Hz


def test_si_sdr_by_hand() -> None:
    """s = (1, -1, 1, -1) and noise (1, 1, -1, -1) are orthogonal and of equal energy."""
    s, n = torch.tensor([[1.0, -1, 1, -1]]), torch.tensor([[1.0, 1, -1, -1]])
    assert speech.si_sdr(s + n, s) == pytest.approx(0.0, abs=1e-5)
    assert speech.si_sdr(s + 0.1 * n, s) == pytest.approx(20.0, abs=1e-4)
    assert speech.si_sdr(7 * (s + 0.1 * n) + 3, 0.2 * s) == pytest.approx(20.0, abs=1e-4)
    assert speech.si_sdr(3 * s, s) == math.inf
    assert speech.si_sdr(s, 0 * s).isnan().all()
    assert speech.si_sdr_improvement(s + 0.1 * n, s + n, s) == pytest.approx(20.0, abs=1e-4)


def test_segmental_snr_by_hand() -> None:
    clean = torch.sin(torch.arange(8000) * 0.3)[None]
    assert speech.segmental_snr(0.9 * clean, clean, 8000) == pytest.approx(20, abs=1e-3)  # error of a tenth
    assert speech.segmental_snr(clean, clean, 8000) == 35
    assert speech.segmental_snr(-9 * clean, clean, 8000) == -10
    half = torch.where(torch.arange(8000) < 4000, 0.9, 1.0) * clean
    assert speech.segmental_snr(half, clean, 8000) == pytest.approx(27.5, abs=0.2)
    assert speech.segmental_snr(clean[:, :9], clean[:, :9], 8000).isnan().all()


def test_pesq_is_asked_only_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = speechlike(4410)
    monkeypatch.setattr(speech, "has_pesq", lambda: False)
    assert set(speech.scores(clean, clean, 44_100)) == {"si_sdr", "stoi", "segmental_snr"}
    calls = []

    def pesq(rate: int, reference: np.ndarray, estimate: np.ndarray, mode: str) -> float:
        calls.append((rate, len(reference), mode))
        if len(calls) == 2:
            raise stand_in.NoUtterancesError
        return 2.5

    errors = {name: type(name, (Exception,), {}) for name in ("NoUtterancesError", "BufferTooShortError")}
    stand_in = SimpleNamespace(pesq=pesq, **errors)
    monkeypatch.setitem(sys.modules, "pesq", stand_in)  # type: ignore[arg-type]
    monkeypatch.setattr(speech, "has_pesq", lambda: True)
    found = speech.scores(clean, clean, 44_100)["pesq"]
    assert found[0] == 2.5
    assert found[1].isnan()
    assert calls[0] == (16_000, 1600, "wb")
    speech.pesq(clean, clean, 11_025)
    assert calls[-1] == (8000, 3200, "nb")


def test_shapes_are_checked() -> None:
    for function in (speech.si_sdr, lambda a, b: speech.stoi(a, b, 8000)):
        with pytest.raises(ValueError, match="compared"):
            function(torch.zeros(1, 5), torch.zeros(2, 5))
        with pytest.raises(ValueError, match="compared"):
            function(torch.zeros(5), torch.zeros(5))
