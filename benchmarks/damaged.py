"""What the benchmarks of damaged files share: every case tried, a table, a JSON."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar


class Named(Protocol):
    """A damaged file: what is wrong with it and what is wanted of its reader."""

    @property
    def name(self) -> str: ...
    @property
    def wanted(self) -> str: ...


C = TypeVar("C", bound=Named)
Attempt = Callable[[C, Path], tuple[str, str]]  # of a case in an empty folder: the outcome and what was said


def try_all(cases: Iterable[C], attempt: Attempt[C], what: str, seed: int, results: Path) -> int:
    """Try every case, print the table, write `results`; return 1 if anything failed, 0 otherwise."""
    rows: list[dict[str, Any]] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as top:
        for index, case in enumerate(cases):
            folder = Path(top, f"{index:05d}")
            folder.mkdir()
            start = time.perf_counter()
            outcome, said = attempt(case, folder)
            row = {"case": case.name, "wanted": case.wanted, "outcome": outcome, "said": said.replace(top, "")}
            rows.append({**row, "s": round(time.perf_counter() - start, 3)})
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    tally = Counter(row["outcome"].partition(":")[0] for row in rows)
    for row in rows:
        print(f"{row['case']:34} {row['outcome']:10} {row['said'][:140]}")
    slowest = max(row["s"] for row in rows)
    print(f"{len(rows)} {what}: {dict(tally)}; slowest {slowest:.2f} s, memory grew by {grown:.0f} MB")
    facts = {"seed": seed, "count": len(rows), **tally, "slowest_seconds": slowest, "grown_mb": round(grown)}
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps({**facts, "rows": rows}, indent=1) + "\n", "utf-8")
    return 1 if tally["failure"] else 0
