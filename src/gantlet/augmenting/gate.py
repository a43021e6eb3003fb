"""What a sample must pass: a classifier believes its class, and it is no copy of a training picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.augmenting.classifier import flat, look
from gantlet.augmenting.source import Source
from gantlet.metrics import Features
from gantlet.metrics.memorisation import nearest


@dataclass(frozen=True, eq=False)
class Judged:
    """What the gate says of samples: each array [n]."""

    confidence: NDArray[np.float32]  # the classifier's probability of the class that was asked for
    neighbour: NDArray[np.int64]  # number of the nearest training picture of that class, in pixels
    distance: NDArray[np.float32]  # to it, root mean square over the pixels, of a range of 2
    believed: NDArray[np.bool_]
    copy: NDArray[np.bool_]

    @property
    def passed(self) -> NDArray[np.bool_]:
        """Which samples may stay."""
        return self.believed & ~self.copy

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return what a manifest keeps of each sample."""
        return {"confidence": self.confidence, "neighbour": self.neighbour, "distance": self.distance}


@dataclass(frozen=True, eq=False)
class Gate:
    """The gate of one class. Distances are compared with those of real pictures to their nearest other one.

    A sample is a copy when it is nearer to a training picture than all but the `quantile` nearest of the class's own
    pictures are to each other, in pixels and in the classifier's features both: samples that are merely plain lie near
    many pictures in one of the two.
    """

    features: Features
    label: int
    least: float  # probability
    rows: NDArray[np.int64]  # numbers of the training pictures of this class
    pixels: Tensor
    found: Tensor
    near_pixels: float
    near_features: float

    def judge(self, raw: NDArray[Any], source: Source) -> Judged:
        """Judge raw samples [n, H, W, C] of this class."""
        intensity = source.train.intensity
        found, logits = look(self.features, raw, intensity)
        confidence = logits.double().softmax(1)[:, self.label].float()
        points = flat(raw, intensity)
        in_pixels, place = nearest(points, self.pixels)
        in_features, _ = nearest(found, self.found)
        copy = (in_pixels <= self.near_pixels) & (in_features <= self.near_features)
        return Judged(
            confidence.numpy(), self.rows[place.numpy()], (in_pixels / points.shape[1] ** 0.5).float().numpy(),
            (confidence >= self.least).numpy(), copy.numpy(),
        )  # fmt: skip


def gate(source: Source, features: Features, label: int, least: float, quantile: float) -> Gate:
    """Return the gate of a class; of a single picture only what equals it is a copy."""
    rows = np.flatnonzero(source.labels == label)
    raw = np.asarray(source.train.pixels[rows])
    pixels, (found, _) = flat(raw, source.train.intensity), look(features, raw, source.train.intensity)
    near = [0.0, 0.0]
    if len(rows) > 1:
        near = [float(torch.quantile(nearest(points, points, others=True)[0], quantile)) for points in (pixels, found)]
    return Gate(features, label, least, rows, pixels, found, *near)
