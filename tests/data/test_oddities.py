"""Counts and oddities that all kinds of data share."""

from __future__ import annotations

from gantlet.data.oddities import few, repeated, table, tally, uneven


def test_counts_are_told_the_most_frequent_first() -> None:
    counts = tally(["a", "b", "b", "c", "b", "c"])
    assert list(counts.items()) == [("b", 3), ("c", 2), ("a", 1)]
    assert table(counts) == "b: 3, c: 2, a: 1"
    assert table(counts, 1) == "b: 3 and 2 more"
    assert table({}) == "none"


def test_what_is_odd_gets_a_sentence_and_what_is_not_gets_none() -> None:
    assert uneven([500, 100], "clips") == ["classes are uneven: the largest has 500 clips, the smallest 100"]
    assert uneven([499, 100], "clips") == []
    assert uneven([], "clips") == []
    assert few(99, "clips") == ["only 99 clips: expect a model that memorises"]
    assert few(0, "clips") == few(100, "clips") == []
    assert repeated([("a", "b", "c"), ("d", "e")], "clips") == ["3 clips repeat another exactly (a, b, c)"]
    assert repeated([], "clips") == []
