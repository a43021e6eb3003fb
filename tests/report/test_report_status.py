from __future__ import annotations

import io
import os
import sys

import pytest

from gantlet.report.status import (
    LiveStatus,
    PlainStatus,
    QuietStatus,
    Standing,
    Status,
    choose_status,
    clock,
    live_console,
    progress_line,
)

LOSSES = {"G/adversarial": 0.69314, "D/adversarial": 1.3863, "D/r1": 0.0123, "a/very_long_name_of_a_loss": 1e-7}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def drive(status: Status) -> None:
    status.start("r3gan on digits, 3 min")
    for step in range(5):
        status.update(Standing(step / 4, 12_800 * step, 355.2, 130.0 - step, LOSSES))
    status.note("something [bold]odd[/bold] :smile: happened → look")
    status.update(Standing(None, 0, 0.0))
    status.stop()
    status.stop()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_the_line_fits(width: int) -> None:
    line = progress_line(Standing(0.456, 12_800, 355.2, 3730.0, LOSSES), width=width, bar="#-")
    assert len(line) <= width
    assert "45%" in line
    assert ("[" in line) is False
    if width >= 80:
        assert "12.8k samples  355/s  1:02:10 left  G/adv 0.693  D/adv 1.39" in line


def test_a_line_without_a_budget() -> None:
    assert (
        progress_line(Standing(None, 640, 12.34, None, {"G/loss": float("nan")})) == "640 samples  12.3/s  G/loss nan"
    )
    assert progress_line(Standing(7.0, 1, 0, float("inf"))).startswith("100%")
    assert clock(float("inf"))
    assert clock(61) == "1:01"


def test_plain_lines_come_every_ten_seconds() -> None:
    now = [0.0]
    stream = io.StringIO()
    status = PlainStatus(stream=stream, now=lambda: now[0])
    status.start("start")
    for second in range(35):
        now[0] = float(second)
        status.update(Standing(second / 35, second, 1.0))
    status.stop()
    lines = stream.getvalue().splitlines()
    assert [line.split("  ")[1] for line in lines[1:]] == [f"{n} samples" for n in (0, 10, 20, 30, 34)]


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_plain_has_no_control_codes(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    drive(PlainStatus(seconds=0, stream=stream))
    status = PlainStatus(stream=stream)
    status.note("red \x1b[31m name")
    text = raw.getvalue().decode(encoding)
    assert not any(ord(letter) < 32 and letter != "\n" for letter in text)
    assert "12.8k samples" in text
    assert ("→" in text) is (encoding == "utf-8")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_live_draws_a_bar_in_eighty_columns(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    console = live_console(
        file=stream, force_terminal=True, width=80, color_system=None, legacy_windows=False, _environ={}
    )
    drive(LiveStatus(console, seconds=0.0))
    stream.flush()
    text = raw.getvalue().decode(encoding)
    assert "12.8k samples" in text
    assert "[bold]odd[/bold] :smile:" in text
    assert ("━" in text) is (encoding == "utf-8")
    assert ("#####" in text) is (encoding == "ascii")


@pytest.mark.parametrize("kind", ["live", "plain", "quiet"])
def test_a_terminal_that_went_away_does_not_end_the_run(kind: str) -> None:
    gone = Gone()
    console = live_console(file=gone, force_terminal=True, width=80, _environ={})
    made: dict[str, Status] = {
        "live": LiveStatus(console, seconds=0.0),
        "plain": PlainStatus(stream=gone),
        "quiet": QuietStatus(gone),
    }
    drive(made[kind])


def test_quiet_prints_notes_alone() -> None:
    stream = io.StringIO()
    drive(QuietStatus(stream))
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("terminal", "environment", "expected"),
    [
        (True, {}, LiveStatus),
        (True, {"NO_COLOR": "1"}, PlainStatus),
        (True, {"TERM": "dumb"}, PlainStatus),
        (False, {}, PlainStatus),
    ],
)
def test_the_display_fits_the_output(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, environment: dict[str, str], expected: type
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    monkeypatch.setattr(os, "environ", {"TERM": "xterm", **environment})
    assert type(choose_status(quiet=False)) is expected
    assert type(choose_status(quiet=True)) is QuietStatus


def test_without_rich_the_lines_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(os, "environ", {"TERM": "xterm"})
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert type(choose_status()) is PlainStatus
