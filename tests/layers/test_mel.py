"""Mel filterbanks against loops over the published formulas."""

from __future__ import annotations

from math import exp, log, log10

import numpy as np
import pytest
import torch

from gantlet.layers.mel import MelSpec, filterbank, to_hertz, to_mel


def slow_filterbank(rate: int, n_fft: int, mels: int, low: float, high: float, htk: bool) -> np.ndarray:
    """HTK Book 5.4; Slaney's Auditory Toolbox: 200 / 3 Hz a step to 1 kHz, then 27 steps to 6.4 kHz."""

    def forward(f: float) -> float:
        if htk:
            return 2595 * log10(1 + f / 700)
        return 3 * f / 200 if f < 1000 else 15 + 27 * log(f / 1000) / log(6.4)

    def back(m: float) -> float:
        if htk:
            return 700 * (10 ** (m / 2595) - 1)
        return 200 * m / 3 if m < 15 else 1000 * exp((m - 15) * log(6.4) / 27)

    step = (forward(high) - forward(low)) / (mels + 1)
    edges = [back(forward(low) + i * step) for i in range(mels + 2)]
    bank = np.zeros((mels, n_fft // 2 + 1))
    for band in range(mels):
        left, top, right = edges[band : band + 3]
        for line in range(n_fft // 2 + 1):
            f = line * rate / n_fft
            if left < f <= top:
                bank[band, line] = (f - left) / (top - left)
            elif top < f < right:
                bank[band, line] = (right - f) / (right - top)
        if not htk:
            bank[band] *= 2 / (right - left)
    return bank


@pytest.mark.parametrize("htk", [False, True])
@pytest.mark.parametrize("size", [(8000, 256, 40, 0, 4000), (22050, 1024, 80, 0, 8000), (16000, 512, 64, 60, 7600)])
def test_filterbank(size: tuple[int, int, int, float, float], htk: bool) -> None:
    np.testing.assert_allclose(filterbank(*size, htk=htk), slow_filterbank(*size, htk), atol=1e-12)


def test_scales_by_hand() -> None:
    assert to_mel(1000) == pytest.approx(15)
    assert to_mel(6400) == pytest.approx(42)
    assert to_mel(700, htk=True) == pytest.approx(2595 * log10(2))
    for htk in (False, True):
        f = np.array([0.0, 100, 999, 1001, 7000])
        np.testing.assert_allclose(to_hertz(to_mel(f, htk), htk), f, atol=1e-9)


def test_heights_and_areas() -> None:
    fine = 2**16
    htk, slaney = (filterbank(16000, fine, 20, 0, 8000, htk=htk) for htk in (True, False))
    np.testing.assert_allclose(htk.max(1), 1, atol=2e-3)
    np.testing.assert_allclose(slaney.sum(1) * 16000 / fine, 1, rtol=1e-4)  # area in Hz


def test_impossible_bands_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 0 <= low < high <= 4000 Hz, not 0 and 5000"):
        filterbank(8000, 256, 40, 0, 5000)


def test_log_mels() -> None:
    spec = MelSpec(sample_rate=8000, n_fft=256, hop=64, mels=40, floor=1e-4)
    t = torch.arange(2048) / 8000
    sound = torch.sin(2 * torch.pi * 1000 * t)[None, None].repeat(2, 1, 1) * torch.tensor([1.0, 0.0])[:, None, None]
    mel = spec.log_mel(sound)
    assert mel.shape == (2, 1, 40, 32)
    assert spec.log_mel(sound[..., :2047]).shape[-1] == 31  # T // hop
    torch.testing.assert_close(mel[1], torch.full_like(mel[1], log(1e-4)))
    loudest = int(mel[0, 0, :, 16].argmax())
    edges = to_hertz(np.linspace(to_mel(0), to_mel(4000), 42))
    assert edges[loudest] < 1000 < edges[loudest + 2]
    assert dict(spec.facts()) == {
        **dict(sample_rate=8000, n_fft=256, hop=64, mels=40, low=0, high=4000, htk=0),
        "floor": 1e-4,
    }


def test_the_pseudo_inverse_gives_the_mel_back() -> None:
    spec = MelSpec(sample_rate=8000, n_fft=512, hop=128, mels=30)
    smooth = torch.linspace(2, 1, 257)[:, None].expand(257, 5)[None, None] * 3
    again = spec.from_magnitudes(spec.to_magnitudes(spec.from_magnitudes(smooth)))
    torch.testing.assert_close(again, spec.from_magnitudes(smooth), atol=0.02, rtol=0)
    assert float(spec.to_magnitudes(torch.randn(1, 1, 30, 5)).min()) >= 0


def test_a_bank_made_without_gradients_serves_training_too() -> None:
    spec = MelSpec(sample_rate=8000, n_fft=128, hop=32, mels=17)
    with torch.inference_mode():
        spec.log_mel(torch.rand(1, 1, 512))
    x = torch.rand(1, 1, 512, requires_grad=True)
    spec.log_mel(x).sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().max()) > 0
