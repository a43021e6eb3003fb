"""What the samples of each class are like: distance to real ones beside its floor, coverage, and copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.augmenting.classifier import flat, look
from gantlet.augmenting.source import Source
from gantlet.errors import UserError
from gantlet.media.image import grid, to_displayable
from gantlet.metrics import Features, Moments, frechet_distance, precision_recall_density_coverage
from gantlet.metrics.memorisation import Memorisation, memorisation, nearest

SHOWN = 10  # samples of a class in its gallery
NEIGHBOURS = 5


@dataclass(frozen=True, eq=False)
class ClassReals:
    """The real pictures of one class: training part and test part, as pixels and as features."""

    raw: NDArray[Any]
    train_pixels: Tensor
    test_pixels: Tensor
    train_features: Tensor
    test_features: Tensor


def reals(source: Source, judge: Features, label: int) -> ClassReals:
    """Return the real pictures of a class."""
    intensity = source.train.intensity
    assert source.test.labels is not None
    train = np.asarray(source.train.pixels[np.flatnonzero(source.labels == label)])
    test = np.asarray(source.test.pixels[np.flatnonzero(source.test.labels == label)])
    features = [look(judge, part, intensity)[0] if len(part) else torch.empty(0, 1) for part in (train, test)]
    return ClassReals(train, flat(train, intensity), flat(test, intensity), features[0], features[1])


def quality(source: Source, judge: Features, real: ClassReals, made: NDArray[Any]) -> dict[str, Any]:
    """Return FID and coverage of the samples of a class against its test pictures, each beside its floor.

    The floor are the class's training pictures; samples and floor are equally many, so both have the same bias. With
    no more pictures than features both are far too high, and only their ratio means something. Numbers that cannot be
    had are None.
    """
    found, _ = look(judge, made, source.train.intensity)
    n = min(len(found), len(real.train_features))
    row: dict[str, Any] = {"samples": len(found), "compared": n, "reference": len(real.test_features)}
    for name, some in (("", found[:n]), ("floor_", real.train_features[:n])):
        row[f"{name}fid"] = row[f"{name}coverage"] = None
        try:
            row[f"{name}fid"] = frechet_distance(Moments.of(some), Moments.of(real.test_features))
            row[f"{name}coverage"] = precision_recall_density_coverage(real.test_features, some, neighbours=NEIGHBOURS)[
                "coverage"
            ]
        except UserError:
            continue
    pixels = real.train_pixels.shape[1] ** 0.5
    row["nearest"] = float(nearest(flat(made, source.train.intensity), real.train_pixels)[0].mean()) / pixels
    if len(real.test_pixels):
        row["floor_nearest"] = float(nearest(real.test_pixels, real.train_pixels)[0].mean()) / pixels
    return row


def copies(source: Source, judge: Features, real: ClassReals, raw: NDArray[Any]) -> list[Memorisation]:
    """Return what the detectors make of samples that passed no gate, in pixels and in features; [] for few pictures."""
    if min(len(raw), len(real.train_pixels), len(real.test_pixels)) < 20:
        return []
    points, (found, _) = flat(raw, source.train.intensity), look(judge, raw, source.train.intensity)
    return [
        memorisation(points, real.train_pixels, real.test_pixels, space="pixels"),
        memorisation(found, real.train_features, real.test_features, space="classifier features"),
    ]


def gallery(source: Source, real: ClassReals, raw: NDArray[Any]) -> NDArray[Any]:
    """Return a picture of the samples nearest to training pictures, each above the three nearest training pictures."""
    intensity = source.train.intensity
    count = min(3, len(real.raw))
    distance, place = nearest(flat(raw, intensity), real.train_pixels, count=count)
    distance, place = distance.view(len(raw), -1), place.view(len(raw), -1)
    first = distance[:, 0].argsort()[:SHOWN].numpy()
    rows = [raw[first], *(real.raw[place[first, column].numpy()] for column in range(count))]
    return grid(to_displayable(np.concatenate(rows), intensity), columns=len(first))
