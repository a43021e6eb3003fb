"""The network that learns to predict a measure of quality (Fu et al., 2019, 2021), with CMGAN's layers (Cao 2022)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from gantlet.layers.instance_norm import InstanceNorm
from gantlet.layers.spectral_norm import spectral_norm

LEAST = 16  # bins and frames that four strided layers leave one of


class MetricDiscriminator(nn.Module):
    """(reference, estimate), magnitudes [N, F, T] each, to the quality of the estimate [N], 0 to about 1.

    Four convolutions of 4x4, stride 2, with spectral norm, instance norm and PReLU; the maximum over what is left; two
    linear layers; a sigmoid. Left out of CMGAN's are dropout, and the PReLU before the maximum: that of a map whose
    mean is 0 is hardly ever negative. Raises ValueError for fewer than 16 bins or frames.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths = [2, width, 2 * width, 4 * width, 8 * width]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)), InstanceNorm(outputs)]
            layers += [nn.PReLU(outputs)]
        self.features = nn.Sequential(*layers[:-1])
        self.hidden = nn.Sequential(spectral_norm(nn.Linear(8 * width, 4 * width)), nn.PReLU(4 * width))
        self.head = spectral_norm(nn.Linear(4 * width, 1))
        self.sigmoid = LearnableSigmoid()

    def forward(self, reference: Tensor, estimate: Tensor) -> Tensor:
        if min(reference.shape[-2:]) < LEAST:
            raise ValueError(f"needs {LEAST} bins and frames, not {list(reference.shape[-2:])}")
        features = self.features(torch.stack([reference, estimate], 1)).amax((2, 3))
        quality: Tensor = self.sigmoid(self.head(self.hidden(features)).float())[:, 0]
        return quality


class LearnableSigmoid(nn.Module):
    """1.2 sigmoid(a x) with a learnt slope: what MetricGAN+ (Fu 2021) puts on its mask, at the place CMGAN has it.

    With 1.2 a quality of 1 does not lie at its end, where it could not be reached.
    """

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return 1.2 * torch.sigmoid(self.slope * x)
