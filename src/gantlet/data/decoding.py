"""Reading the files of a part one by one, in the order they lie, what fails set aside, within a limit of memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gantlet.data.files import Entry
from gantlet.data.folders import Part
from gantlet.data.pictures import Progress
from gantlet.errors import UserError
from gantlet.media.foreign import shown

T = TypeVar("T")

MAX_BYTES = 4 * 2**30  # of what is decoded and kept in memory


class TooLarge(Exception):
    """More files than fit into memory: not the fault of the one at hand."""


@dataclass
class Room:
    """The memory for what is decoded of one source."""

    path: Path
    what: str  # the plural: "clips"
    count: int  # of files in all
    used: int = 0  # bytes
    files: int = 0  # read so far

    def check(self, more: int) -> None:
        """Raise TooLarge if so many bytes more do not fit."""
        if self.used + more > MAX_BYTES:
            raise TooLarge(
                f"{shown(self.path)}: the first {self.files + 1:,} of {self.count:,} {self.what} need "
                f"{self.used + more:,} bytes in memory, more than the {MAX_BYTES:,} kept; take fewer or smaller ones."
            )

    def take(self, more: int) -> None:
        """Count the bytes of a file. Raises TooLarge if they do not fit."""
        self.check(more)
        self.used += more
        self.files += 1


def in_order(entries: Sequence[Entry]) -> list[tuple[int, Entry]]:
    """Return (number, entry) in the order that is quick to read."""
    return sorted(enumerate(entries), key=lambda item: item[1].at)


def read_each(
    part: Part, read: Callable[[Entry, str | None], T], progress: Progress | None = None
) -> tuple[list[T], dict[int, str]]:
    """Return what `read` makes of each (entry, label), in the order of names, and why others failed, by position.

    Raises UserError where `read` raises TooLarge.
    """
    items: dict[int, T] = {}
    broken: dict[int, str] = {}
    for done, (index, entry) in enumerate(in_order(part.entries), 1):
        try:
            items[index] = read(entry, None if part.labels is None else part.labels[index])
        except TooLarge as error:
            raise UserError(str(error)) from error
        except UserError as error:
            broken[index] = str(error)
        if progress is not None:
            progress(done, len(part.entries))
    return [items[index] for index in sorted(items)], broken
