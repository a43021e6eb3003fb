"""A network that looks at a noisy spectrum and says by which complex number each of its values is to be multiplied.

Convolutions over frequency halve the bins step by step; dilated ones over time see 62 frames to both sides; transposed
ones, each beside the maps of its own size, lead back. No memory runs along the sound and no statistic is taken of the
whole of it: a frame depends on `reach` frames to each side and no others, so that pieces of a recording give exactly
what the whole gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.pixel_norm import pixel_norm

DILATIONS = (1, 2, 4, 8, 16)  # frames; repeated as long as there are blocks
LEVEL_REACH = 62  # frames to each side that say how loud it is around
FLOOR = 1e-2  # of the level: of compressed magnitudes, .01 is far below the last bit of 16
LARGEST = 2.0  # of a mask's magnitude


class MaskNetwork(nn.Module):
    """Complex spectra [N, bins, frames], power-compressed, to complex masks of that shape, at most 2 in magnitude.

    The spectrum is divided by its own mean magnitude around each frame, so masks do not depend on loudness.
    """

    def __init__(self, bins: int, widths: Sequence[int] = (16, 32, 48), hidden: int = 128, blocks: int = 10) -> None:
        super().__init__()
        sizes = [bins]
        for _ in widths:
            sizes.append((sizes[-1] + 1) // 2)
        channels = [3, *widths]
        pairs = list(pairwise(channels))
        self.down = nn.ModuleList(Down(a, b, 3 if i == 0 else 1) for i, (a, b) in enumerate(pairs))
        self.enter = nn.Conv2d(widths[-1] * sizes[-1], hidden, 1)
        self.time = nn.ModuleList(TimeBlock(hidden, DILATIONS[i % len(DILATIONS)]) for i in range(blocks))
        self.leave = nn.Conv2d(hidden, widths[-1] * sizes[-1], 1)
        outputs = [2, *widths[:-1]]
        self.up = nn.ModuleList(Up(2 * b, a, last=i == 0) for i, (a, b) in enumerate(zip(outputs, widths, strict=True)))

    @property
    def reach(self) -> int:
        """Frames to each side that a frame of the mask depends on."""
        dilated = sum(DILATIONS[i % len(DILATIONS)] for i in range(len(self.time)))
        return LEVEL_REACH + 1 + dilated

    def forward(self, spectrum: Tensor) -> Tensor:
        size = spectrum.abs()
        level = F.avg_pool1d(size.mean(1, keepdim=True), 2 * LEVEL_REACH + 1, 1, LEVEL_REACH, count_include_pad=False)
        x = torch.stack([size, spectrum.real, spectrum.imag], 1) / (level[:, None] + FLOOR)
        skips = []
        for layer in self.down:
            x = layer(x)
            skips.append(x)
        h = self.enter(x.flatten(1, 2)[:, :, None])
        for block in self.time:
            h = block(h)
        x = x + self.leave(h)[:, :, 0].unflatten(1, x.shape[1:3])
        targets = [spectrum.shape[1], *(skip.shape[2] for skip in skips[:-1])]
        for layer, skip, bins in reversed(list(zip(self.up, skips, targets, strict=True))):
            x = layer(torch.cat([x, skip], 1), bins)
        return bounded(*x.float().unbind(1))


def bounded(real: Tensor, imaginary: Tensor) -> Tensor:
    """Return complex numbers in the same direction whose magnitude r has become 2 tanh(r / 2): near 1, nearly r."""
    r = (real.square() + imaginary.square() + 1e-8).sqrt()
    factor = LARGEST * (r / LARGEST).tanh() / r
    return torch.complex(real * factor, imaginary * factor)


class Down(nn.Module):
    """Half as many bins: a convolution over 5 bins and `frames` frames."""

    def __init__(self, inputs: int, outputs: int, frames: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, (5, frames), (2, 1), (2, frames // 2))
        self.activation = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.activation(self.conv(x))
        return made


class Up(nn.Module):
    """Twice as many bins, each frame for itself. The last one begins with masks near 1: what comes in goes out."""

    def __init__(self, inputs: int, outputs: int, last: bool) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, (5, 1), (2, 1), (2, 0))
        self.activation = nn.Identity() if last else nn.PReLU(outputs)
        if last:
            nn.init.normal_(self.conv.weight, 0.0, 0.01)
            assert self.conv.bias is not None
            with torch.no_grad():
                self.conv.bias.copy_(torch.tensor([1.1, 0.0]))  # 2 tanh(.55) = 1.001

    def forward(self, x: Tensor, bins: int) -> Tensor:
        made: Tensor = self.activation(self.conv(x, output_size=[bins, x.shape[3]]))
        return made


class TimeBlock(nn.Module):
    """Residual: each frame divided by its root mean square, 3 frames so far apart, then each frame alone."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.across = nn.Conv2d(width, width, (1, 3), padding=(0, dilation), dilation=(1, dilation))
        self.activation = nn.PReLU(width)
        self.within = nn.Conv2d(width, width, 1)
        nn.init.normal_(self.within.weight, 0.0, 0.02)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = x + self.within(self.activation(self.across(pixel_norm(x))))
        return made
