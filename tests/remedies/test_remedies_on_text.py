"""Remedies on recipes of text: those that need no pictures do what they say, or refuse in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from remedied import build, iterate, prepare
from torch import Tensor

from gantlet.errors import UserError
from gantlet.feeding import FOR_TEXT

WORDS, LENGTH = 12, 8


def sentences(start: int, count: int) -> dict[str, Tensor]:
    """Return [count, 8] tokens, their labels, and as many held out."""
    generators = [torch.Generator().manual_seed(position) for position in range(start, start + count)]
    tokens = torch.stack([torch.randint(3, WORDS, (LENGTH,), generator=generator) for generator in generators])
    label = torch.arange(start, start + count) % 2
    return {"tokens": tokens, "label": label, "holdout_tokens": tokens.flip(1), "holdout_label": 1 - label}


RECIPES = ("relgan", "seqgan", "maligan")
REWARDED = ("seqgan", "maligan")  # policy gradients: D's verdicts are G's rewards
PAIRS = [(recipe, remedy) for recipe in RECIPES for remedy in FOR_TEXT]


@pytest.mark.parametrize(("recipe", "remedy"), [pair for pair in PAIRS if pair not in [(r, "top_k") for r in REWARDED]])
def test_it_works(recipe: str, remedy: str, tmp_path: Path) -> None:
    asked = "holdout:every=1" if remedy == "holdout" else remedy
    training = prepare(build(recipe, [asked]), tmp_path)
    iterate(training, sentences)  # of the likelihood alone
    statistics = iterate(training, sentences)
    assert all(torch.isfinite(torch.tensor(value)) for value in statistics.values()), statistics
    assert statistics["D/gradient_norm"] > 0
    assert ("D/overfitting" in statistics) == (remedy == "holdout")


def test_holdout_on_a_d_that_judges_no_sentences_is_refused_before_training() -> None:
    with pytest.raises(UserError, match="'holdout' does not fit this recipe: it needs a recipe that samples"):
        build("text_style", ["holdout"])


@pytest.mark.parametrize("recipe", REWARDED)
def test_top_k_leaves_no_sample_without_its_reward(recipe: str) -> None:
    with pytest.raises(UserError, match="'top_k' does not fit this recipe: its D rewards every sample"):
        build(recipe, ["top_k"])
