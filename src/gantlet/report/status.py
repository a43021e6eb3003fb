"""Where a run stands, told to the person who waits: a live line in a terminal, plain lines anywhere else."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from gantlet.report.numbers import short

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text


@dataclass(frozen=True)
class Standing:
    """How far a run is, and how it goes."""

    fraction: float | None  # of the budget that is used; None where there is none
    samples: int
    rate: float  # samples per second
    remaining_seconds: float | None = None
    losses: Mapping[str, float] = field(default_factory=dict)


class Status(Protocol):
    """What the loop tells: it starts, it moves, something is worth a line, it stops."""

    def start(self, description: str) -> None:
        """Begin: what runs, and to what end ("biggan on digits, 3 min")."""
        ...

    def update(self, standing: Standing) -> None:
        """Show where the run stands."""
        ...

    def note(self, message: str) -> None:
        """Print a line that stays."""
        ...

    def stop(self) -> None:
        """End; stopping twice is harmless."""
        ...


def choose_status(quiet: bool = False) -> Status:
    """Return the display for this standard error: live in a terminal, else plain; quiet keeps only the notes."""
    if quiet:
        return QuietStatus()
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        with contextlib.suppress(Exception):  # rich is missing, or broken: plain lines do as well
            return LiveStatus()
    return PlainStatus()


def clock(seconds: float) -> str:
    """Return "2:10" or "1:02:10"."""
    minutes, rest = divmod(max(0, round(min(seconds, 1e9))), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def progress_line(standing: Standing, width: int = 10_000, bar: str = "") -> str:
    """Return one line of at most `width` columns; `bar` gives the full and the empty letter of a bar, if any."""
    parts = []
    if standing.fraction is not None:
        fraction = min(1.0, max(0.0, standing.fraction))
        cells = 20 if width >= 110 else 10 if width >= 60 else 0
        full = int(fraction * cells)
        drawn = bar[0] * full + bar[1] * (cells - full) + " " if bar and cells else ""
        parts.append(f"{drawn}{int(100 * fraction)}%")
    parts += [f"{short(standing.samples)} samples", f"{short(standing.rate)}/s"]
    if standing.remaining_seconds is not None:
        parts.append(f"{clock(standing.remaining_seconds)} left")
    parts += [f"{name.replace('adversarial', 'adv')} {value:.3g}" for name, value in standing.losses.items()]
    line = parts[0]
    for part in parts[1:]:
        if len(line) + 2 + len(part) > width:
            break
        line += "  " + part
    return line[:width]


class QuietStatus:
    """Says nothing of progress; notes are still printed."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def start(self, description: str) -> None:
        """Say nothing."""

    def update(self, standing: Standing) -> None:
        """Say nothing."""

    def note(self, message: str) -> None:
        """Print the message as a line."""
        _print(message, self._stream or sys.stderr)

    def stop(self) -> None:
        """Say nothing."""


class PlainStatus:
    """One plain line every few seconds, without control codes: for files, pipes and simple terminals."""

    def __init__(
        self, seconds: float = 10.0, stream: TextIO | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._stream = stream
        self._now = now
        self._printed: float | None = None
        self._pending = ""

    def start(self, description: str) -> None:
        """Print what runs."""
        self._printed = None
        self.note(description)

    def update(self, standing: Standing) -> None:
        """Print a line if the last one is old enough, else keep it for the end."""
        self._pending = progress_line(standing)
        if self._printed is None or self._now() - self._printed >= self._seconds:
            self._flush()

    def note(self, message: str) -> None:
        """Print the message as a line."""
        _print(message, self._stream or sys.stderr)

    def stop(self) -> None:
        """Print the last state, if it was not printed."""
        self._flush()

    def _flush(self) -> None:
        if self._pending:
            self.note(self._pending)
            self._pending = ""
            self._printed = self._now()


def live_console(**options: Any) -> Console:
    """Return a rich console that falls silent when its terminal goes away, where rich itself would exit."""
    from rich.console import Console as RichConsole

    class Lasting(RichConsole):
        def on_broken_pipe(self) -> None:
            self.quiet = True

    return Lasting(highlight=False, **options)


class LiveStatus:
    """One live line at the bottom of a terminal; notes scroll by above it."""

    def __init__(self, console: Console | None = None, seconds: float = 0.2) -> None:
        self._console = console or live_console(stderr=True)
        self._seconds = seconds
        self._live: Live | None = None
        self._shown = float("-inf")
        self._last: Standing | None = None

    def start(self, description: str) -> None:
        """Print what runs and open the live line."""
        from rich.live import Live as RichLive

        self.stop()
        self.note(description)
        self._live = RichLive(self._text("starting"), console=self._console, auto_refresh=False)
        with contextlib.suppress(OSError, ValueError):  # a terminal that went away must not end the run
            self._live.start(refresh=True)

    def update(self, standing: Standing) -> None:
        """Redraw the line, a few times a second at most."""
        self._last = standing
        if time.monotonic() - self._shown >= self._seconds:
            self._draw()

    def note(self, message: str) -> None:
        """Print the message above the live line."""
        with contextlib.suppress(OSError, ValueError):
            self._console.print(self._text(message), soft_wrap=True)

    def stop(self) -> None:
        """Leave the last state on the screen and give the terminal back."""
        if self._live is None:
            return
        self._draw()
        with contextlib.suppress(OSError, ValueError):
            self._live.stop()
        self._live = None

    def _draw(self) -> None:
        if self._live is None or self._last is None:
            return
        ascii_only = not _encodes("━─", self._console.encoding)
        line = progress_line(self._last, width=self._console.width - 1, bar="#-" if ascii_only else "━─")
        with contextlib.suppress(OSError, ValueError):
            self._live.update(self._text(line), refresh=True)
        self._shown = time.monotonic()

    def _text(self, message: str) -> Text:
        from rich.text import Text as RichText

        text = RichText(_writable(message, self._console.encoding))
        text.highlight_regex(r"━+|#{2,}", "green")
        text.highlight_regex(r"─+", "bright_black")
        return text


def _encodes(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _writable(text: str, encoding: str) -> str:
    """Return the text without control codes and with "?" for what the encoding lacks."""
    text = "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
    try:
        return text.encode(encoding, "replace").decode(encoding)
    except LookupError:
        return text.encode("ascii", "replace").decode("ascii")


def _print(message: str, stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):  # a closed pipe must not end the run
        print(_writable(message, getattr(stream, "encoding", None) or "ascii"), file=stream, flush=True)
