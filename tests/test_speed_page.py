"""The tables of docs/speed.md are those of the rows."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_page_of_speed_is_that_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python benchmarks/speed_page.py write` writes them."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    before = set(sys.modules)
    wanted = runpy.run_path(str(ROOT / "benchmarks" / "speed_page.py"))["page"]()
    for name in set(sys.modules) - before:  # other tests load the benchmarks themselves
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(ROOT / "benchmarks")):
            del sys.modules[name]
    assert (ROOT / "docs" / "speed.md").read_text("utf-8") == wanted
