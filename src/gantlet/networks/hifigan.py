"""HiFi-GAN: GANs for Efficient and High Fidelity Speech Synthesis (Kong, Kim & Bae, 2020), arXiv:2010.05646.

Shapes: mel [N, mels, frames], sound [N, 1, frames * hop], hop = product of the upsampling. Weight norm on all
layers. The last activation has the slope .01, where all others have .1: so the authors' code, and so the published
numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from gantlet.layers.sound_conv import SoundConv1d, SoundConvTranspose1d

SLOPE, LAST_SLOPE = 0.1, 0.01
NARROW = 128  # maps, those of V2
FULL = ((3, 7, 11), ((1, 3, 5), (1, 3, 5), (1, 3, 5)))  # kernels and dilations of V1 and V2 (Table 5)
LIGHT = ((3, 5, 7), ((1, 2), (2, 6), (3, 12)))  # of V3


def conv(inputs: int, outputs: int, kernel: int, dilation: int = 1, Layer: type[nn.Conv1d] = nn.Conv1d) -> nn.Module:
    """Return a convolution that keeps the length, with weight norm."""
    layer = Layer(inputs, outputs, kernel, padding=(kernel - 1) // 2 * dilation, dilation=dilation)
    normalised: nn.Module = weight_norm(layer)
    return normalised


class ResidualBlock(nn.Module):
    """x + conv(act(conv(act x))) for each dilation, the second convolution undilated; `light`: without the second."""

    def __init__(
        self, width: int, kernel: int, dilations: Sequence[int], light: bool, Layer: type[nn.Conv1d] = nn.Conv1d
    ) -> None:
        super().__init__()
        self.first = nn.ModuleList(conv(width, width, kernel, dilation, Layer) for dilation in dilations)
        self.second = nn.ModuleList(
            nn.Identity() if light else conv(width, width, kernel, Layer=Layer) for _ in dilations
        )
        self.light = light

    def forward(self, x: Tensor) -> Tensor:
        for first, second in zip(self.first, self.second, strict=True):
            h = first(F.leaky_relu(x, SLOPE))
            x = x + (h if self.light else second(F.leaky_relu(h, SLOPE)))
        return x


class Generator(nn.Module):
    """Convolution, then for each factor a transposed convolution that halves the maps and the mean of 3 blocks."""

    def __init__(self, mels: int, width: int, upsample: Sequence[int], light: bool = False) -> None:
        super().__init__()
        self.hop = prod(upsample)
        # The gradients of V1's and V3's many maps are slower as pictures of a row (docs/lab-log.md, 2026-11-23).
        narrow = width <= NARROW
        Layer, Transposed = (SoundConv1d, SoundConvTranspose1d) if narrow else (nn.Conv1d, nn.ConvTranspose1d)
        self.before = conv(mels, width, 7, Layer=Layer)
        widths = [width // 2**i for i in range(len(upsample) + 1)]
        if widths[-1] < 1:
            raise ValueError(f"a width of {width} cannot be halved {len(upsample)} times")
        self.ups = nn.ModuleList(
            weight_norm(Transposed(a, b, _kernel(factor), factor, (_kernel(factor) - factor) // 2))
            for (a, b), factor in zip(itertools.pairwise(widths), upsample, strict=True)
        )
        kernels, dilations = LIGHT if light else FULL
        self.blocks = nn.ModuleList(
            nn.ModuleList(ResidualBlock(w, k, d, light, Layer) for k, d in zip(kernels, dilations, strict=True))
            for w in widths[1:]
        )
        self.after = conv(widths[-1], 1, 7, Layer=Layer)

    def forward(self, mel: Tensor) -> Tensor:
        h = self.before(mel)
        for up, blocks in zip(self.ups, self.blocks, strict=True):
            h = up(F.leaky_relu(h, SLOPE))
            assert isinstance(blocks, nn.ModuleList)
            first, *others = (block(h) for block in blocks)
            h = sum(others, start=first) / len(blocks)
        return torch.tanh(self.after(F.leaky_relu(h, LAST_SLOPE)))


def _kernel(factor: int) -> int:
    """Return the kernel of an upsampling: twice the factor, as published, and one more where the factor is odd."""
    return 2 * factor + factor % 2


def upsampling(hop: int, light: bool = False) -> list[int]:
    """Return factors, at most 8 each, whose product is `hop`, large ones first: 8, 8, 2, 2 for 256, 8, 8, 4 if light.

    Raises ValueError if `hop` has a prime factor above 7.
    """
    factors, rest = [], hop
    while rest > 1:
        factor = max((f for f in range(2, 9) if rest % f == 0), default=0)
        if not factor:
            raise ValueError(f"a hop of {hop} samples has the factor {rest}: use one of factors up to 8")
        factors.append(factor)
        rest //= factor
    if not light and factors[-1:] == [4]:
        factors[-1:] = [2, 2]
    return factors


def reach(upsample: Sequence[int], light: bool = False) -> int:
    """Return how many frames to each side, rounded up, a sample of the sound depends on."""
    kernels, dilations = LIGHT if light else FULL
    per_block = [
        sum((k - 1) // 2 * (d + (0 if light else 1)) for d in ds) for k, ds in zip(kernels, dilations, strict=True)
    ]
    samples, rate = 3.0, prod(upsample)  # the last convolution
    for factor in reversed(upsample):
        samples += max(per_block) * prod(upsample) / rate
        rate //= factor
        samples += prod(upsample) / rate  # a transposed convolution reads the frame and a neighbour
    return -(-int(samples + 3 * prod(upsample)) // prod(upsample))


def v1(mels: int = 80) -> Generator:
    """Return V1, 13.92 M parameters."""
    return Generator(mels, 512, (8, 8, 2, 2))


def v2(mels: int = 80) -> Generator:
    """Return V2, 0.92 M parameters."""
    return Generator(mels, 128, (8, 8, 2, 2))


def v3(mels: int = 80) -> Generator:
    """Return V3, 1.46 M parameters."""
    return Generator(mels, 256, (8, 8, 4), light=True)


def xs(mels: int = 80) -> Generator:
    """Return one for two CPU cores: V3's layout, a quarter of its maps; ours."""
    return Generator(mels, 64, (8, 8, 4), light=True)
