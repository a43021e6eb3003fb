"""The page on reliability names tests and benchmarks that are there, and its figures are those of the results."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reliability.md").read_text("utf-8")


def test_every_promise_names_what_holds_it() -> None:
    above = PAGE.partition("## The last figures")[0].splitlines()
    rows = [line for line in above if line.startswith("| ") and not line.startswith(("| promise", "| ---"))]
    assert len(rows) > 20
    assert [row for row in rows if not re.search(r"`(tests|benchmarks)/\S+\.py", row.split(" | ")[-1])] == []


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:tests|benchmarks)/[\w/]+\.py)", PAGE))))
def test_what_is_named_is_there(path: str) -> None:
    assert (ROOT / path).is_file()


def test_the_parts_of_the_benchmark_are_there() -> None:
    lists = re.findall(r"`benchmarks/reliability\.py (\w+)`((?:, `\w+`)*)", PAGE)
    named = {part for first, more in lists for part in [first, *re.findall(r"\w+", more)]}
    assert {"kills", "stops", "mutations", "fuzz"} <= named
    words = [sys.executable, str(ROOT / "benchmarks" / "reliability.py"), "--help"]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    parts = re.search(r"\{([\w,]+)\}", told)
    assert parts is not None
    assert named <= set(parts[1].split(","))


def test_the_figures_are_those_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python benchmarks/reliability.py page` writes them."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "reliability.py"))
    shown = PAGE.partition(benchmark["BEGIN"])[2].partition(benchmark["END"])[0]
    assert shown.strip().splitlines() == benchmark["figures"](benchmark["Rows"]("reliability"))
