"""A small convolutional classifier: the judge's eye, trained on the labelled data itself."""

from __future__ import annotations

from torch import Tensor, nn


class Classifier(nn.Module):
    """Three 3x3 convolutions (strides 1, 2, 2) with BN and ReLU, 2x2 average pooling, linear features, class logits.

    `features(x)` returns [N, num_features], the layer before the logits; `forward(x)` class logits [N, num_classes].
    Any size from 4x4 on.
    """

    def __init__(self, channels: int, num_classes: int, width: int = 32, num_features: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        widths = (channels, width, 2 * width, 4 * width)
        for inputs, outputs, stride in zip(widths, widths[1:], (1, 2, 2), strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.last = nn.Sequential(nn.Linear(16 * width, num_features), nn.ReLU())
        self.head = nn.Linear(num_features, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the penultimate features [N, num_features] of pictures [N, C, H, W] in [-1, 1]."""
        features: Tensor = self.last(self.body(x))
        return features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits
