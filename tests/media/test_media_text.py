"""Text files: encodings, packed files, and lines as they are written."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from gantlet.errors import UserError
from gantlet.media.text import decoded, text_suffix, unpacked, write_lines


def test_endings_of_text_also_packed() -> None:
    names = ("a.TXT", "a.b.csv.gz", "x/a.tsv", "a.png", "train-idx3-ubyte.gz", "a.gz")
    assert [text_suffix(name) for name in names] == [".txt", ".csv", ".tsv", "", "", ""]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marks_tell_the_encoding(encoding: str) -> None:
    assert decoded("häuser\r\nein\u2028satz\r\n".encode(encoding), "a.txt") == (["häuser", "ein\u2028satz"], [])


def test_what_is_no_text_or_damaged_is_refused() -> None:
    with pytest.raises(UserError, match="is no text"):
        decoded(b"\x89PNG\0\0\0\0\1\2\3", "a.txt")
    with pytest.raises(UserError, match="UTF-16"):
        decoded(b"\xff\xfea\0b", "a.txt")
    assert unpacked(gzip.compress(b"abc"), "a.gz") == b"abc"
    with pytest.raises(UserError, match="damaged"):
        unpacked(gzip.compress(b"abc" * 99)[:-9], "a.gz")


def test_a_line_is_written_as_one_line(tmp_path: Path) -> None:
    write_lines(tmp_path / "new" / "a.txt", ["one", "", "two\nhalves", "床"])
    assert (tmp_path / "new" / "a.txt").read_text(encoding="utf-8") == "one\n\ntwo halves\n床\n"
