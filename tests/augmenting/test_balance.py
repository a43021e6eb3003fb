"""What training does about classes of unequal size: sampling for one player or both, or weights; never both kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import gantlet
from gantlet.data import ImageData, open_images
from gantlet.data.order import effective_number_weights
from gantlet.errors import UserError
from gantlet.feeding import Balance, Feed
from gantlet.recipes.image_gan import mean

ROWS = 4000


def unequal() -> ImageData:
    """Return the digits, with a tenth of the threes."""
    digits = open_images("digits")
    assert digits.labels is not None
    rare = np.flatnonzero(digits.labels == 3)[:14]
    return digits.subset(np.concatenate([np.flatnonzero(digits.labels != 3), rare]))


def shares(balance: Balance) -> tuple[float, float | None]:
    """Return the share of the rare class among D's real pictures and among the labels G is asked for."""
    rows = Feed(unequal(), 0, balance, None).rows(0, ROWS)
    asked = rows.get("fake_label")
    return float((rows["label"] == 3).float().mean()), None if asked is None else float((asked == 3).float().mean())


def test_effective_numbers_by_hand() -> None:
    weights = effective_number_weights(np.asarray([0, 0, 0, 1]), 0.5)
    raw = np.asarray([0.5 / (1 - 0.125)] * 3 + [0.5 / 0.5])  # (1 - b) / (1 - b^n)
    assert weights == pytest.approx(raw / raw.mean())
    assert effective_number_weights(np.asarray([0, 0, 0, 1]), 0.0).tolist() == [1, 1, 1, 1]
    nearly = effective_number_weights(np.asarray([0, 0, 0, 1]), 1 - 1e-9)
    assert nearly[3] / nearly[0] == pytest.approx(3, rel=1e-3)


def test_who_sees_the_rare_class_how_often() -> None:
    natural = 14 / len(unequal())
    assert shares(Balance()) == (pytest.approx(natural, abs=0.01), None)
    assert shares(Balance(alpha=1.0)) == (pytest.approx(0.1, abs=0.02), None)
    discriminator = shares(Balance(alpha=1.0, side="discriminator"))
    assert discriminator == (pytest.approx(0.1, abs=0.02), pytest.approx(natural, abs=0.01))
    assert shares(Balance(alpha=1.0, side="generator")) == (discriminator[1], pytest.approx(0.1, abs=0.02))


def test_weights_come_with_their_pictures() -> None:
    rows = Feed(unequal(), 0, Balance(class_weights=0.999), None).rows(0, ROWS)
    rare = rows["label"] == 3
    assert rows["weight"][rare].unique().numel() == 1
    assert rows["weight"][rare].min() > 5 * rows["weight"][~rare].max()
    assert float(rows["weight"].mean()) == pytest.approx(1, abs=0.1)
    again = Feed(unequal(), 0, Balance(class_weights=0.999), None).rows(100, 50)
    assert torch.equal(again["weight"], rows["weight"][100:150])


def test_a_weighted_mean() -> None:
    losses = torch.tensor([1.0, 3.0])
    assert mean(losses, None) == 2
    assert mean(losses, torch.tensor([0.5, 1.5])) == 2.5


def test_contradictions_and_deaf_recipes_are_refused() -> None:
    heard = ("weight", "fake_label")
    Balance(alpha=1.0, side="generator").check(heard, "r1gan")
    for balance, heeds, word in (
        (Balance(alpha=1.0, class_weights=0.9), heard, "twice"),
        (Balance(alpha=1.0, side="generater"), heard, "generator"),
        (Balance(class_weights=1.0), heard, "not including"),
        (Balance(class_weights=0.9), (), "class-weights"),
        (Balance(alpha=1.0, side="generator"), ("weight",), "balance-side"),
    ):
        with pytest.raises(UserError, match=word):
            balance.check(heeds, "some")


def test_a_run_resumes_with_its_weights(tmp_path: Path) -> None:
    given = dict(data="digits", quiet=True, evaluate_every=0, g_width=8, d_width=8, class_weights=0.99)
    whole = gantlet.train("r1gan", out=tmp_path / "whole", steps=4, **given)  # type: ignore[arg-type]
    gantlet.train("r1gan", out=tmp_path / "parts", steps=2, **given)  # type: ignore[arg-type]
    parts = gantlet.train("r1gan", out=tmp_path / "parts", steps=4, **given)  # type: ignore[arg-type]
    assert torch.equal(whole.sample(4), parts.sample(4))
    plain = gantlet.train("r1gan", out=tmp_path / "plain", steps=4, **{**given, "class_weights": 0.0})  # type: ignore[arg-type]
    assert whole.about["data"]["class_weights"] == 0.99
    assert "class_weights" not in plain.about["data"]
