"""Discriminators of waves: by period and by scale (Kong 2020, arXiv:2010.05646), by resolution (Siuzdak 2023).

Each takes sounds [N, 1, T] and returns one `Judgement` per sub-discriminator: logits [N, ...] and the feature maps
that feature matching compares, the logits among them, as in the authors' code.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import gcd
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from gantlet.layers.spectral_norm import spectral_norm
from gantlet.layers.stft import framed, stft

SLOPE = 0.1
PERIODS = (2, 3, 5, 7, 11)
WINDOWS = (2048, 1024, 512)
BANDS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


class Judgement(NamedTuple):
    """What one sub-discriminator says of sounds."""

    logits: Tensor
    maps: list[Tensor]


class PeriodDiscriminator(nn.Module):
    """The wave laid out in rows of one period; columns are judged by themselves, with kernels 5 x 1, stride 3 x 1.

    Width 32 is the published one (32, 128, 512, 1024, 1024 maps). All maps are matched, as in HiFi-GAN's code; that of
    Vocos leaves the first out.
    """

    def __init__(self, period: int, width: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, width, width * 4, width * 16, width * 32]
        convs = [nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0)) for a, b in itertools.pairwise(widths)]
        convs.append(nn.Conv2d(widths[-1], widths[-1], (5, 1), 1, (2, 0)))
        self.convs = nn.ModuleList(weight_norm(conv) for conv in convs)
        self.logit = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), 1, (1, 0)))

    def forward(self, x: Tensor) -> Judgement:
        missing = -x.shape[-1] % self.period
        h = (F.pad(x, (0, missing), mode="reflect") if missing else x).reshape(len(x), 1, -1, self.period)
        # The picture turned over, so that the kernels lie along the memory: up to 2.7 times as fast.
        return _judge(h.mT.contiguous(), [partial(_turned, conv) for conv in self.convs], partial(_turned, self.logit))


class ScaleDiscriminator(nn.Module):
    """Grouped, strided convolutions along a wave (MelGAN's). Width 128 is the published one (128 to 1024 maps)."""

    def __init__(self, width: int, spectral: bool) -> None:
        super().__init__()
        w, norm = width, spectral_norm if spectral else weight_norm
        layout = [(1, w, 15, 1, 1), (w, w, 41, 2, 4), (w, 2 * w, 41, 2, 16), (2 * w, 4 * w, 41, 4, 16)]
        layout += [(4 * w, 8 * w, 41, 4, 16), (8 * w, 8 * w, 41, 1, 16), (8 * w, 8 * w, 5, 1, 1)]
        self.convs = nn.ModuleList(
            norm(nn.Conv1d(a, b, kernel, stride, kernel // 2, groups=gcd(groups, a, b)))
            for a, b, kernel, stride, groups in layout
        )
        self.logit = norm(nn.Conv1d(8 * w, 1, 3, 1, 1))

    def forward(self, x: Tensor) -> Judgement:
        return _judge(x, self.convs, self.logit)


class ResolutionDiscriminator(nn.Module):
    """The complex STFT of one window in five bands, each with layers of its own. Width 32 is the published one.

    The sound is freed of its mean and brought to a peak of .8 first (authors' code).
    """

    def __init__(self, n_fft: int, width: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        edges = [int(share * (n_fft // 2 + 1)) for share in BANDS]
        self.bands = list(itertools.pairwise(edges))
        self.stacks = nn.ModuleList(nn.ModuleList(_band(width)) for _ in self.bands)
        self.logit = weight_norm(nn.Conv2d(width, 1, 3, 1, 1))

    def forward(self, x: Tensor) -> Judgement:
        with torch.autocast(x.device.type, enabled=False):
            x = x.float() - x.float().mean(2, keepdim=True)
            x = 0.8 * x / (x.abs().amax(2, keepdim=True) + 1e-9)
            hop = self.n_fft // 4
            spectrum = stft(x, self.n_fft, hop, framed(self.n_fft, hop))[:, 0]
            picture = torch.stack([spectrum.real, spectrum.imag], dim=1).transpose(2, 3)  # [N, 2, frames, lines]
        ends, maps = [], []
        for (low, high), stack in zip(self.bands, self.stacks, strict=True):
            assert isinstance(stack, nn.ModuleList)
            # Weight norm gives weights in plain order, so the input has to bring channels-last: several times as fast.
            h = picture[..., low:high].contiguous(memory_format=torch.channels_last)
            for number, layer in enumerate(stack):
                h = F.leaky_relu(layer(h), SLOPE)
                maps += [h] if number else []  # the authors leave the first out
            ends.append(h)
        logits = self.logit(torch.cat(ends, dim=3))
        return Judgement(logits, [*maps, logits])


def _band(width: int) -> list[nn.Module]:
    """Return the layers of one band: they halve the lines three times and keep all frames."""
    layers = [nn.Conv2d(2, width, (3, 9), 1, (1, 4))]
    layers += [nn.Conv2d(width, width, (3, 9), (1, 2), (1, 4)) for _ in range(3)]
    layers.append(nn.Conv2d(width, width, 3, 1, 1))
    return [weight_norm(layer) for layer in layers]


def _turned(conv: nn.Module, x: Tensor) -> Tensor:
    """Return what a convolution makes of the picture turned over, turned over."""
    assert isinstance(conv, nn.Conv2d)
    stride, padding = conv.stride[::-1], conv.padding[::-1]
    assert not isinstance(padding, str)
    if x.shape[-1] + 2 * padding[1] < conv.kernel_size[0] + stride[1]:  # one column: engine/small_maps.py sees layers
        return conv(x.mT).mT  # type: ignore[no-any-return]
    return F.conv2d(x, conv.weight.mT, conv.bias, stride, padding)


def _judge(x: Tensor, convs: Iterable[Callable[[Tensor], Tensor]], logit: Callable[[Tensor], Tensor]) -> Judgement:
    maps = []
    for conv in convs:
        x = F.leaky_relu(conv(x), SLOPE)
        maps.append(x)
    logits = logit(x)
    return Judgement(logits, [*maps, logits])


class MultiPeriodDiscriminator(nn.Module):
    """A period discriminator for each of several primes (section 2.3)."""

    def __init__(self, width: int = 32, periods: Sequence[int] = PERIODS) -> None:
        super().__init__()
        self.judges = nn.ModuleList(PeriodDiscriminator(period, width) for period in periods)

    def forward(self, x: Tensor) -> list[Judgement]:
        return [judge(x) for judge in self.judges]


class MultiScaleDiscriminator(nn.Module):
    """The wave, its means over 2 and over 4 samples, a scale discriminator each, the first with spectral norm."""

    def __init__(self, width: int = 128, scales: int = 3) -> None:
        super().__init__()
        self.judges = nn.ModuleList(ScaleDiscriminator(width, spectral=number == 0) for number in range(scales))

    def forward(self, x: Tensor) -> list[Judgement]:
        found = []
        for number, judge in enumerate(self.judges):
            x = F.avg_pool1d(x, 4, 2, 2) if number else x
            found.append(judge(x))
        return found


class MultiResolutionDiscriminator(nn.Module):
    """A discriminator of the STFT for each of several windows (Siuzdak 2023, section 3.3; UnivNet)."""

    def __init__(self, width: int = 32, windows: Sequence[int] = WINDOWS) -> None:
        super().__init__()
        self.judges = nn.ModuleList(ResolutionDiscriminator(window, width) for window in windows)

    def forward(self, x: Tensor) -> list[Judgement]:
        return [judge(x) for judge in self.judges]
