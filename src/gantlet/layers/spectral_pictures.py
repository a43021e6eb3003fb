"""Sounds as log-magnitude pictures that image networks can make, and back again by Griffin-Lim."""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.layers.griffin_lim import griffin_lim
from gantlet.layers.precision import wide
from gantlet.layers.stft import framed, magnitude, stft


@dataclass(frozen=True, kw_only=True)
class SpectralPictures:
    """Pictures [N, C fold, n_fft / 2 / fold, frames] of sounds [N, C, T]: frequency goes down the rows.

    A value is log(1 + m / floor), taken to [-1, 1] where 1 is the greatest magnitude there can be, n_fft / 2, and
    `floor` lies `decibels` below it: silence is -1 exactly, and the map has an exact inverse. `fold` neighbouring
    frequencies are channels of one row: as sharp a picture for a fold of the work. The line at half the sample rate is
    left out, as SpecGAN does. Frames are laid as `stft.framed` does; a sound is padded with silence to whole hops.
    """

    n_fft: int
    hop: int
    fold: int = 1
    decibels: float = 80.0

    def frames(self, length: int) -> int:
        """Return the columns of a picture of `length` samples."""
        return -(-length // self.hop)

    def shape(self, channels: int, length: int) -> tuple[int, int, int]:
        """Return the shape of the picture of a sound. Raises ValueError if `fold` does not divide its rows."""
        if self.n_fft % (2 * self.fold):
            raise ValueError(f"{self.n_fft // 2} frequencies cannot be folded by {self.fold}")
        return channels * self.fold, self.n_fft // 2 // self.fold, self.frames(length)

    def magnitudes(self, waves: Tensor) -> Tensor:
        """Return |STFT| [N, C, n_fft / 2, frames] of waves [N, C, T]."""
        waves = F.pad(waves, (0, -waves.shape[-1] % self.hop))
        return magnitude(stft(waves, self.n_fft, self.hop, framed(self.n_fft, self.hop)))[:, :, :-1]

    def waves(self, magnitudes: Tensor, length: int, phase: Tensor, iterations: int, momentum: float) -> Tensor:
        """Return waves [N, C, length] of magnitudes [N, C, n_fft / 2, frames], first angles `phase` in radians."""
        whole = F.pad(magnitudes, (0, 0, 0, 1))
        angles = F.pad(phase, (0, 0, 0, 1))
        padding, samples = framed(self.n_fft, self.hop), magnitudes.shape[-1] * self.hop
        waves = griffin_lim(whole, self.n_fft, self.hop, samples, iterations, momentum, angles, padding)
        return waves[..., :length]

    def draw(self, waves: Tensor) -> Tensor:
        """Return pictures of waves [N, C, T], in [-1, 1]."""
        with torch.autocast(waves.device.type, enabled=False):
            floor = self._floor()
            values = (self.magnitudes(waves) / floor).log1p() * (2 / log1p(self.n_fft / 2 / floor)) - 1
        n, channels, lines, frames = values.shape
        folded = values.view(n, channels, lines // self.fold, self.fold, frames)
        return folded.transpose(2, 3).reshape(n, channels * self.fold, -1, frames)

    def size(self, pictures: Tensor) -> Tensor:
        """Return the magnitudes [N, C, n_fft / 2, frames] that pictures show."""
        with torch.autocast(pictures.device.type, enabled=False):
            floor = self._floor()
            n, maps, rows, frames = pictures.shape
            folded = wide(pictures).reshape(n, maps // self.fold, self.fold, rows, frames)
            lines = folded.transpose(2, 3).reshape(n, maps // self.fold, -1, frames)
            return ((lines.clamp(-1, 1) + 1) * (log1p(self.n_fft / 2 / floor) / 2)).expm1() * floor

    def _floor(self) -> float:
        return float(self.n_fft / 2 * 10 ** (-self.decibels / 20))


class BinStatistics(torch.nn.Module):
    """Mean and deviation per frequency of what was seen, in buffers: x -> (x - mean) / (sigmas deviation), clipped.

    Donahue et al., 2018, section 3.3, take them from the whole data beforehand; here they are gathered while training,
    until `wanted` samples were seen. What one step sees is used from the next step on, so parts of a batch are
    treated alike; before anything was seen mean and deviation are those given. Over several processes each gathers
    from its own rows.
    """

    mean: Tensor
    deviation: Tensor
    sums: Tensor
    squares: Tensor
    seen: Tensor
    step: Tensor

    def __init__(self, bins: int, wanted: int, sigmas: float = 3.0, mean: float = -5.0, deviation: float = 3.0) -> None:
        super().__init__()
        self.wanted, self.sigmas = wanted, sigmas
        self.register_buffer("mean", torch.full((bins,), mean))
        self.register_buffer("deviation", torch.full((bins,), deviation))
        self.register_buffer("sums", torch.zeros(bins, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(bins, dtype=torch.float64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("step", torch.full((), -1, dtype=torch.int64))

    @torch.no_grad()
    def look(self, x: Tensor, step: int) -> None:
        """Take note of x [N, C, bins, frames] at a step; never waits for a device."""
        known = ((self.step != step) & (self.seen > 1)).expand_as(self.mean)
        values = self.seen.clamp_min(1) * x.shape[1] * x.shape[3]
        mean = self.sums / values
        deviation = (self.squares / values - mean.square()).clamp_min(1e-10).sqrt()
        self.mean.copy_(torch.where(known, mean, self.mean))
        self.deviation.copy_(torch.where(known, deviation, self.deviation))
        self.step.fill_(step)
        more = self.seen < self.wanted
        self.sums += x.double().sum((0, 1, 3)) * more
        self.squares += x.double().square().sum((0, 1, 3)) * more
        self.seen += len(x) * more

    def forward(self, x: Tensor) -> Tensor:
        """Return x [N, C, bins, frames] normalised and clipped to [-1, 1]."""
        normalised: Tensor = ((x - self.mean[:, None]) / (self.sigmas * self.deviation[:, None])).clamp(-1, 1)
        return normalised

    def inverse(self, x: Tensor) -> Tensor:
        """Return what was normalised to x, but for the clipping."""
        return x * (self.sigmas * self.deviation[:, None]) + self.mean[:, None]
