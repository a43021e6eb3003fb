"""The floors of the benchmarks do what they are said to: each beats doing nothing where it should."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
floors = importlib.import_module("floors")


def smooth(side: int = 32) -> np.ndarray:
    y, x = np.mgrid[:side, :side] / side
    return np.stack([0.5 + 0.4 * np.sin(6 * x + 2 * y), 0.5 + 0.4 * np.cos(5 * y), x * y], 2)


def error(made: np.ndarray, wanted: np.ndarray) -> float:
    return float(((made - wanted) ** 2).mean())


def test_bicubic_there_and_back() -> None:
    made = floors.bicubic(floors.bicubic(smooth(), 0.5), 2)
    assert made.shape == (32, 32, 3)
    assert error(made, smooth()) < 1e-3
    assert floors.bicubic(np.ones((4, 6, 1)), 3).shape == (12, 18, 1)


def test_biharmonic_fills_and_leaves_the_rest() -> None:
    hole = np.zeros((32, 32), bool)
    hole[10:18, 12:20] = True
    spoilt = np.where(hole[..., None], 0, smooth())
    made = floors.biharmonic(spoilt, hole)
    np.testing.assert_allclose(made[~hole], smooth()[~hole])
    assert error(made[hole], smooth()[hole]) < 1e-3 < error(spoilt[hole], smooth()[hole])


@pytest.mark.parametrize(("name", "setting"), [("non_local_means", 0.1), ("total_variation", 0.1)])
def test_denoisers_denoise(name: str, setting: float) -> None:
    noisy = smooth() + 0.1 * np.random.default_rng(0).standard_normal((32, 32, 3))
    assert error(getattr(floors, name)(noisy, setting), smooth()) < 0.5 * error(noisy, smooth())


def test_non_local_means_of_grey_and_of_colour_are_of_one_shape() -> None:
    noisy = smooth() + 0.1 * np.random.default_rng(0).standard_normal((32, 32, 3))
    made = floors.non_local_means(noisy[..., :1], 0.1)
    assert made.shape == (32, 32, 1)
    assert error(made, smooth()[..., :1]) < 0.5 * error(noisy[..., :1], smooth()[..., :1])


def test_a_look_up_table_is_the_mean_by_intensity() -> None:
    sources = np.array([0, 0, 1, 1, 0.2]).reshape(1, 1, 5, 1)
    targets = np.array([[0.1, 1], [0.3, 1], [0.5, 0], [0.7, 0], [0.4, 0.5]]).reshape(1, 1, 5, 2)
    table = floors.LookUpTable.fit(sources, targets, levels=11)
    np.testing.assert_allclose(table(sources)[0, 0], [[0.2, 1], [0.2, 1], [0.6, 0], [0.6, 0], [0.4, 0.5]])
    np.testing.assert_allclose(table(np.full((1, 1), 0.1)), [[0.3, 0.75]])  # between 0 and .2
    np.testing.assert_allclose(table(np.full((1, 1), 0.6)), [[0.5, 0.25]])
