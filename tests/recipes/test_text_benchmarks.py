"""What the benchmarks of text stand on: the grammar's checks, the oracle, and the comparison at equal NLL-gen."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
grammar = importlib.import_module("grammar")
text_oracle = importlib.import_module("text_oracle")


def test_every_sentence_of_the_grammar_is_parsed_and_has_its_style() -> None:
    for style in (0, 1):
        lines = grammar.generate(0, 300, style)
        found = [grammar.parse(line) for line in lines]
        assert all(each is not None and set(each.styles) == {style} for each in found)
        assert {each.template for each in found if each is not None} == set(range(len(grammar.TEMPLATES)))
        assert grammar.check(lines, lines, style) == dict(style=1, content=1, grammatical=1, exact=1)
        assert grammar.check(lines, lines, 1 - style) == dict(style=0, content=1, grammatical=1, exact=0)


def test_words_of_the_other_style_are_a_perfect_transfer() -> None:
    lines, other = grammar.generate(0, 300, 0), {}
    for negative, positive in grammar.STYLES.values():
        other.update(zip(negative, positive, strict=True))
    written = [" ".join(other.get(word, word) for word in line.split()) for line in lines]
    assert grammar.check(lines, written, 1) == dict(style=1, content=1, grammatical=1, exact=1)


@pytest.mark.parametrize(
    ("written", "style", "content", "grammatical"),
    [
        ("i loved the pizza at the market today", 1, 3 / 3, 1),
        ("i loved the soup at the market today", 1, 2 / 3, 1),
        ("i loved the pizza at the market", 1, 2 / 3, 0),  # its time is missing
        ("we loved the awful pizza at the market", 0, 2 / 3, 1),  # of both styles
        ("market loved today pizza", 1, 3 / 3, 0),
        ("", 0, 0, 0),
    ],
)
def test_checks_by_hand(written: str, style: float, content: float, grammatical: float) -> None:
    found = grammar.check(["i hated the pizza at the market today"], [written], 1)
    assert (found["style"], found["content"], found["grammatical"]) == (style, content, grammatical)
    assert found["exact"] == (written == "i loved the pizza at the market today")


def test_the_oracle_is_the_same_everywhere_and_writes_symbols_only() -> None:
    oracle = text_oracle.oracle("small")
    assert text_oracle.fingerprint(oracle) == "0042f58a121f"
    rows = text_oracle.rows_of(oracle, 0, 200)
    assert rows.shape == (200, 20)
    assert int(rows.min()) >= text_oracle.SPECIAL
    assert 2.9 < float(text_oracle.nats(oracle, rows).mean()) < 3.3  # 3.104 +- .004 over 10,000


def test_every_epoch_is_a_permutation_and_a_function_of_the_position() -> None:
    rows = text_oracle.feed(torch.arange(10)[:, None], 0)
    epochs = [rows(start, 10)["tokens"][:, 0].tolist() for start in (0, 10)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1]
    assert rows(7, 6)["tokens"][:, 0].tolist() == epochs[0][7:] + epochs[1][:3]


def test_models_are_compared_where_they_have_the_same_nll_gen() -> None:
    sweep = [{"nll_gen": gen, "nll_oracle": told} for gen, told in ((4.0, 5.0), (5.0, 4.0), (7.0, 3.0))]
    compare = text_oracle.at_equal_nll_gen
    assert compare({"nll_gen": 6.0, "nll_oracle": 3.4}, {"sweep": sweep}) == pytest.approx(-0.1)
    assert compare({"nll_gen": 4.5, "nll_oracle": 4.7}, {"sweep": sweep}) == pytest.approx(0.2)
    assert compare({"nll_gen": 3.0, "nll_oracle": 5.0}, {"sweep": sweep}) == 0
    assert text_oracle.verdict([-0.1, -0.11, -0.12]).startswith("helps")
    assert text_oracle.verdict([0.1, -0.11, 0.02]).startswith("no measurable effect")
    assert np.sign(float(text_oracle.verdict([0.5])[:6])) == 1
