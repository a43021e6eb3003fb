"""SN-PatchGAN: strided convolutions with spectral norm, a logit per element of the last maps (Yu 2019, section 3.3)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.spectral_norm import spectral_norm


class Discriminator(nn.Module):
    """Convolutions to `widths` maps with these strides, LeakyReLU(.2) between them.

    Pictures [N, C, H, W] of any size -> logits [N, widths[-1], h, w]. `features(x)` are the activations between.
    """

    def __init__(self, channels: int, widths: Sequence[int], strides: Sequence[int], kernel: int = 5) -> None:
        super().__init__()
        *convs, self.logit = (
            spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2))
            for (inputs, outputs), stride in zip(itertools.pairwise([channels, *widths]), strides, strict=True)
        )
        self.convs = nn.ModuleList(convs)

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the maps after each layer but the last."""
        found = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
            found.append(x)
        return found

    def judge(self, features: list[Tensor]) -> Tensor:
        """Return the logits of pictures with these features."""
        logits: Tensor = self.logit(features[-1])
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.features(x))


def published(channels: int, width: int = 64) -> Discriminator:
    """Return the six 5x5 layers of DeepFill v2: width, 2, 4, 4, 4, 4 times `width` maps."""
    return Discriminator(channels, [width, 2 * width, *(4 * width,) * 4], strides=[2] * 6)


def patches(channels: int, width: int, stages: int = 3) -> Discriminator:
    """Return a D of small patches: `stages` halvings from `width` maps on, a 3x3 layer with one logit per place."""
    widths = [min(width * 2**i, 8 * width) for i in range(stages + 1)]
    return Discriminator(channels, [*widths, 1], strides=[1, *[2] * stages, 1], kernel=3)
