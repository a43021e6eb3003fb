"""STFT against scipy's, and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import signal

from gantlet.layers.stft import centred, framed, from_polar, istft, magnitude, num_frames, overlap_add, stft


def waves(length: int = 1000) -> torch.Tensor:
    return torch.randn(2, 3, length, generator=torch.Generator().manual_seed(0))


def test_parity_with_scipy() -> None:
    x, n_fft, hop = waves(), 128, 32
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (n_fft // 2,) * 2), mode="reflect")
    _, _, theirs = signal.stft(padded, window="hann", nperseg=n_fft, noverlap=n_fft - hop, boundary=None, padded=False)
    theirs = theirs * signal.get_window("hann", n_fft).sum()  # scipy divides by the window's sum
    ours = stft(x, n_fft, hop)
    assert ours.shape == (2, 3, 65, 32) == (2, 3, 65, num_frames(1000, n_fft, hop))
    np.testing.assert_allclose(ours.numpy(), theirs, atol=2e-5)


@pytest.mark.parametrize(("n_fft", "hop"), [(64, 16), (64, 32), (60, 20), (50, 13)])
def test_what_goes_in_comes_out(n_fft: int, hop: int) -> None:
    x = waves(1300)
    for padding in (centred(n_fft), (n_fft - hop) // 2):
        spectrum = stft(x, n_fft, hop, padding)
        back = istft(spectrum, n_fft, hop, 1300, padding)
        covered = min((spectrum.shape[-1] - 1) * hop + n_fft - padding, 1300) - hop // 2
        torch.testing.assert_close(back[..., :covered], x[..., :covered], atol=2e-4, rtol=0)


def test_frames_that_stand_for_a_hop_each() -> None:
    padding = framed(64, 16)
    spectrum = stft(waves(160), 64, 16, padding)
    assert spectrum.shape[-1] == 10 == num_frames(160, 64, 16, padding) == num_frames(175, 64, 16, padding)
    assert istft(spectrum, 64, 16, padding=padding).shape == (2, 3, 160)
    with pytest.raises(ValueError, match="hop of 15"):
        framed(64, 15)


def test_a_cosine_is_one_line_of_half_the_windows_sum() -> None:
    x = torch.cos(2 * torch.pi * 8 / 64 * torch.arange(640))[None, None]
    spectrum = stft(x, 64, 16, 0).abs()[0, 0]
    torch.testing.assert_close(spectrum[8], torch.full_like(spectrum[8], 16.0), atol=1e-3, rtol=0)  # 64 / 2 / 2
    assert float(spectrum[11:].max()) < 1e-3


def test_overlap_add_by_hand() -> None:
    pieces = torch.tensor([[1.0, 2, 3], [10, 20, 30]]).T[None]  # frames (1, 2, 3) and (10, 20, 30), two apart
    assert overlap_add(pieces, 2).tolist() == [[1, 2, 13, 20, 30]]


def test_gradients_are_those_of_differences() -> None:
    x = waves(40)[:1, :1].double().requires_grad_(True)

    def loop(x: torch.Tensor) -> torch.Tensor:
        spectrum = stft(x, 16, 4)
        return istft(from_polar(magnitude(spectrum).sqrt(), spectrum.angle()), 16, 4, 40)

    assert torch.autograd.gradcheck(loop, (x,))


def test_the_magnitude_of_silence_has_a_gradient() -> None:
    x = torch.zeros(1, 1, 100, requires_grad=True)
    magnitude(stft(x, 16, 4)).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_too_short_a_wave_is_refused_and_half_precision_is_widened() -> None:
    with pytest.raises(ValueError, match="8 samples is too short for a window of 16"):
        stft(torch.zeros(1, 1, 8), 16, 4)
    assert stft(waves().bfloat16(), 16, 4).dtype == torch.complex64
