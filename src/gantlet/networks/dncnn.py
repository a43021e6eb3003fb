"""DnCNN, the residual denoiser (Zhang et al., 2017, Beyond a Gaussian Denoiser, arXiv:1608.03981, section III).

Shapes: noisy pictures [N, C, H, W] -> the noise in them, of the same shape and any size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.picture_conv import PictureConv2d


class DnCNN(nn.Module):
    """3x3 and ReLU, (3x3, BN, ReLU) between, 3x3: the noise, to be subtracted. Receptive field 2 depth + 1.

    `norm` False leaves batch norm out: better for batches of few patches, with noise of many strengths. `shrink` 2 lays
    each block of 2 x 2 pixels into the channels of one (FFDNet: Zhang, Zuo & Zhang, 2018, arXiv:1710.04026, section
    III.B): twice the receptive field, and a quarter of the work for the same number of maps.
    """

    def __init__(self, channels: int, depth: int = 17, width: int = 64, norm: bool = True, shrink: int = 1) -> None:
        super().__init__()
        self.shrink, channels = shrink, channels * shrink**2
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth - 2):
            layers.append(nn.Conv2d(width, width, 3, padding=1, bias=not norm))
            layers += [nn.BatchNorm2d(width), nn.ReLU()] if norm else [nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.out = PictureConv2d(width, channels, 3, padding=1)
        for module in self.body.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)  # He 2015, as the paper says
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.out.weight.mul_(0.1)  # begins as hardly a change

    def forward(self, noisy: Tensor) -> Tensor:
        if self.shrink == 1:
            noise: Tensor = self.out(self.body(noisy))
            return noise
        height, width = noisy.shape[-2:]
        whole = F.pad(noisy, (0, -width % self.shrink, 0, -height % self.shrink), mode="replicate")
        blocks = self.out(self.body(F.pixel_unshuffle(whole, self.shrink)))
        return F.pixel_shuffle(blocks, self.shrink)[..., :height, :width]
