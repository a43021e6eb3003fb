"""The samples of a run of text on its page: what it wrote last and before, beside what it read."""

from __future__ import annotations

from pathlib import Path

from gantlet.report.folder import evenly, numbered
from gantlet.report.markup import text
from gantlet.report.numbers import short

_MOST_LETTERS = 6000  # of a file that is shown
_MOST_LINES = 40
_EARLIER = 6  # files before the last one, each with a few lines
_FEW = 5


def text_samples(run: Path) -> str:
    """Return the section of samples of a run of text as HTML, "" for a run that wrote none."""
    reals = run / "reals.txt"
    written = sorted(numbered(run / "samples", "*.txt"))
    if not written and not reals.is_file():
        return ""
    parts = ["<h2>Samples</h2>"]
    if written:
        seen, latest = written[-1]
        parts.append(_block(latest, f"Written after {short(seen)} samples of data", _MOST_LINES))
    if reals.is_file():
        parts.append(_block(reals, "Real text", _MOST_LINES))
    earlier = written[:-1]
    if earlier:
        parts.append("<h3>Over time</h3>")
        parts += [_block(path, f"After {short(seen)}", _FEW) for seen, path in evenly(earlier, _EARLIER)]
    return "".join(parts)


def _block(path: Path, caption: str, most: int) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            content = file.read(_MOST_LETTERS)
    except OSError:
        return f"<p class='soft'>{text(caption)}: the file cannot be read</p>"
    lines = "\n".join(content.split("\n")[:most])
    return f"<h3>{text(caption)}</h3><pre>{text(lines)}</pre>"
