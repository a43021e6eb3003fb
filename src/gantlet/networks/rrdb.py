"""RRDBNet, the generator of ESRGAN (Wang et al., 2018, arXiv:1809.00219, section 3.1).

Shapes: small pictures [N, C, H, W] in [-1, 1] -> [N, C, scale H, scale W], not clipped.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.picture_conv import PictureConv2d
from gantlet.layers.scaling_conv import DoubleThenConv2d
from gantlet.networks.srresnet import doublings

RESIDUAL_SCALE = 0.2  # what a block adds to its input is multiplied by (section 3.1)


class DenseBlock(nn.Module):
    """x + .2 conv of all: five 3x3 convolutions, each over the maps of all before it, LeakyReLU(.2) but on the last."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        outputs = [growth] * 4 + [width]
        self.convs = nn.ModuleList(nn.Conv2d(width + i * growth, n, 3, padding=1) for i, n in enumerate(outputs))

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for conv in self.convs[:-1]:
            maps.append(F.leaky_relu(conv(torch.cat(maps, 1)), 0.2))
        block: Tensor = x + RESIDUAL_SCALE * self.convs[-1](torch.cat(maps, 1))
        return block


class RRDB(nn.Module):
    """x + .2 of three dense blocks in a row: residual in residual (Fig. 4)."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(DenseBlock(width, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        block: Tensor = x + RESIDUAL_SCALE * (self.body(x) - x)
        return block


class RRDBNet(nn.Module):
    """3x3, RRDBs and 3x3 beside a long skip, nearest doublings with 3x3, two more 3x3; no norm anywhere."""

    def __init__(self, channels: int, scale: int, width: int = 64, blocks: int = 23, growth: int = 32) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        self.body = nn.Sequential(*(RRDB(width, growth) for _ in range(blocks)), nn.Conv2d(width, width, 3, padding=1))
        self.ups = nn.ModuleList(DoubleThenConv2d(width, width) for _ in range(doublings(scale)))
        self.last = nn.Conv2d(width, width, 3, padding=1)
        self.out = PictureConv2d(width, channels, 3, padding=1)
        for module in self.body.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)
                with torch.no_grad():
                    module.weight.mul_(0.1)  # "smaller initialization", section 3.1

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x)
        h = h + self.body(h)
        for up in self.ups:
            h = F.leaky_relu(up(h), 0.2)
        enlarged: Tensor = self.out(F.leaky_relu(self.last(h), 0.2))
        return enlarged
