"""BLEU, leave-one-out Self-BLEU and novelty of sentences given as symbols; every definition is stated, none looped.

BLEU-n of a sentence against a set of references (Papineni et al. 2002): the brevity penalty times the geometric mean
of the clipped precisions of 1- to n-grams, each count clipped at the largest that one reference has. Of a set of
sentences it is the mean over sentences, as the text GANs report it (Zhu et al. 2018, "Texygen", arXiv 1802.01886), a
count of zero taken as 0.1 (method 1 of Chen & Cherry 2014, which Texygen and NLTK use). Self-BLEU-n is that of each
sentence against all *other* sentences of the set: a sentence is never its own reference.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import UserError

ORDERS = (2, 3, 4, 5)
EPSILON = 0.1  # what a count of zero is taken for
DEFINITION = (
    "mean over sentences of BLEU-n: brevity penalty against the closest reference length (ties: the shorter) x "
    "geometric mean of the clipped 1- to n-gram precisions, a count of 0 taken as 0.1 (method 1)"
)
SELF_DEFINITION = "as BLEU, the references of a sentence being all other sentences of the set (leave one out)"

Symbols = Sequence[Hashable]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Grams:
    """How often each n-gram stands in each row: entries sorted by row."""

    row: Counts
    gram: Counts
    count: Counts
    kinds: int  # different n-grams
    total: Counts  # n-grams of each row


def numbered(*sets: Iterable[Symbols]) -> list[NDArray[np.int64]]:
    """Return sets of sentences as rows [N, T] of numbers, the same for equal symbols, -1 after each sentence."""
    known: dict[Hashable, int] = {}
    coded = [[[known.setdefault(symbol, len(known)) for symbol in row] for row in rows] for rows in sets]
    longest = max((len(row) for rows in coded for row in rows), default=0)
    out = []
    for rows in coded:
        array = np.full((len(rows), max(longest, 1)), -1, np.int64)
        for place, row in zip(array, rows):
            place[: len(row)] = row
        out.append(array)
    return out


def grams(rows: NDArray[np.int64], most: int) -> list[Grams]:
    """Return the n-grams of rows [N, T] of numbers for n = 1 to `most`, equal ones with the same number."""
    out = []
    rows = np.pad(rows, ((0, 0), (0, most)), constant_values=-1)  # every n-gram has a place, if an empty one
    codes: NDArray[np.int64] = rows
    size = int(rows.max(initial=0)) + 1
    for n in range(1, most + 1):
        if n > 1:
            codes = np.where(rows[:, n - 1 :] >= 0, codes[:, :-1] * size + rows[:, n - 1 :], -1)
        there = codes >= 0
        values, numbers = np.unique(codes[there], return_inverse=True)
        codes = np.full(codes.shape, -1, np.int64)
        codes[there] = numbers
        kinds = max(len(values), 1)
        pairs, count = np.unique(np.nonzero(there)[0] * kinds + numbers, return_counts=True)
        out.append(Grams(pairs // kinds, pairs % kinds, count, kinds, there.sum(1)))
    return out


def bleu(
    hypotheses: Iterable[Symbols], references: Iterable[Symbols], orders: Sequence[int] = ORDERS
) -> dict[int, float]:
    """Return BLEU-n by n: the mean over hypotheses, each against all references. Raises UserError for an empty set."""
    return {n: float(each.mean()) for n, each in sentence_bleu(hypotheses, references, orders).items()}


def sentence_bleu(
    hypotheses: Iterable[Symbols], references: Iterable[Symbols], orders: Sequence[int] = ORDERS
) -> dict[int, NDArray[np.float64]]:
    """Return BLEU-n of each hypothesis [N] against all references, by n."""
    ours, theirs = numbered(hypotheses, references)
    if not len(ours) or not len(theirs):
        raise UserError("BLEU needs at least one sentence and one reference.")
    count = len(ours)
    clipped, totals = [], []
    for found in grams(np.concatenate([ours, theirs]), max(orders)):
        reference = found.row >= count
        most = np.zeros(found.kinds, np.int64)
        np.maximum.at(most, found.gram[reference], found.count[reference])
        mine = ~reference
        kept = np.minimum(found.count[mine], most[found.gram[mine]])
        clipped.append(np.bincount(found.row[mine], kept, count))
        totals.append(found.total[:count])
    lengths = (ours >= 0).sum(1)
    closest = closest_lengths(lengths, (theirs >= 0).sum(1), alone=False)
    return _scores(clipped, totals, lengths, closest, orders)


def self_bleu(sentences: Iterable[Symbols], orders: Sequence[int] = ORDERS) -> dict[int, float]:
    """Return Self-BLEU-n by n: the mean over sentences of BLEU-n against all others, in time linear in their number.

    The largest count of an n-gram among the others is the largest of all, or for the sentence that has it the second.

    Raises UserError for fewer than two sentences.
    """
    (rows,) = numbered(sentences)
    if len(rows) < 2:
        raise UserError("Self-BLEU needs at least two sentences.")
    clipped, totals = [], []
    for found in grams(rows, max(orders)):
        order = np.lexsort((found.count, found.gram))
        gram, count = found.gram[order], found.count[order]
        last = np.flatnonzero(np.append(gram[1:] != gram[:-1], True)) if len(gram) else np.empty(0, np.int64)
        most, second = np.zeros(found.kinds, np.int64), np.zeros(found.kinds, np.int64)
        most[gram[last]] = count[last]
        before = last[(last > 0)]
        before = before[gram[before - 1] == gram[before]]
        second[gram[before]] = count[before - 1]
        limit = most[gram]
        limit[last] = second[gram[last]]
        clipped.append(np.bincount(found.row[order], np.minimum(count, limit), len(rows)))
        totals.append(found.total)
    lengths = (rows >= 0).sum(1)
    scores = _scores(clipped, totals, lengths, closest_lengths(lengths, lengths, alone=True), orders)
    return {n: float(each.mean()) for n, each in scores.items()}


def paired_bleu(
    hypotheses: Sequence[Symbols], references: Sequence[Symbols], orders: Sequence[int] = ORDERS
) -> dict[int, float]:
    """Return BLEU-n by n: the mean over hypotheses, each against its own one reference.

    Raises UserError unless there are as many of both, and at least one.
    """
    ours, theirs = numbered(hypotheses, references)
    if not len(ours) or len(ours) != len(theirs):
        raise UserError(f"BLEU by pairs needs as many references as sentences, not {len(theirs)} for {len(ours)}.")
    count = len(ours)
    clipped, totals = [], []
    for found in grams(np.concatenate([ours, theirs]), max(orders)):
        reference = found.row >= count
        mine = found.row[~reference] * found.kinds + found.gram[~reference]
        other = (found.row[reference] - count) * found.kinds + found.gram[reference]
        _, here, there = np.intersect1d(mine, other, assume_unique=True, return_indices=True)
        kept = np.minimum(found.count[~reference][here], found.count[reference][there])
        clipped.append(np.bincount(found.row[~reference][here], kept, count))
        totals.append(found.total[:count])
    scores = _scores(clipped, totals, (ours >= 0).sum(1), (theirs >= 0).sum(1), orders)
    return {n: float(each.mean()) for n, each in scores.items()}


def closest_lengths(lengths: Counts, references: Counts, alone: bool) -> Counts:
    """Return for each length the closest one among the references, the shorter of two; `alone` leaves itself out."""
    kinds, counts = np.unique(references, return_counts=True)
    gaps = np.abs(lengths[:, None] - kinds[None, :]).astype(np.float64)
    if alone:
        gaps[(lengths[:, None] == kinds[None, :]) & (counts[None, :] < 2)] = np.inf
    return np.asarray(kinds[gaps.argmin(1)])


def _scores(
    clipped: Sequence[NDArray[Any]], totals: Sequence[Counts], lengths: Counts, closest: Counts, orders: Sequence[int]
) -> dict[int, NDArray[np.float64]]:
    """Return BLEU-n [N] by n: zero for a sentence without symbols or without any known one."""
    logs = [np.log(np.where(hits > 0, hits, EPSILON) / np.maximum(total, 1)) for hits, total in zip(clipped, totals)]
    with np.errstate(divide="ignore"):
        penalty = np.where(lengths >= closest, 0.0, 1.0 - closest / np.maximum(lengths, 1))
    some = (lengths > 0) & (np.asarray(clipped[0]) > 0)
    return {n: np.where(some, np.exp(penalty + np.mean(logs[:n], axis=0)), 0.0) for n in orders}


def novelty(samples: Sequence[str], training: Iterable[str]) -> dict[str, float]:
    """Return the share of samples that are lines of the training text, and the share of different ones."""
    known = set(training)
    count = max(len(samples), 1)
    return {
        "copied_share": sum(sample in known for sample in samples) / count,
        "distinct_share": len(set(samples)) / count,
    }
