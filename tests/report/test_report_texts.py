"""What the page of a run of text shows, and the picture of curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gantlet.report import write_report
from gantlet.report.scatter import Curve, scatter
from gantlet.report.texts import text_samples


def test_the_page_shows_what_was_written_and_read_and_no_markup_of_theirs(tmp_path: Path) -> None:
    assert text_samples(tmp_path) == ""
    (tmp_path / "samples").mkdir()
    (tmp_path / "reals.txt").write_text("床前明月光\n", encoding="utf-8")
    for seen, line in ((1000, "first words"), (2000, "<script>later & last</script>")):
        (tmp_path / "samples" / f"{seen:09d}.txt").write_text(f"{line}\n" * 60)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "床前明月光" in page
    assert "&lt;script&gt;later &amp; last" in page
    assert "<script>later" not in page
    assert page.count("&lt;script&gt;later") == 40
    assert page.count("first words") == 5
    (tmp_path / "samples" / "²000.txt").write_text("no number")
    assert "no number" not in text_samples(tmp_path)
    (tmp_path / "samples" / "000003000.txt").write_bytes(b"\xff\xfe broken \x00")
    assert "broken" in text_samples(tmp_path)


def test_the_picture_draws_every_curve_in_its_colour_and_leaves_out_what_is_not_finite() -> None:
    one = Curve("one", [(0.1, 0.2, "0.5"), (0.5, 0.6, "1"), (float("nan"), 0.5, "2")])
    picture = scatter([one, Curve("two", [(0.2, 0.1, "1")])], "title", "x", "y")
    assert picture.shape == (840, 1200, 3)
    colours = {tuple(colour) for colour in np.unique(picture.reshape(-1, 3), axis=0).tolist()}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colours
    assert scatter([], "", "", "").shape == (840, 1200, 3)
    same = scatter([Curve("flat", [(1.0, 1.0, "1")] * 2)], "", "", "")
    assert (same != 255).any()
