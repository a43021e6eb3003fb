"""Files of a part read one by one: order, what fails, and the limit of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from gantlet.data.decoding import MAX_BYTES, Room, TooLarge, read_each
from gantlet.data.files import Entry
from gantlet.data.folders import Part
from gantlet.errors import UserError

PART = Part(tuple(Entry(name, 1, "", at) for name, at in (("a", 30), ("b", 10), ("c", 20))), ("x", "y", "x"))


def test_files_are_read_as_they_lie_and_returned_by_name() -> None:
    seen: list[str] = []
    ticks: list[tuple[int, int]] = []

    def read(entry: Entry, label: str | None) -> str:
        seen.append(entry.name)
        if entry.name == "c":
            raise UserError("c is cut off.")
        return f"{entry.name}{label}"

    made, broken = read_each(PART, read, lambda done, count: ticks.append((done, count)))
    assert seen == ["b", "c", "a"]
    assert made == ["ax", "by"]
    assert broken == {2: "c is cut off."}
    assert ticks == [(1, 3), (2, 3), (3, 3)]


def test_more_than_memory_takes_is_no_broken_file() -> None:
    room = Room(Path("clips.zip"), "clips", 3)

    def read(entry: Entry, label: str | None) -> None:
        room.check(1)
        room.take(MAX_BYTES // 2)

    with pytest.raises(UserError, match=r"clips\.zip: the first 3 of 3 clips need .* take fewer"):
        read_each(PART, read)
    with pytest.raises(TooLarge):
        room.check(1)
