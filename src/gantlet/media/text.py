"""Text in and out: bytes of any common encoding into lines, lines into a file; what had to be guessed is said."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

from gantlet.errors import UserError
from gantlet.media.foreign import MAX_FILE_BYTES, check_ratio, reading, shown
from gantlet.media.image import replace

SUFFIXES = (".txt", ".text", ".csv", ".tsv")  # of files of text, each perhaps with .gz after it
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins alike
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
BINARY = 0.1  # share of control characters from which bytes are no text


def text_suffix(name: str) -> str:
    """Return the ending of a file of text in lower case without .gz, "" for other files."""
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    return suffix if suffix in SUFFIXES else ""


def unpacked(data: bytes, name: str) -> bytes:
    """Return the bytes of a file of text, unpacked if it is gzipped.

    Raises UserError for a damaged file, or one that would unpack to far more than it is.
    """
    if data[:2] != b"\x1f\x8b":
        return data
    with (
        reading(name, "the gzip is damaged or incomplete, so fetch or pack it again"),
        gzip.open(io.BytesIO(data)) as file,
    ):
        pieces, total = [], 0
        while piece := file.read(2**20):
            pieces.append(piece)
            total += len(piece)
            check_ratio(name, total, len(data))
            if total > MAX_FILE_BYTES:
                raise UserError(
                    f"{shown(name)}: unpacks to more than {MAX_FILE_BYTES:,} bytes; cut the text into parts."
                )
    return b"".join(pieces)


def decoded(data: bytes, name: str) -> tuple[list[str], list[str]]:
    """Return the lines of a text, and notes on what had to be guessed.

    UTF-8 unless a byte-order mark says otherwise; single lines that are no UTF-8 are read as Windows-1252. Lines end
    in a line feed, perhaps with a carriage return; other separators stay in the line.

    Raises UserError for bytes that are no text.
    """
    encoding = next((encoding for mark, encoding in MARKS if data.startswith(mark)), "")
    if encoding:
        with reading(name, f"it begins as {encoding.upper()} and does not go on so; save it as UTF-8"):
            return _lines(data.decode(encoding)), []
    head = data[:65536]
    if sum(head.count(byte) for byte in range(9)) > BINARY * max(len(head), 1) or b"\0" in head:
        raise UserError(f"{shown(name)}: is no text (it holds control characters); give UTF-8 text.")
    try:
        return _lines(data.decode("utf-8")), []
    except UnicodeDecodeError:
        pass
    out, guessed = [], 0
    for line in data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        try:
            out.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            out.append(line.decode("cp1252", "replace"))
            guessed += 1
    return out[:-1] if out[-1] == "" else out, [
        f"{guessed:,} lines of {shown(name)} are not UTF-8 and are read as Windows-1252"
    ]


def write_lines(path: str | Path, lines: Sequence[str]) -> None:
    """Write lines as UTF-8, each with a line feed, in one step. Line breaks within a line are written as blanks."""
    text = "".join(f"{' '.join(line.splitlines())}\n" for line in lines)
    replace(Path(path), lambda file: file.write(text.encode("utf-8", "replace")))


def write_text(path: str | Path, passages: Sequence[str]) -> None:
    """Write passages that hold lines of their own, with a rule between them."""
    text = ("\n" + "-" * 40 + "\n").join(passages) + "\n"
    replace(Path(path), lambda file: file.write(text.encode("utf-8", "replace")))


def _lines(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines
