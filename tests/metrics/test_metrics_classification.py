"""Scores of classifiers by hand and against scikit-learn, and effects that are and are not there."""

from __future__ import annotations

import numpy as np
import pytest

from gantlet.errors import UserError
from gantlet.metrics.classification import calibration_error, confusion, effect, macro_f1, scores


def test_scores_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import balanced_accuracy_score, f1_score

    rng = np.random.default_rng(0)
    labels = rng.choice(4, 500, p=[0.6, 0.3, 0.05, 0.05])
    probabilities = rng.dirichlet(np.ones(4), 500).astype(np.float32)
    probabilities[np.arange(500), labels] += 0.3
    found = scores(probabilities / probabilities.sum(1, keepdims=True), labels)
    predicted = probabilities.argmax(1)
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert found["accuracy"] == pytest.approx((labels == predicted).mean())


def test_a_class_without_pictures_has_no_recall_and_no_part_in_the_means() -> None:
    probabilities = np.asarray([[0.9, 0.05, 0.05], [0.2, 0.8, 0.0]], np.float32)
    found = scores(probabilities, np.asarray([0, 1]))
    assert found["recalls"] == [1.0, 1.0, None]
    assert found["macro_f1"] == found["balanced_accuracy"] == 1


def test_macro_f1_by_hand() -> None:
    found = confusion(np.asarray([0, 0, 1, 1]), np.asarray([0, 0, 0, 1]), 2)
    assert found.tolist() == [[2, 1], [0, 1]]
    assert macro_f1(found) == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_calibration_error_by_hand() -> None:
    probabilities = np.asarray([[0.95, 0.05], [0.95, 0.05], [0.35, 0.65]], np.float32)
    # two of confidence .95, one right: |1 - 1.9|; one of .65, wrong: .65
    assert calibration_error(probabilities, np.asarray([0, 1, 0])) == pytest.approx((0.9 + 0.65) / 3, abs=1e-6)
    assert calibration_error(np.asarray([[1.0, 0.0]], np.float32), np.asarray([0])) == 0


def predictions(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(labels)) < share
    return np.where(wrong, (labels + 1) % 3, labels)


def test_an_effect_is_found_and_none_is_not() -> None:
    labels = np.random.default_rng(9).integers(0, 3, 2000)
    good = [predictions(labels, 0.1, seed) for seed in range(3)]
    bad = [predictions(labels, 0.2, 10 + seed) for seed in range(3)]
    same = [predictions(labels, 0.1, 20 + seed) for seed in range(3)]
    found = effect(good, bad, labels, 3)
    assert found.verdict == "helps"
    assert found.low < 0.1 < found.high
    assert found.size == pytest.approx(0.1, abs=0.02)
    assert effect(bad, good, labels, 3).verdict == "hurts"
    assert effect(good, same, labels, 3).verdict == "no measurable effect"


def test_one_seed_is_no_evidence() -> None:
    labels = np.asarray([0, 1])
    with pytest.raises(UserError, match="seeds"):
        effect([labels], [labels], labels, 2)
