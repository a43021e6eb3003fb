"""How good a classifier is where classes are unequal, and whether one is better than another by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import UserError

Probabilities = NDArray[np.float32]  # [N, K]
Labels = NDArray[np.int64]  # [N]
BINS = 15  # of the calibration error (Guo et al. 2017, section 4)
# Student's t, 97.5 %, by degrees of freedom; beyond the table 1.96 + 2.4 / df is right to 0.005
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


def scores(probabilities: Probabilities, labels: Labels) -> dict[str, Any]:
    """Return macro-F1, balanced accuracy, accuracy, recall of each class, and the expected calibration error.

    All lie in [0, 1]. The means are over the classes that occur among the labels; the recall of others is None.

    Raises UserError when the two do not belong together.
    """
    if probabilities.ndim != 2 or len(probabilities) != len(labels) or not len(labels):
        raise UserError(f"Probabilities [N, K] and labels [N], not {probabilities.shape} and {labels.shape}.")
    found = confusion(probabilities.argmax(1), labels, probabilities.shape[1])
    there = found.sum(1) > 0
    recalls = found.diagonal() / np.maximum(found.sum(1), 1)
    return {
        "macro_f1": macro_f1(found),
        "balanced_accuracy": float(recalls[there].mean()),
        "accuracy": float(found.diagonal().sum() / len(labels)),
        "calibration_error": calibration_error(probabilities, labels),
        "recalls": [float(value) if here else None for value, here in zip(recalls, there)],
    }


def confusion(predicted: Labels, labels: Labels, num_classes: int) -> NDArray[np.int64]:
    """Return how often class i was taken for class j: [K, K]."""
    counts = np.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def macro_f1(found: NDArray[np.int64]) -> float:
    """Return the mean over classes that occur of F1 = 2 TP / (2 TP + FP + FN), from a confusion matrix [K, K]."""
    right, asked, said = found.diagonal(), found.sum(1), found.sum(0)
    return float((2 * right / np.maximum(asked + said, 1))[asked > 0].mean())


def calibration_error(probabilities: Probabilities, labels: Labels, bins: int = BINS) -> float:
    """Return the expected calibration error: the mean over bins of |accuracy - confidence|, by pictures in the bin.

    Bins of equal width over the largest probability of each picture.

    Source: Guo et al. 2017, arXiv:1706.04599, equation 3.
    """
    confidence = probabilities.max(1).astype(np.float64)
    right = (probabilities.argmax(1) == labels).astype(np.float64)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)  # bin m is ((m - 1)/M, m/M]
    gaps = np.bincount(place, right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The difference of a number between two arms of the same seeds, with an interval of 95 %."""

    size: float
    low: float
    high: float
    seeds: int

    @property
    def verdict(self) -> str:
        """ "helps", "hurts", or "no measurable effect" when the interval holds 0."""
        return "helps" if self.low > 0 else "hurts" if self.high < 0 else "no measurable effect"

    def words(self, scale: float = 100) -> str:
        """Return the size and its interval, in hundredths."""
        return f"{self.size * scale:+.2f} ({self.low * scale:+.2f} to {self.high * scale:+.2f})"


def effect(ours: Sequence[Labels], theirs: Sequence[Labels], labels: Labels, num_classes: int) -> Effect:
    """Return how much larger the macro-F1 of predictions `ours` is than of `theirs`: one [N] of each for every seed.

    The interval is the wider, at each end, of two: Student's t over the seeds' differences, and a paired bootstrap
    (1,000 draws) over seeds and test pictures at once, both arms being given the same ones.

    Raises UserError for fewer than two seeds, or arms of different ones.
    """
    if len(ours) != len(theirs) or len(ours) < 2:
        raise UserError(f"An effect needs the same two seeds or more of both arms, not {len(ours)} and {len(theirs)}.")
    a = np.stack([labels * num_classes + p for p in ours])
    b = np.stack([labels * num_classes + p for p in theirs])

    def difference(seeds: NDArray[np.int64], pictures: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        def number(codes: NDArray[np.int64]) -> float:
            return macro_f1(np.bincount(codes, minlength=num_classes**2).reshape(num_classes, num_classes))

        return np.asarray([number(a[seed][pictures]) - number(b[seed][pictures]) for seed in seeds])

    count = len(ours)
    each = difference(np.arange(count), slice(None))
    spread = (T_975[count - 2] if count <= 11 else 1.96 + 2.4 / (count - 1)) * float(each.std(ddof=1)) / sqrt(count)
    rng = np.random.default_rng(0)
    draws = [
        difference(rng.integers(0, count, count), rng.integers(0, len(labels), len(labels))).mean() for _ in range(1000)
    ]
    size, (low, high) = float(each.mean()), np.quantile(draws, [0.025, 0.975])
    return Effect(size=size, low=min(float(low), size - spread), high=max(float(high), size + spread), seeds=count)
