"""A small classifier of clips: the judge's eye for motion. Convolutions in space and in time by turns.

After R(2+1)D (Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", 2018, arXiv
1711.11248): a 2-D convolution of every frame, then a 1-D one along the time of every place.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.clips import as_clips, frames_of


class SpaceTime(nn.Module):
    """A 3x3 convolution of frames that halves their sides, then one of 3 frames: [N, C, T, H, W] in and out.

    The one along time is a 2-D convolution over time and places, of 3 x 1: on a CPU twice as fast as 1-D ones.
    """

    def __init__(self, inputs: int, outputs: int, time_stride: int) -> None:
        super().__init__()
        self.space = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.space_norm = nn.BatchNorm2d(outputs)
        self.time = nn.Conv2d(outputs, outputs, (3, 1), (time_stride, 1), (1, 0), bias=False)
        self.time_norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        found = as_clips(torch.relu(self.space_norm(self.space(frames_of(x)))), len(x))
        height, width = found.shape[3:]
        flat = found.permute(0, 2, 3, 4, 1).flatten(2, 3).permute(0, 3, 1, 2)  # [N, C, T, H * W], channels-last
        along = torch.relu(self.time_norm(self.time(flat)))
        frames = along.permute(0, 2, 3, 1).reshape(len(x), -1, height, width, along.shape[1])
        return frames.permute(0, 4, 1, 2, 3)


class ClipClassifier(nn.Module):
    """Three blocks of widths 1, 2, 4 times `width`, what they find averaged over time and 2 x 2 parts, logits.

    `features(x)` returns [N, num_features], the layer before the logits; `forward(x)` class logits [N, num_classes].
    Any size from 2 frames of 4x4 on.
    """

    def __init__(self, channels: int, num_classes: int, width: int = 16, num_features: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(
            SpaceTime(channels, width, 1), SpaceTime(width, 2 * width, 2), SpaceTime(2 * width, 4 * width, 2)
        )
        self.last = nn.Sequential(nn.Flatten(), nn.Linear(16 * width, num_features), nn.ReLU())
        self.head = nn.Linear(num_features, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the penultimate features [N, num_features] of clips [N, C, T, H, W] in [-1, 1]."""
        features: Tensor = self.last(F.adaptive_avg_pool2d(self.body(x).mean(2), 2))
        return features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits
