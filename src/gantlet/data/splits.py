"""The parts of a data set (train, test, val) and the names of its classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gantlet.errors import UserError, suggest
from gantlet.media.foreign import shown

SPLITS = ("train", "test", "val")


class NoSuchSplit(UserError):
    """The data have no part of their own under this name; a caller may fall back to another."""


def check_split(split: str) -> None:
    """Raise `UserError` unless `split` is "train", "test" or "val"."""
    if split not in SPLITS:
        raise UserError(f"'{shown(split)}' is no split; choose train, test or val.{suggest(split, SPLITS)}")


def choose_split(where: str, split: str, there: Iterable[str]) -> str:
    """Return the part that serves as `split`: itself, or for "test" the part "val" if there is no other.

    Raises:
        NoSuchSplit: the data have neither.
    """
    there = list(there)
    if split in there:
        return split
    if split == "test" and "val" in there:
        return "val"
    raise NoSuchSplit(f"{shown(where)}: no {split} part of its own, only {' and '.join(there) or 'none'}; choose that.")


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct names: by value if all are whole numbers, else by spelling."""
    distinct = set(names)
    if all(name.isascii() and name.isdigit() and len(name) < 19 for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def listing(items: Sequence[str], most: int = 3) -> str:
    """Return "a, b, c and 4 more"."""
    head = ", ".join(shown(item) for item in items[:most])
    return head if len(items) <= most else f"{head} and {len(items) - most:,} more"
