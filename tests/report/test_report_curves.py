from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantlet.report.charts import by_scale, training_charts
from gantlet.report.curves import _ticks, curve_svg, thin
from gantlet.report.numbers import duration, rounded, short


def test_an_svg_that_parses_and_names_its_series() -> None:
    svg = curve_svg({"real": [(0, 1), (2_000_000, 2)], "<b>fake": [(0, 0), (2_000_000, -1.5)]}, "Logits & more")
    words = "".join(ElementTree.fromstring(svg).itertext())
    assert "Logits & more" in words
    assert "<b>fake  -1.5" in words
    assert "1.0M" in words
    assert "samples" in words
    assert "http" not in svg


def test_what_is_not_finite_leaves_a_gap() -> None:
    svg = curve_svg({"a": [(0, 1), (1, 2), (2, math.nan), (3, 1), (4, math.inf), (5, 2)]}, "gaps")
    path = re.search(r'<path fill="none" stroke="#[^>]*d="([^"]*)"', svg)
    assert path is not None
    assert path.group(1).count("M") == 3
    assert "nan" not in path.group(1)
    assert "(2 not finite)" in svg


def test_thinning_keeps_the_extremes_and_the_gaps() -> None:
    points = [(float(x), math.sin(x / 50)) for x in range(20_000)]
    points[7777] = (7777.0, 40.0)
    points[123] = (123.0, -40.0)
    gapped = [None if 9000 <= x < 9500 else point for x, point in enumerate(points)]
    kept = thin(gapped)
    present = [point for point in kept if point is not None]
    assert len(present) <= 500
    assert (7777.0, 40.0) in present
    assert (123.0, -40.0) in present
    assert None in kept
    assert present == sorted(present)


def test_a_long_curve_is_small() -> None:
    svg = curve_svg({str(k): [(x, math.sin(x / 9 + k)) for x in range(20_000)] for k in range(4)}, "long")
    assert len(svg) < 40_000


@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize(
    "points",
    [
        [],
        [(0, math.nan)],
        [(0, 0)],
        [(5, 5)],
        [(0, 1), (1, 1)],
        [(0, -1), (1, -2)],
        [(0, 1e300), (1, -1e308)],
        [(0, 5e-324), (1, 0)],
        [(0, 5e-324)],
        [(5e-324, 1), (1e-323, 2)],
        [(1e16, 1e16), (1e16 + 2, 1e16 + 2)],
        [(0, 1e-9), (1e12, 1e9)],
    ],
)
def test_strange_curves_do_not_fail(points: list[tuple[float, float]], log_y: bool) -> None:
    svg = curve_svg({"a": points}, "strange", log_y=log_y)
    ElementTree.fromstring(svg)
    assert "nan" not in svg.replace("strange", "")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=30), st.booleans())
def test_any_curve_is_drawn(points: list[tuple[float, float]], log_y: bool) -> None:
    ElementTree.fromstring(curve_svg({"a": points}, "any", log_y=log_y))


def test_ticks_are_round() -> None:
    assert [label for _, label in _ticks(0, 192_000, 6)] == ["0", "50k", "100k", "150k"]
    assert [label for _, label in _ticks(0.11, 0.42, 6)] == ["0.2", "0.3", "0.4"]
    assert [label for _, label in _ticks(-3, 3, 6)] == ["-3", "-2", "-1", "0", "1", "2", "3"]


def test_logarithmic_axis_shows_decades() -> None:
    svg = curve_svg({"norm": [(x, 10.0 ** (x - 3)) for x in range(7)]}, "norms", log_y=True)
    words = "".join(f"[{text}]" for text in ElementTree.fromstring(svg).itertext())
    for label in ("[0.001]", "[0.1]", "[1]", "[10]", "[1k]"):
        assert label in words


def test_lines_of_other_size_get_their_own_plot() -> None:
    one, hundred = [(0.0, 1.0)], [(0.0, 100.0)]
    groups = by_scale({"a": one, "b": hundred, "c": [(0.0, -2.0)]})
    assert sorted(sorted(group) for group in groups) == [["a", "c"], ["b"]]


def test_statistics_find_their_plots() -> None:
    line = [(0.0, 1.0), (1.0, 1.5)]
    names = [
        "G/adversarial",
        "D/adversarial",
        "D/real_logits",
        "D/fake_logits",
        "G/gradient_norm",
        "samples_per_second",
    ]
    charts = training_charts(dict.fromkeys(names, line))
    titles = [re.search('aria-label="([^"]*)"', chart) for chart in charts]
    assert [title.group(1).split(",")[0] for title in titles if title] == [
        "Losses and statistics of G",
        "Losses and statistics of D",
        "Logits",
        "Gradient norms",
        "Throughput",
    ]


def test_numbers_read_well() -> None:
    assert [short(x) for x in (0, 7, 999, 12_800, 999_999, 1.5e6, 2e9, -1234)] == [
        "0", "7", "999", "12.8k", "1M", "1.5M", "2B", "-1.23k",
    ]  # fmt: skip
    assert [duration(x) for x in (12.2, 130, 3600, 11_100, 187_200, math.nan)] == [
        "12 s", "2 min 10 s", "1 h", "3 h 5 min", "2 d 4 h", "?",
    ]  # fmt: skip
    assert [rounded(x) for x in (8.12345, 0.00123456, 50000, None, "nan", "text", 12345.678)] == [
        "8.123", "0.001235", "50,000", "-", "nan", "text", "12346",
    ]  # fmt: skip
