"""The small classifier of the gate and of the report: one recipe, the same budget whatever it is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gantlet.augment.sampling import move
from gantlet.data import ImageData, Intensity, Order, balanced_weights
from gantlet.engine import loop
from gantlet.engine.run import Run
from gantlet.metrics import Features, classifier_features
from gantlet.recipes import catalogue


@dataclass(frozen=True, eq=False)
class Lessons:
    """What a classifier learns from: raw pixels [N, H, W, C] and labels [N]."""

    pixels: NDArray[Any]
    labels: NDArray[np.int64]
    intensity: Intensity
    num_classes: int
    alpha: float = 0.0  # of class-balanced drawing: 0 as they come, 1 every class as often
    vary: bool = False  # classic augmentation
    groups: NDArray[np.int64] | None = None  # what alpha balances in place of the classes

    @classmethod
    def of(cls, images: ImageData, **how: Any) -> Lessons:
        """Return the lessons of labelled pictures."""
        assert images.labels is not None
        return cls(np.asarray(images.pixels), images.labels, images.intensity, len(images.classes), **how)

    def with_more(self, pixels: NDArray[Any], labels: NDArray[np.int64]) -> Lessons:
        """Return these lessons and more."""
        everything = np.concatenate([self.pixels, pixels]), np.concatenate([self.labels, labels])
        return Lessons(*everything, self.intensity, self.num_classes, self.alpha, self.vary)


def varied(images: Tensor, seed: int) -> Tensor:
    """Return pictures [N, C, H, W] moved by up to 1/12 of a side, turned by up to 10 degrees, scaled by up to 10 %.

    Nothing is mirrored: in digits, letters and many medical pictures that changes the class.
    """
    generator = torch.Generator().manual_seed(seed)
    draws = torch.rand(4, len(images), generator=generator) * 2 - 1
    angle, scale = draws[0] * (10 * pi / 180), 1 + 0.1 * draws[1]
    matrix = torch.eye(3).repeat(len(images), 1, 1)
    matrix[:, 0, 0] = matrix[:, 1, 1] = angle.cos() / scale
    matrix[:, 0, 1], matrix[:, 1, 0] = -angle.sin() / scale, angle.sin() / scale
    matrix[:, 0, 2], matrix[:, 1, 2] = draws[2] * images.shape[3] / 12, draws[3] * images.shape[2] / 12
    return move(images, matrix, "border")


def train_classifier(lessons: Lessons, folder: Path, *, seed: int, samples: int, device: str = "auto") -> nn.Module:
    """Return a classifier trained on `samples` draws of the lessons; a folder in which it was begun is gone on with."""
    height, width, channels = lessons.pixels.shape[1:]
    facts = {"channels": channels, "resolution": [height, width], "num_classes": lessons.num_classes}
    arguments = catalogue.resolve("classifier", facts, True, {"total_samples": samples})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        recipe = catalogue.build("classifier", arguments)
        run = Run(out=folder, seed=seed, samples=samples, device=device, precision="fp32", keep=1, save_every=30)
        training = loop.prepare(recipe, run, {"recipe": "classifier", "arguments": arguments}, lambda message: None)
        groups = lessons.labels if lessons.groups is None else lessons.groups
        weights = balanced_weights(groups, lessons.alpha) if lessons.alpha else None
        order = Order(len(lessons.labels), seed, weights)

        def rows(start: int, size: int) -> dict[str, Tensor]:
            chosen = order.indices(start, size)
            images = lessons.intensity.to_unit(lessons.pixels[chosen]).permute(0, 3, 1, 2)
            images = varied(images, (seed << 32) + start) if lessons.vary else images
            return {"image": images, "label": torch.from_numpy(lessons.labels[chosen])}

        if training.fraction() < 1:
            loop.train(training, rows)
        network: nn.Module = training.state.nets.C.eval()
    return network


def as_features(network: nn.Module, lessons: Lessons, name: str) -> Features:
    """Return a trained classifier as an extractor of features and logits."""
    height, width, channels = lessons.pixels.shape[1:]
    return classifier_features(network.cpu(), name, channels=channels, resolution=(height, width))


def look(features: Features, pixels: NDArray[Any], intensity: Intensity) -> tuple[Tensor, Tensor]:
    """Return features [N, F] and logits [N, K] of raw pictures [N, H, W, C]."""
    found, logits = [], []
    for start in range(0, len(pixels), 1000):
        some, scores = features(intensity.to_unit(pixels[start : start + 1000]).permute(0, 3, 1, 2))
        assert scores is not None
        found.append(some)
        logits.append(scores)
    return torch.cat(found), torch.cat(logits)


def flat(pixels: NDArray[Any], intensity: Intensity) -> Tensor:
    """Return raw pictures as rows [N, H W C] of numbers in [-1, 1]."""
    return intensity.to_unit(pixels).flatten(1)
