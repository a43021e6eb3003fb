"""U-Net of gated convolutions that fills holes (Yu 2019, arXiv:1806.03589, section 3.1 and its U-Net remark).

Shapes: pictures [N, C, H, W] in [-1, 1] of any size, masks [N, 1, H, W] with 1 in the hole -> pictures.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.fourier_conv import FourierBlock
from gantlet.layers.gated_conv import GatedConv2d
from gantlet.layers.smooth_fill import smooth_fill

DILATIONS = (2, 4, 8, 16)  # of the four layers at the smallest size (Yu 2019, Fig. 3)


class GatedUNet(nn.Module):
    """5x5, two halvings, a neck at a quarter of the size, two doublings with skips, 3x3, tanh.

    `width` maps at full size, twice and four times as many below. The neck is dilated gated convolutions, or `fourier`
    residual blocks of fast Fourier convolutions, which see the whole picture at once. The hole's content is never
    looked at: zeros stand there, and the mask is an input. With `smooth` the network adds to a smooth filling of the
    hole instead, at first hardly anything (no tanh), and nothing elsewhere: it need not learn to copy.
    """

    def __init__(self, channels: int, width: int = 48, fourier: int = 0, smooth: bool = False) -> None:
        super().__init__()
        self.smooth = smooth
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
        if smooth:
            with torch.no_grad():
                self.out.weight.mul_(0.1)  # begins as hardly a change

    def forward(self, pictures: Tensor, mask: Tensor, coarse: Tensor | None = None) -> Tensor:
        """Return the filled pictures; `coarse` is an earlier filling of them, to be refined."""
        height, width = pictures.shape[2:]
        if coarse is not None:
            base = torch.where(mask > 0.5, coarse, pictures)
        else:
            base = smooth_fill(pictures, mask) if self.smooth else pictures.masked_fill(mask > 0.5, 0.0)
        known = torch.cat([base, mask], 1)
        if height % 4 or width % 4:
            known = F.pad(known, (0, -width % 4, 0, -height % 4), mode="replicate")
        whole = self.enter(known)
        half = self.upper(self.down(whole))
        h = self.neck(self.lower(half))
        h = self.rise(torch.cat([F.interpolate(h, scale_factor=2.0, mode="nearest"), half], 1))
        h = self.top(torch.cat([F.interpolate(h, scale_factor=2.0, mode="nearest"), whole], 1))
        drawn: Tensor = self.out(h)[:, :, :height, :width]
        return base + mask * drawn if self.smooth else torch.tanh(drawn)


class Refined(nn.Module):
    """One network, or two in a row: a filling, then a finer one of the picture that the first one completed.

    `stages(pictures, mask)` returns the fillings of all, `forward` the last.
    """

    def __init__(self, *networks: nn.Module) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def stages(self, pictures: Tensor, mask: Tensor) -> list[Tensor]:
        """Return the filling of each network, from coarse to fine."""
        found: list[Tensor] = []
        for network in self.networks:
            found.append(network(pictures, mask, found[-1].float() if found else None))
        return found

    def forward(self, pictures: Tensor, mask: Tensor) -> Tensor:
        return self.stages(pictures, mask)[-1]
