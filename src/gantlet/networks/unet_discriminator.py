"""The U-Net discriminator of Real-ESRGAN, a logit per pixel (Wang et al., 2021, arXiv:2107.10833, section 3.3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.spectral_norm import spectral_norm


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, 1, bias=False))


class UNetDiscriminator(nn.Module):
    """Three halvings, three bilinear doublings, sums as skips, spectral norm but on the first and the last layer.

    Logits [N, 1, H, W] for pictures [N, C, H, W] of any size; `features(x)` are the maps on the way down and up.
    """

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        self.downs = nn.ModuleList(_conv(width * 2**i, width * 2 ** (i + 1), 4, 2) for i in range(3))
        self.ups = nn.ModuleList(_conv(width * 2 ** (i + 1), width * 2**i, 3) for i in reversed(range(3)))
        self.ends = nn.ModuleList(_conv(width, width, 3) for _ in range(2))
        self.logit = nn.Conv2d(width, 1, 3, padding=1)

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the maps after the first layer, each halving and each doubling; the last ones make the logits."""
        found = [F.leaky_relu(self.enter(x), 0.2)]
        for down in self.downs:
            found.append(F.leaky_relu(down(found[-1]), 0.2))
        h = found[-1]
        for up, skip in zip(self.ups, found[2::-1], strict=True):
            h = F.interpolate(h, skip.shape[2:], mode="bilinear", align_corners=False)
            h = F.leaky_relu(up(h), 0.2) + skip
            found.append(h)
        return found

    def judge(self, features: list[Tensor]) -> Tensor:
        """Return the logits of pictures with these features."""
        h = features[-1]
        for end in self.ends:
            h = F.leaky_relu(end(h), 0.2)
        logits: Tensor = self.logit(h)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.features(x))
