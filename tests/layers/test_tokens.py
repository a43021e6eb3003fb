"""Rows of tokens: what is read before each, where they end, and how a symbol is picked."""

from __future__ import annotations

import torch

from gantlet.data import vocabulary
from gantlet.layers import tokens as rows


def test_the_ids_are_those_of_the_vocabulary() -> None:
    assert (rows.PAD, rows.END, rows.BEGIN, rows.UNKNOWN) == (0, 1, 2, 3)
    ours = (rows.PAD, rows.END, rows.BEGIN, rows.UNKNOWN)
    assert ours == (vocabulary.PAD, vocabulary.END, vocabulary.BEGIN, vocabulary.UNKNOWN)


def test_shifted_and_finished() -> None:
    tokens = torch.tensor([[5, 6, 1, 7], [5, 6, 7, 8], [1, 1, 0, 4]])
    assert rows.shifted(tokens).tolist() == [[2, 5, 6, 1], [2, 5, 6, 7], [2, 1, 1, 0]]
    assert rows.finished(tokens).tolist() == [[5, 6, 1, 0], [5, 6, 7, 8], [1, 0, 0, 0]]


def test_pick_is_the_inverse_of_the_distribution_function() -> None:
    logits = torch.tensor([[0.1, 0.0, 0.5, 0.4]]).log().expand(6, -1)
    picked = rows.pick(logits, torch.tensor([0.0, 0.05, 0.11, 0.59, 0.61, 1 - 2**-24]))
    assert picked.tolist() == [0, 0, 2, 2, 3, 3]  # never 1, whose probability is 0


def test_pick_at_other_temperatures() -> None:
    logits, uniform = torch.tensor([[1.0, 2.0, 4.0]]).log(), torch.linspace(0, 0.999, 1000)
    shares = rows.pick(logits.expand(1000, -1), uniform, 0.5).bincount(minlength=3) / 1000
    torch.testing.assert_close(shares, torch.tensor([1.0, 4.0, 16.0]) / 21, atol=2e-3, rtol=0)
    assert rows.pick(logits, torch.zeros(1), 0.0).tolist() == [2]


def test_pick_of_many_rows_is_that_of_each() -> None:
    logits, uniform = torch.randn(rows.ROWS + 7, 9), torch.rand(rows.ROWS + 7)
    assert torch.equal(rows.pick(logits, uniform)[-3:], rows.pick(logits[-3:], uniform[-3:]))


def test_gumbel_noise_picks_as_often_as_the_softmax_says() -> None:
    """Mean of the standard Gumbel distribution: Euler's constant; and no number is infinite."""
    uniform = torch.rand(200_000, generator=torch.Generator().manual_seed(0))
    assert abs(float(rows.gumbel(uniform).mean()) - 0.5772) < 0.01
    assert torch.isfinite(rows.gumbel(torch.tensor([0.0, 1 - 2**-24]))).all()
