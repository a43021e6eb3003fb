"""A small convolutional classifier: the judge's eye, trained on the labelled data itself."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Classifier(nn.Module):
    """3x3 convolutions with BN and ReLU, average pooling, linear features, class logits.

    There is a convolution for each of `strides`; their widths are 1, 2, 4, 4, ... times `width`. What they find is
    averaged in `pool` x `pool` parts of the picture. `features(x)` returns [N, num_features], the layer before the
    logits; `forward(x)` class logits [N, num_classes]. Any size from 4x4 on.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        width: int = 32,
        num_features: int = 128,
        strides: Sequence[int] = (1, 2, 2),
        pool: int = 2,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        widths = (channels, *(width * min(2**level, 4) for level in range(len(strides))))
        for inputs, outputs, stride in zip(widths, widths[1:], strides, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(pool), nn.Flatten())
        self.last = nn.Sequential(nn.Linear(widths[-1] * pool**2, num_features), nn.ReLU())
        self.head = nn.Linear(num_features, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the penultimate features [N, num_features] of pictures [N, C, H, W] in [-1, 1]."""
        features: Tensor = self.last(self.body(x))
        return features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits
