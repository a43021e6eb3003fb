"""Short-time Fourier transform and its inverse, batched and differentiable, in float32 at least.

Window: periodic Hann of n_fft samples. Padding: by reflection, `padding` samples at each end. `centred(n_fft)`, the
default, puts frame i's middle on sample i * hop and gives 1 + T // hop frames; `framed(n_fft, hop)` gives T // hop
frames whose middles lie half a hop later, so that F frames stand for F * hop samples exactly, as vocoders count.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.layers.precision import wide


def centred(n_fft: int) -> int:
    """Return the padding that puts the middle of frame i on sample i * hop."""
    return n_fft // 2


def framed(n_fft: int, hop: int) -> int:
    """Return the padding with which T samples give T // hop frames. Raises ValueError if n_fft - hop is odd or < 0."""
    if n_fft < hop or (n_fft - hop) % 2:
        raise ValueError(f"a window of {n_fft} samples cannot be laid evenly around a hop of {hop}")
    return (n_fft - hop) // 2


def num_frames(length: int, n_fft: int, hop: int, padding: int | None = None) -> int:
    """Return how many frames `stft` makes of `length` samples."""
    return 1 + (length + 2 * (centred(n_fft) if padding is None else padding) - n_fft) // hop


def stft(wave: Tensor, n_fft: int, hop: int, padding: int | None = None) -> Tensor:
    """Return the complex spectrum [N, C, n_fft / 2 + 1, frames] of waves [N, C, T], not normalised.

    Raises ValueError if a wave is too short to be reflected at its ends.
    """
    padding = centred(n_fft) if padding is None else padding
    if wave.shape[-1] <= padding:
        raise ValueError(f"a wave of {wave.shape[-1]} samples is too short for a window of {n_fft}")
    with torch.autocast(wave.device.type, enabled=False):
        rows = wide(wave).flatten(0, 1)
        if padding:
            rows = F.pad(rows[:, None], (padding, padding), mode="reflect")[:, 0]
        window = torch.hann_window(n_fft, dtype=rows.dtype, device=rows.device)
        spectrum = torch.stft(rows, n_fft, hop, window=window, center=False, return_complex=True)
    return spectrum.view(*wave.shape[:2], *spectrum.shape[1:])


def istft(spectrum: Tensor, n_fft: int, hop: int, length: int | None = None, padding: int | None = None) -> Tensor:
    """Return waves [N, C, length] of spectra [N, C, n_fft / 2 + 1, frames]: overlap-add, least squares (Griffin 1984).

    `length` None: all samples between the paddings. Exact for spectra that `stft` made, where windows overlap; what
    the last frame does not reach is 0.
    """
    padding = centred(n_fft) if padding is None else padding
    with torch.autocast(spectrum.device.type, enabled=False):
        window = torch.hann_window(n_fft, dtype=spectrum.real.dtype, device=spectrum.device)
        pieces = torch.fft.irfft(spectrum, n_fft, dim=2) * window[:, None]
        envelope = overlap_add(window.square()[None, :, None].expand(1, -1, spectrum.shape[-1]), hop)[0]
        wave = overlap_add(pieces.flatten(0, 1), hop).view(*spectrum.shape[:2], -1)
        length = wave.shape[-1] - 2 * padding if length is None else length
        wave, envelope = (x[..., padding : padding + length] for x in (wave, envelope))
        wave = wave / envelope.clamp_min(1e-8)
    return F.pad(wave, (0, length - wave.shape[-1])) if wave.shape[-1] < length else wave


def overlap_add(pieces: Tensor, hop: int) -> Tensor:
    """Return the sum [B, (frames - 1) * hop + size] of pieces [B, size, frames] laid `hop` samples apart."""
    size, frames = pieces.shape[1:]
    parts = -(-size // hop)
    # Cut into blocks of one hop, block k of frame i falls on block i + k of the sum: `parts` additions in all.
    blocks = F.pad(pieces.transpose(1, 2), (0, parts * hop - size)).reshape(-1, frames, parts, hop)
    total = sum(F.pad(blocks[:, :, k], (0, 0, k, parts - 1 - k)) for k in range(parts))
    assert isinstance(total, Tensor)
    return total.flatten(1)[:, : (frames - 1) * hop + size]


def magnitude(spectrum: Tensor, floor: float = 0.0) -> Tensor:
    """Return |spectrum|, at least `floor`; its gradient is finite where a value is 0, which that of abs() is not."""
    return (spectrum.real.square() + spectrum.imag.square()).clamp_min(max(floor, 1e-10) ** 2).sqrt()


def from_polar(size: Tensor, angle: Tensor) -> Tensor:
    """Return the complex numbers of these magnitudes and angles (radians)."""
    return torch.complex(size * angle.cos(), size * angle.sin())
