"""Byte-pair encoding: the pair of symbols that most often stand side by side becomes a symbol, again and again.

Source: Sennrich, Haddow & Birch 2016, "Neural Machine Translation of Rare Words with Subword Units" (arXiv
1508.07909), algorithm 1, over characters instead of bytes and with the blank before a word in place of its end mark.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise

Pair = tuple[str, str]


def train(words: Mapping[str, int], most: int) -> tuple[tuple[str, ...], tuple[Pair, ...]]:
    """Return symbols, at most `most`, and the merges in order, for words and how often each occurs.

    The characters come first, most frequent first and all of them if there is room. Of pairs that are as frequent the
    one that comes first by code points is merged. A pair that occurs once is none.
    """
    letters: Counter[str] = Counter()
    for word, count in words.items():
        for letter in word:
            letters[letter] += count
    symbols = [letter for letter, _ in sorted(letters.items(), key=lambda item: (-item[1], item[0]))][:most]
    split = [list(word) for word in words]
    counts = list(words.values())
    pairs: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)
    for number, parts in enumerate(split):
        for pair in pairwise(parts):
            pairs[pair] += counts[number]
            where[pair].add(number)
    queue = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(queue)
    merges: list[Pair] = []
    known = set(symbols)
    while len(symbols) < most and queue:
        negative, pair = heapq.heappop(queue)
        if pairs[pair] != -negative:  # it has changed since: its newer entry is in the queue as well
            continue
        if -negative < 2:
            break
        merges.append(pair)
        if (joined := pair[0] + pair[1]) not in known:
            symbols.append(joined)
            known.add(joined)
        for changed in merge(pair, split, counts, pairs, where):
            if pairs[changed] > 0:
                heapq.heappush(queue, (-pairs[changed], changed))
    return tuple(symbols), tuple(merges)


def merge(
    pair: Pair, split: list[list[str]], counts: list[int], pairs: Counter[Pair], where: defaultdict[Pair, set[int]]
) -> set[Pair]:
    """Join a pair in every word that has it, and return the pairs whose counts have changed."""
    changed: set[Pair] = set()
    for number in sorted(where.pop(pair)):
        parts, count = split[number], counts[number]
        for old in pairwise(parts):
            pairs[old] -= count
            changed.add(old)
        at = 0
        while at < len(parts) - 1:
            if (parts[at], parts[at + 1]) == pair:
                parts[at : at + 2] = [pair[0] + pair[1]]
            at += 1
        for new in pairwise(parts):
            pairs[new] += count
            where[new].add(number)
            changed.add(new)
    pairs[pair] = 0
    return changed - {pair}
