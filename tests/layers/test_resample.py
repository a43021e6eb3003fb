"""Resampling against scipy's and on sines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import signal

from gantlet.layers import resample as module
from gantlet.layers.resample import resample, resampled_length

RATES = [(8000, 16000), (16000, 8000), (44100, 16000), (22050, 8000), (11025, 8000), (8000, 44100), (3, 7)]


@pytest.mark.parametrize(("old", "new"), RATES)
def test_parity_with_scipy(old: int, new: int) -> None:
    x = torch.randn(2, 2, 701, generator=torch.Generator().manual_seed(0))
    theirs = signal.resample_poly(x.numpy(), new, old, axis=-1)
    ours = resample(x, old, new, zeros=10, beta=5.0, rolloff=1.0)
    assert ours.shape == theirs.shape == (2, 2, resampled_length(701, old, new))
    np.testing.assert_allclose(ours.numpy(), theirs, atol=5e-6)


@pytest.mark.parametrize(("old", "new"), [(44100, 16000), (16000, 22050), (44101, 8000)])
def test_a_sine_stays_that_sine(old: int, new: int) -> None:
    """44,101 Hz has no divisor in common with 8,000: the way without a table."""
    length = old // 4
    x = torch.sin(2 * torch.pi * 440 * torch.arange(length, dtype=torch.float64) / old)[None, None]
    y = resample(x, old, new)
    wanted = torch.sin(2 * torch.pi * 440 * torch.arange(y.shape[-1], dtype=torch.float64) / new)
    assert y.shape == (1, 1, -(-length * new // old))
    assert float((y[0, 0] - wanted)[100:-100].abs().max()) < 1e-4


def test_both_ways_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(1, 2, 5000, generator=torch.Generator().manual_seed(0))
    table = resample(x, 44100, 16000)
    monkeypatch.setattr(module, "LARGEST_TABLE", 0)
    monkeypatch.setattr(module, "BLOCK", 512)
    torch.testing.assert_close(resample(x, 44100, 16000), table, atol=1e-5, rtol=0)


def test_what_the_lower_rate_cannot_hold_is_removed() -> None:
    x = torch.sin(2 * torch.pi * 5000 * torch.arange(16000) / 16000)[None, None]
    assert float(resample(x, 16000, 8000)[..., 100:-100].abs().max()) < 1e-3


def test_same_rate_short_waves_and_refusals() -> None:
    x = torch.rand(1, 1, 5)
    assert resample(x, 8000, 8000) is x
    assert resample(x, 44100, 8000).shape == (1, 1, 1)
    assert resample(torch.ones(1, 1, 4000), 8000, 11025)[0, 0, 2000].item() == pytest.approx(1, abs=1e-4)
    with pytest.raises(ValueError, match="positive"):
        resample(x, 0, 8000)


def test_gradients() -> None:
    x = torch.rand(1, 1, 30, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: resample(x, 3, 2, zeros=4), (x,))
