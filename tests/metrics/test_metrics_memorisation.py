"""Detectors of copies: hand-computed values, and what must and must not be found."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import Tensor

from gantlet.errors import UserError
from gantlet.metrics.memorisation import (
    authenticity,
    closer_to_training,
    data_copying,
    memorisation,
    near_copies,
    nearest,
)


def normal(n: int, f: int, seed: int) -> Tensor:
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed))


def column(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


def test_nearest_is_that_of_brute_force() -> None:
    points, gallery = normal(300, 7, 0), normal(200, 7, 1)
    distance, which = nearest(points, gallery)
    every = torch.cdist(points.double(), gallery.double())
    assert torch.equal(which, every.argmin(1))
    assert torch.allclose(distance, every.min(1).values)
    three, _ = nearest(points, gallery, count=3)
    assert torch.allclose(three, every.sort(1).values[:, :3])


def test_nearest_far_from_the_origin_loses_no_digits() -> None:
    gallery = column(1e4, 1e4 + 0.5, 1e4 + 2).double()
    distance, which = nearest(column(0.75).double() + 1e4, gallery)
    assert which.tolist() == [1]
    assert distance.item() == pytest.approx(0.25)


def test_a_point_is_not_its_own_neighbour_but_its_double_is() -> None:
    distance, which = nearest(column(0, 0, 5), column(0, 0, 5), others=True)
    assert distance.tolist() == [0, 0, 5]
    assert which[:2].tolist() == [1, 0]


def test_near_copies_by_hand() -> None:
    held = torch.arange(1, 101).double()  # 5 % quantile 5.95: 5 of 100 lie below
    found = near_copies(torch.tensor([0.0, 1.0, 50.0, 60.0]).repeat(25), held)
    assert (found.value, found.control) == (0.5, 0.05)
    assert found.sigmas == pytest.approx(0.45 / sqrt(0.05 * 0.95 * 2 / 100))
    assert found.fires
    assert not near_copies(held, held).fires


def test_share_closer_to_training_by_hand() -> None:
    # nearest of the pool (0, 10 train; 20, 30 held out): samples 1, 2, 9 -> train, 21 -> holdout
    found = closer_to_training(column(1, 2, 9, 21), column(0, 10), column(20, 30))
    assert (found.value, found.control) == (0.75, 0.5)
    hits = torch.tensor([2.0, 1.0, 1.0, 0.0])
    assert found.sigmas == pytest.approx(0.25 / (sqrt(2 * 2 / 4 * float(hits.var())) / 4))


def test_authenticity_by_hand() -> None:
    own = torch.tensor([2.0, 2.0, 5.0])
    found = authenticity(
        torch.tensor([1.0, 3.0, 4.0, 6.0]), torch.tensor([0, 1, 2, 2]), torch.tensor([3.0]), torch.tensor([0]), own
    )
    assert (found.value, found.control) == (0.5, 1.0)


def test_data_copying_is_the_mann_whitney_statistic() -> None:
    from scipy.stats import mannwhitneyu

    fake, held = normal(60, 1, 0).abs()[:, 0].double(), normal(80, 1, 1).abs()[:, 0].double() + 0.2
    train = normal(50, 1, 2)
    found = data_copying(fake[:, None], train, held[:, None], fake, held, cells=1)
    u = float(mannwhitneyu(fake.numpy(), held.numpy()).statistic)
    assert found.value == pytest.approx((u - 60 * 80 / 2) / sqrt(60 * 80 * 141 / 12))


def test_all_fire_on_copies_and_none_on_new_samples() -> None:
    train, holdout = normal(300, 10, 0), normal(300, 10, 1)
    copies = train[torch.arange(300) % 300] + 0.01 * normal(300, 10, 2)
    assert memorisation(copies, train, holdout, space="numbers").fired == (
        "near copies", "closer to training", "authenticity", "C_T",
    )  # fmt: skip
    new = memorisation(normal(1000, 10, 3), train, holdout, space="numbers")
    assert new.fired == ()
    assert new.sentence().startswith("No copy found")
    assert "private" not in new.sentence()


def test_a_third_of_copies_is_found_by_some_and_underfitting_by_none() -> None:
    train, holdout = normal(500, 10, 0), normal(500, 10, 1)
    mixed = torch.cat([train[:150], normal(300, 10, 4)])
    assert {"near copies", "closer to training"} <= set(memorisation(mixed, train, holdout, space="numbers").fired)
    assert memorisation(3 * normal(500, 10, 5), train, holdout, space="numbers").fired == ()


def test_it_stores_what_it_looked_at() -> None:
    found = memorisation(normal(20, 3, 0), normal(30, 3, 1), normal(40, 3, 2), space="pixels").to_json()
    assert found["counts"] == {"samples": 20, "training": 30, "holdout": 40}
    assert [row["name"] for row in found["detectors"]] == ["near copies", "closer to training", "authenticity", "C_T"]


def test_too_few_or_other_features_are_refused() -> None:
    with pytest.raises(UserError, match="too few"):
        memorisation(normal(5, 3, 0), normal(30, 3, 1), normal(40, 3, 2), space="pixels")
    with pytest.raises(UserError, match="features"):
        memorisation(normal(20, 4, 0), normal(30, 3, 1), normal(40, 3, 2), space="pixels")
