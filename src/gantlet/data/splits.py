"""The parts of a data set (train, test, val) and the names of its classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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


def classes_for(split: str, labels: Mapping[str, Sequence[str | None]], what: str, where: str) -> tuple[str, ...]:
    """Return the classes of all parts, whose `labels` are None where there is none; () if this split has no labels.

    Raises UserError if the training part has none and another has, or some of this split lack theirs.
    """
    classes = class_order(label for names in labels.values() for label in names if label is not None)
    if not classes:
        return ()
    bare = {part: sum(name is None for name in names) for part, names in labels.items()}
    if bare["train"] == len(labels["train"]):
        other = next(part for part in labels if bare[part] < len(labels[part]))
        raise UserError(
            f"{where}: the {other} part has labels and the training part has none; label both or neither, or leave "
            "labels aside with --unconditional."
        )
    if bare[split] == len(labels[split]):
        return ()
    if bare[split]:
        raise UserError(
            f"{where}: {bare[split]:,} of {len(labels[split]):,} {what} of the {split} part have no label; add them, "
            "or leave labels aside with --unconditional."
        )
    return classes


def listing(items: Sequence[str], most: int = 3) -> str:
    """Return "a, b, c and 4 more"."""
    head = ", ".join(shown(item) for item in items[:most])
    return head if len(items) <= most else f"{head} and {len(items) - most:,} more"
