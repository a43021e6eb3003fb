"""The page on reliability names tests and benchmarks that are there, and its figures are those of the results."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reliability.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "held by" not in line and "---" not in line]


def test_every_promise_names_what_holds_it() -> None:
    promises = [row for row in ROWS[: len(ROWS)] if PAGE.index(row) < PAGE.index("## The last figures")]
    assert len(promises) > 20
    assert [row for row in promises if not re.search(r"`(tests|benchmarks)/\S+\.py", row)] == []


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:tests|benchmarks)/[\w/]+\.py)", PAGE))))
def test_what_is_named_is_there(path: str) -> None:
    assert (ROOT / path).is_file()


def test_the_parts_of_the_benchmark_are_there() -> None:
    named = set(re.findall(r"`benchmarks/reliability\.py (\w+)", PAGE)) | {"stops", "fuzz"}
    told = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "reliability.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert named <= set(re.findall(r"\w+", told))


def test_the_figures_are_those_of_the_results() -> None:
    """`python benchmarks/reliability.py page` writes them."""
    stored = json.loads((ROOT / "benchmarks" / "results" / "reliability.json").read_text())
    files = sum(row["files"] for key, row in stored.items() if key.startswith("mutations/"))
    assert f"| {files:,} |" in PAGE
    for key, row in stored.items():
        if key.startswith("signals/"):
            assert f"| {row['signals']} | {row['failures']}; slowest end {row['slowest_seconds']} s |" in PAGE
