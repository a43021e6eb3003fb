"""Tables for the terminal: aligned plain text that also reads well in a file."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence

_NUMBER = re.compile(r"[-+]?[\d., ]*\d(e[-+]?\d+)?\s*(%|k|M|B|s)?|nan|-?inf|-|")


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], width: int | None = None) -> str:
    """Return an aligned table; columns of numbers stand right, and `width` wraps the last column of words."""
    cells = [[_clean(cell) for cell in row] + [""] * (len(headers) - len(row)) for row in rows]
    heads = [_clean(head) for head in headers]
    columns = list(zip(*([heads, *cells])))
    right = [any(column[1:]) and all(_NUMBER.fullmatch(cell) for cell in column[1:]) for column in columns]
    widths = [max(_width(cell) for cell in column) for column in columns]
    if width is not None and columns and not right[-1]:
        widths[-1] = min(widths[-1], max(16, width - sum(widths[:-1]) - 2 * (len(widths) - 1)))
    lines = [_row(heads, widths, right), "  ".join("-" * size for size in widths)]
    for row in cells:
        wrapped = textwrap.wrap(row[-1], widths[-1]) or [""] if row else [""]
        lines.append(_row([*row[:-1], wrapped[0]], widths, right))
        lines += [_row([""] * (len(row) - 1) + [rest], widths, right) for rest in wrapped[1:]]
    return "\n".join(line.rstrip() for line in lines)


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for cell, size, flush_right in zip(cells, widths, right):
        space = " " * (size - _width(cell))
        padded.append(space + cell if flush_right else cell + space)
    return "  ".join(padded)


def _clean(cell: object) -> str:
    """Return a cell as one printable line: control characters in a name must not steer a terminal."""
    text = " ".join(str("" if cell is None else cell).split())
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _width(text: str) -> int:
    """Return how many columns a terminal gives a text."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)
