"""U-Net of gated convolutions that fills holes (Yu 2019, arXiv:1806.03589, section 3.1 and its U-Net remark).

Shapes: pictures [N, C, H, W] in [-1, 1] of any size, masks [N, 1, H, W] with 1 in the hole -> pictures.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.fourier_conv import FourierBlock
from gantlet.layers.gated_conv import GatedConv2d
from gantlet.layers.shift_fill import self_fill

DILATIONS = (2, 4, 8, 16)  # of the four layers at the smallest size (Yu 2019, Fig. 3)


class GatedUNet(nn.Module):
    """5x5, two halvings, a neck at a quarter of the size, two doublings with skips, 3x3, tanh.

    `width` maps at full size, twice and four times as many below. The neck is dilated gated convolutions, or `fourier`
    residual blocks of fast Fourier convolutions, which see the whole picture at once. Pictures come with a first
    filling of their holes, zeros if there is none. With `adds` the network adds to that, at first hardly anything (no
    tanh), and nothing elsewhere: it need not learn to copy.
    """

    def __init__(self, channels: int, width: int = 48, fourier: int = 0, adds: bool = False) -> None:
        super().__init__()
        self.adds = adds
        self.enter = GatedConv2d(channels + 1, width, 5)
        self.down = GatedConv2d(width, 2 * width, 3, stride=2)
        self.upper = GatedConv2d(2 * width, 2 * width)
        self.lower = GatedConv2d(2 * width, 4 * width, 3, stride=2)
        neck: list[nn.Module] = [GatedConv2d(4 * width, 4 * width)]
        if fourier:
            neck += [FourierBlock(4 * width) for _ in range(fourier)]
        else:
            neck += [GatedConv2d(4 * width, 4 * width, dilation=d) for d in DILATIONS]
        self.neck = nn.Sequential(*neck, GatedConv2d(4 * width, 4 * width))
        self.rise = GatedConv2d(6 * width, 2 * width)
        self.top = GatedConv2d(3 * width, width)
        self.out = nn.Conv2d(width, channels, 3, padding=1, padding_mode="replicate")
        if adds:
            with torch.no_grad():
                self.out.weight.mul_(0.1)  # begins as hardly a change

    def forward(self, begun: Tensor, mask: Tensor) -> Tensor:
        height, width = begun.shape[2:]
        known = torch.cat([begun, mask], 1)
        if height % 4 or width % 4:
            known = F.pad(known, (0, -width % 4, 0, -height % 4), mode="replicate")
        whole = self.enter(known)
        half = self.upper(self.down(whole))
        h = self.neck(self.lower(half))
        h = self.rise(torch.cat([F.interpolate(h, scale_factor=2.0, mode="nearest"), half], 1))
        h = self.top(torch.cat([F.interpolate(h, scale_factor=2.0, mode="nearest"), whole], 1))
        drawn: Tensor = self.out(h)[:, :, :height, :width]
        return begun + mask * drawn if self.adds else torch.tanh(drawn)


class Refined(nn.Module):
    """One network, or two in a row: a filling, then a finer one of the picture that the first one completed.

    `stages(pictures, mask)` returns the fillings of all, `forward` the last. What is in a hole is never looked at: the
    first network gets zeros there, or with `filled` what the picture's own repeats make of it (layers/shift_fill.py),
    and where they tell nothing the `guess`.
    """

    def __init__(self, *networks: nn.Module, filled: bool = False) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.filled = filled

    def stages(self, pictures: Tensor, mask: Tensor, guess: Tensor | None = None) -> list[Tensor]:
        """Return the filling of each network, from coarse to fine."""
        begun = self_fill(pictures, mask, guess) if self.filled else pictures.masked_fill(mask > 0.5, 0.0)
        found: list[Tensor] = []
        for network in self.networks:
            found.append(network(begun, mask))
            begun = torch.where(mask > 0.5, found[-1].float(), pictures)
        return found

    def forward(self, pictures: Tensor, mask: Tensor, guess: Tensor | None = None) -> Tensor:
        return self.stages(pictures, mask, guess)[-1]
