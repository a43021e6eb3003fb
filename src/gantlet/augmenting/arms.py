"""The arms of the report: one small classifier, one budget, one test part, and seven things to learn from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.augmenting.classifier import Lessons, as_features, look, train_classifier
from gantlet.augmenting.source import Source
from gantlet.engine.storage import discard
from gantlet.media.image import replace
from gantlet.metrics.classification import Effect, effect, scores

REAL, OVERSAMPLING, CLASSIC = "real", "oversampling", "classic"
GAN, EVEN, BOTH, GAN_ONLY = "gan", "even", "both", "gan_only"
NAMES = {
    REAL: "real pictures",
    OVERSAMPLING: "+ oversampling",
    CLASSIC: "+ classic augmentation",
    GAN: "+ GAN",
    EVEN: "+ GAN, evenly",
    BOTH: "+ GAN and classic",
    GAN_ONLY: "GAN only",
}
MEANINGS = {
    REAL: "the training part as it comes",
    OVERSAMPLING: "every class drawn equally often",
    CLASSIC: "every class drawn equally often; each picture moved (1/12), turned (10 degrees) and scaled (10 %)",
    GAN: "the training part and the samples that fill its classes up, as they come",
    EVEN: "every class drawn equally often, half of it real pictures and half samples: that a picture looks generated "
    "then says nothing of its class",
    BOTH: "the arm before, each picture moved, turned and scaled as in classic augmentation",
    GAN_ONLY: "samples alone, as many of each class as there are pictures of it in the arm + GAN",
}
Made = Mapping[int, Mapping[str, NDArray[Any]]]  # samples of each class
Note = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Trials:
    """What all seeds of all arms predict on the test part."""

    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    probabilities: Mapping[str, list[NDArray[np.float32]]]  # [N, K] of each seed

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return the scores of every seed, by arm."""
        return {arm: [scores(p, self.labels) for p in seeds] for arm, seeds in self.probabilities.items()}

    def effect(self, ours: str, theirs: str) -> Effect:
        """Return the effect of one arm against another on macro-F1."""
        a, b = ([p.argmax(1) for p in self.probabilities[arm]] for arm in (ours, theirs))
        return effect(a, b, self.labels, len(self.classes))

    def strongest_without(self) -> str:
        """Return the arm without a GAN of the best mean macro-F1 on the test part; the choice itself favours it."""
        rows = self.rows()
        return max((REAL, OVERSAMPLING, CLASSIC), key=lambda arm: np.mean([row["macro_f1"] for row in rows[arm]]))


def lessons(arm: str, source: Source, made: Made, alone: Made | None) -> Lessons | None:
    """Return what the classifier of an arm learns from; None for an arm that cannot be had."""
    if arm in (OVERSAMPLING, CLASSIC):
        return Lessons.of(source.train, alpha=1.0, vary=arm == CLASSIC)
    real = Lessons.of(source.train)
    if arm == REAL:
        return real
    pixels, labels = _joined([made])
    if arm == GAN:
        return real.with_more(pixels, labels)
    if alone is None:
        return None
    pixels, labels = _joined([made, alone])
    if arm in (EVEN, BOTH):
        both = real.with_more(pixels, labels)
        sampled = np.arange(len(both.labels)) >= len(real.labels)
        return changed(both, alpha=1.0, groups=2 * both.labels + sampled, vary=arm == BOTH)
    return Lessons(pixels, labels, source.train.intensity, len(source.train.classes))


def _joined(sets: Sequence[Made]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    parts = [(arrays["images"], label) for made in sets for label, arrays in made.items() if len(arrays["images"])]
    pixels = np.concatenate([images for images, _ in parts])
    return pixels, np.concatenate([np.full(len(images), label, np.int64) for images, label in parts])


def try_arms(
    source: Source, made: Made, alone: Made | None, folder: Path, seeds: int, samples: int, note: Note
) -> Trials:
    """Train and test every arm with every seed; what is in `folder` already is not repeated."""
    assert source.test.labels is not None
    found: dict[str, list[NDArray[np.float32]]] = {}
    for seed in range(seeds):
        for arm in NAMES:
            path = folder / f"{arm}-seed{seed}.npz"
            if not path.is_file():
                learnt = lessons(arm, source, made, alone)
                if learnt is None:
                    continue
                probabilities = tested(learnt, source, folder / f"classifier-{arm}-seed{seed}", seed, samples)
                store(path, probabilities)
                score = scores(probabilities, source.test.labels)
                note(f"{NAMES[arm]}, seed {seed}: macro-F1 {score['macro_f1']:.4f}")
            with np.load(path, allow_pickle=False) as stored:
                found.setdefault(arm, []).append(stored["probabilities"])
    return Trials(source.test.labels, source.test.classes, found)


def tested(learnt: Lessons, source: Source, run: Path, seed: int, samples: int) -> NDArray[np.float32]:
    """Return the probabilities [N, K] that a classifier of these lessons gives the test part."""
    network = train_classifier(learnt, run, seed=1000 + seed, samples=samples)
    _, logits = look(as_features(network, learnt, "arm"), source.test.pixels, source.test.intensity)
    discard(run)
    return logits.double().softmax(1).float().numpy()


def store(path: Path, probabilities: NDArray[np.float32]) -> None:
    """Write probabilities as a file that appears whole."""
    replace(path, lambda file: np.savez(file, probabilities=probabilities))


def summary(trials: Trials) -> dict[str, Any]:
    """Return mean and standard deviation over seeds of every number of every arm, as plain data."""
    told: dict[str, Any] = {}
    for arm, rows in trials.rows().items():
        keys = ("macro_f1", "balanced_accuracy", "accuracy", "calibration_error")
        told[arm] = {key: _spread([row[key] for row in rows]) for key in keys}
        told[arm]["recalls"] = [
            None if rows[0]["recalls"][label] is None else _spread([row["recalls"][label] for row in rows])
            for label in range(len(trials.classes))
        ]
        told[arm]["seeds"] = len(rows)
    return json.loads(json.dumps(told))  # type: ignore[no-any-return]


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0}
