"""Vocos: Closing the Gap Between Time-Domain and Fourier-Based Neural Vocoders (Siuzdak, 2023), arXiv:2306.00814.

All layers work at the rate of frames; the inverse STFT does all upsampling. Shapes: mel [N, mels, frames], sound
[N, 1, frames * hop]. Inside, features are [N, frames, dim]: linear layers and layer norm take them as they lie.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.precision import wide
from gantlet.layers.stft import framed, from_polar, istft

KERNEL = 7
LOUDEST = 100.0  # the greatest magnitude of the head (authors' code)


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, layer norm, `dim` to `inner` and back with GELU, scaled, plus the input (Liu 2022)."""

    def __init__(self, dim: int, inner: int, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(dim, dim, KERNEL, padding=KERNEL // 2, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.widen, self.narrow = nn.Linear(dim, inner), nn.Linear(inner, dim)
        self.scale = nn.Parameter(torch.full((dim,), scale))

    def forward(self, x: Tensor) -> Tensor:
        h = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        h = self.narrow(F.gelu(self.widen(self.norm(h))))
        return torch.addcmul(x, self.scale, h)


class Generator(nn.Module):
    """Convolution, norm, blocks, norm, then log magnitude and phase of every line of every frame, inverse STFT.

    The phase is what a complex number of modulus 1 and that angle has: wrapping comes by itself (section 3.2). With
    `rough`, which makes a spectrum [N, n_fft / 2 + 1, frames] of mels, they are what that one is multiplied by, so that
    G begins with it.
    """

    def __init__(
        self,
        mels: int,
        dim: int,
        inner: int,
        blocks: int,
        n_fft: int,
        hop: int,
        rough: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.n_fft, self.hop, self.rough = n_fft, hop, rough
        self.embed = nn.Conv1d(mels, dim, KERNEL, padding=KERNEL // 2)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.blocks = nn.Sequential(*(ConvNeXtBlock(dim, inner, 1 / blocks) for _ in range(blocks)))
        self.last_norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, n_fft + 2)
        self.apply(initialise)

    def forward(self, mel: Tensor) -> Tensor:
        h = self.norm(self.embed(mel).transpose(1, 2))
        h = self.head(self.last_norm(self.blocks(h)))
        with torch.autocast(mel.device.type, enabled=False):
            log_size, angle = wide(h).transpose(1, 2).chunk(2, dim=1)
            spectrum = from_polar(log_size.exp().clamp_max(LOUDEST), angle)
            if self.rough is not None:
                spectrum = spectrum * self.rough(mel)
            return istft(spectrum[:, None], self.n_fft, self.hop, padding=framed(self.n_fft, self.hop))


def initialise(module: nn.Module) -> None:
    """Weights from a normal distribution of deviation .02 cut at 2 (in units of 1, so hardly), biases 0."""
    if isinstance(module, nn.Conv1d | nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def reach(blocks: int, iterations: int = 0, overlap: int = 4) -> int:
    """Return how many frames to each side a frame of the spectrum depends on.

    Windows overlap so many times: each of Griffin-Lim's iterations, and the phase taken of its end, reaches that much.
    """
    return max((blocks + 1) * (KERNEL // 2), (iterations + 1) * (overlap - 1) if iterations else 0)


def mel_24k() -> Generator:
    """Return the published network: 100 mels at 24 kHz, 13.5 M parameters."""
    return Generator(100, 512, 1536, 8, 1024, 256)


def small() -> Generator:
    """Return one for two CPU cores: 80 mels, 0.6 M parameters, ours."""
    return Generator(80, 128, 384, 4, 1024, 256)
