"""Enlarging residual networks: SRResNet (Ledig 2017), its heir without norms, and the discriminator of SRGAN.

Shapes: small pictures [N, C, H, W] in [-1, 1] -> [N, C, scale H, scale W], not clipped.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import log2

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.degradations import upscale
from gantlet.layers.grid import height_width
from gantlet.layers.picture_conv import PictureConv2d


def doublings(scale: int) -> int:
    """Return how often a picture is doubled to be `scale` times as large. Raises ValueError unless it is 1, 2, 4, 8."""
    if scale not in (1, 2, 4, 8):
        raise ValueError(f"scale must be 1, 2, 4 or 8, not {scale}")
    return int(log2(scale))


class NormBlock(nn.Module):
    """x + BN(conv(PReLU(BN(conv(x))))) (Ledig 2017, Fig. 4). The PReLU has one slope for all maps."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.PReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        block: Tensor = x + self.body(x)
        return block


class SRResNet(nn.Module):
    """9x9 and PReLU, residual blocks with BN, 3x3 and BN, long skip, shuffled doublings, 9x9 (Ledig 2017, Fig. 4)."""

    def __init__(self, channels: int, scale: int, width: int = 64, blocks: int = 16) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(channels, width, 9, padding=4), nn.PReLU())
        self.body = nn.Sequential(
            *(NormBlock(width) for _ in range(blocks)), nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        )
        ups: list[nn.Module] = []
        for _ in range(doublings(scale)):
            ups += [nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()]
        self.up = nn.Sequential(*ups)
        self.out = PictureConv2d(width, channels, 9, padding=4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x)
        enlarged: Tensor = self.out(self.up(h + self.body(h)))
        return enlarged


class PlainBlock(nn.Module):
    """x + conv(ReLU(conv(x))), without norm (Lim 2017, EDSR)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        block: Tensor = x + self.second(torch.relu(self.first(x)))
        return block


class PlainSRResNet(nn.Module):
    """Residual blocks without norm beside a bicubic skip: the modified SRResNet (MSRResNet) of ESRGAN's line.

    It begins as bicubic enlargement: the last layer starts at zero, the second layers of the blocks at a tenth.
    `direct`: one shuffle straight to pixels (Shi 2016, ESPCN) in place of the layers at larger sizes, which take most
    of the time on a CPU. The published skip is bilinear; bicubic is the better start and costs the same.
    """

    def __init__(self, channels: int, scale: int, width: int = 64, blocks: int = 16, direct: bool = False) -> None:
        super().__init__()
        self.scale, steps = scale, doublings(scale)
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        body = [PlainBlock(width) for _ in range(blocks)]
        self.body = nn.Sequential(*body)
        if direct:
            last = nn.Conv2d(width, channels * scale**2, 3, padding=1)
            self.up = nn.Sequential(last, nn.PixelShuffle(scale))
        else:
            last = PictureConv2d(width, channels, 3, padding=1)
            layers: list[nn.Module] = []
            for _ in range(steps):
                layers += [nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(0.1)]
            self.up = nn.Sequential(*layers, nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.1), last)
        with torch.no_grad():
            for block in body:
                block.second.weight.mul_(0.1)
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.enter(x), 0.1)
        with torch.autocast(x.device.type, enabled=False):
            base = upscale(x.float(), self.scale)
        enlarged: Tensor = base + self.up(self.body(h))
        return enlarged


class Discriminator(nn.Module):
    """Eight 3x3 convolutions, every second of stride 2, BN but on the first, LeakyReLU(.2); 1024; a logit [N].

    Ledig 2017, Fig. 4: maps 64, 64, 128, 128, 256, 256, 512, 512 at `width` 64. `features(x)` are the activations
    after each stride.
    """

    def __init__(self, channels: int, resolution: int | Sequence[int], width: int = 64, hidden: int = 1024) -> None:
        super().__init__()
        height, across = height_width(resolution)
        widths = [width, width, 2 * width, 2 * width, 4 * width, 4 * width, 8 * width, 8 * width]
        first = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(0.2))
        self.stages = nn.ModuleList([first])
        for number, (inputs, outputs) in enumerate(itertools.pairwise(widths), 1):
            stride = 1 + number % 2
            convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.stages.append(nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)))
            if stride == 2:
                height, across = -(-height // 2), -(-across // 2)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(8 * width * height * across, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1)
        )

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the maps after each stride, from large to small."""
        found = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number % 2:
                found.append(x)
        return found

    def judge(self, features: list[Tensor]) -> Tensor:
        """Return the logits [N] of pictures with these features."""
        logits: Tensor = self.head(features[-1])[:, 0]
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.features(x))
