import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantlet.data import Order, balanced_weights


@given(n=st.integers(1, 60), seed=st.integers(-5, 2**40), epoch=st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_every_epoch_is_a_permutation(n: int, seed: int, epoch: int) -> None:
    assert sorted(Order(n, seed).indices(epoch * n, n)) == list(range(n))


@given(
    n=st.integers(1, 40),
    seed=st.integers(0, 99),
    chunks=st.lists(st.integers(0, 90), max_size=8),
    weighted=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_any_chunking_gives_the_same_stream(n: int, seed: int, chunks: list[int], weighted: bool) -> None:
    weights = np.arange(n) + 0.5 if weighted else None
    whole = Order(n, seed, weights).indices(0, sum(chunks))
    order, start, parts = Order(n, seed, weights), 0, [np.empty(0, np.int64)]
    for chunk in chunks:
        parts.append(order.indices(start, chunk))
        start += chunk
    assert np.array_equal(np.concatenate(parts), whole)
    assert all(len(part) == chunk for part, chunk in zip(parts[1:], chunks))


def test_the_order_is_the_same_in_every_version() -> None:
    assert Order(8, seed=3).indices(0, 16).tolist() == [6, 1, 5, 2, 7, 4, 3, 0, 7, 3, 5, 6, 4, 0, 2, 1]


def test_seeds_and_epochs_differ() -> None:
    order = Order(100, seed=0)
    assert not np.array_equal(order.indices(0, 100), order.indices(100, 100))
    assert not np.array_equal(order.indices(0, 100), Order(100, seed=1).indices(0, 100))


def test_a_batch_larger_than_the_data_is_full() -> None:
    assert np.bincount(Order(3, 0).indices(0, 12)).tolist() == [4, 4, 4]


def test_a_returned_batch_can_be_changed_without_harm() -> None:
    order = Order(10, 0)
    order.indices(0, 10)[:] = -1
    assert sorted(order.indices(0, 10)) == list(range(10))


def test_weights_draw_in_proportion_and_never_what_weighs_nothing() -> None:
    counts = np.bincount(Order(4, 0, np.array([0.0, 1, 3, 0])).indices(0, 40_000), minlength=4)
    assert counts[0] == counts[3] == 0
    assert abs(counts[2] / counts[1] - 3) < 0.15


@pytest.mark.parametrize("weights", [[1, 2], [1, -1, 1], [0, 0, 0], [1, np.nan, 1]])
def test_bad_weights_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weight"):
        Order(3, 0, np.array(weights))


@pytest.mark.parametrize(("alpha", "expected"), [(1.0, [0.5, 0.5]), (0.0, [0.9, 0.1]), (0.5, [0.75, 0.25])])
def test_balanced_weights_give_classes_their_share(alpha: float, expected: list[float]) -> None:
    labels = np.array([0] * 9 + [1])
    weights = balanced_weights(labels, alpha)
    assert np.allclose([weights[labels == 0].sum(), weights[labels == 1].sum()], expected)
