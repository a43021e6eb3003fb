"""What `inspect` says alike of pictures, sounds, clips and text: counts by value, and the oddities of any data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from gantlet.data.splits import listing

IMBALANCE = 5.0  # largest class / smallest class from which it is named
FEW = 100  # of anything, below which it is named


def tally(items: Iterable[str]) -> dict[str, int]:
    """Return how often each value occurs, the most frequent first."""
    return dict(Counter(items).most_common())


def table(counts: Mapping[str, int], most: int = 6) -> str:
    """Return "a: 1,000, b: 20 and 4 more", or "none"."""
    return listing([f"{name}: {count:,}" for name, count in counts.items()], most) or "none"


def repeated(duplicates: Sequence[Sequence[str]], what: str, how: str = "another exactly") -> list[str]:
    """Return a sentence on groups of `what` that are the same, if there are any."""
    if not duplicates:
        return []
    extra = sum(len(group) - 1 for group in duplicates)
    return [f"{extra:,} {what} repeat {how} ({listing(duplicates[0], 3)})"]


def uneven(counts: Sequence[int], what: str) -> list[str]:
    """Return a sentence on classes of very different size, if they are."""
    if not counts or max(counts) < IMBALANCE * min(counts):
        return []
    return [f"classes are uneven: the largest has {max(counts):,} {what}, the smallest {min(counts):,}"]


def few(count: int, what: str) -> list[str]:
    """Return a sentence if there is little to learn from."""
    return [f"only {count} {what}: expect a model that memorises"] if 0 < count < FEW else []
