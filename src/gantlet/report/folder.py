"""A run folder as it lies on disk, whole or half written, read without the rest of Gantlet."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantlet.report.curves import Point
from gantlet.report.evaluations import Evaluation, read_evaluation
from gantlet.report.log import read_log
from gantlet.report.numbers import as_number

_CLOCKS = frozenset(("step", "samples", "seconds"))


@dataclass(frozen=True)
class RunFolder:
    """What a run has left so far; anything may be empty."""

    path: Path
    facts: Mapping[str, Any]  # run.json
    ticks: list[dict[str, Any]]  # log.jsonl without its events
    events: list[dict[str, Any]]
    evaluations: list[Evaluation]
    reals: Path | None
    grids: list[tuple[int, Path]]  # samples of data seen, picture
    checkpoints: list[int]  # steps

    def fact(self, *names: str) -> Any:
        """Return the first fact of one of these names, at the top of run.json or one level down."""
        levels = [self.facts, *(value for value in self.facts.values() if isinstance(value, Mapping))]
        return next((level[name] for level in levels for name in names if level.get(name) is not None), None)

    def last(self, name: str) -> float | None:
        """Return the last finite value that was logged under a name."""
        for tick in reversed(self.ticks):
            value = as_number(tick.get(name))
            if value is not None and math.isfinite(value):
                return value
        return None

    def statistics(self) -> dict[str, list[Point]]:
        """Return every logged statistic as points over samples."""
        return curves_of(self.ticks)


def read_run(path: Path) -> RunFolder:
    """Read a run folder; what is missing or damaged is left empty."""
    records = read_log(path / "log.jsonl")
    reals = path / "reals.png"
    return RunFolder(
        path=path,
        facts=_facts(path / "run.json"),
        ticks=[record for record in records if "event" not in record],
        events=[record for record in records if "event" in record],
        evaluations=[read_evaluation(record) for record in read_log(path / "evaluations.jsonl")],
        reals=reals if reals.is_file() else None,
        grids=sorted(numbered(path / "samples", "*.png")),
        checkpoints=sorted(step for step, _ in numbered(path / "checkpoints", "step-*", prefix="step-")),
    )


def curves_of(records: Iterable[Mapping[str, Any]], first: str = "samples") -> dict[str, list[Point]]:
    """Return the numbers of records by name, as points over `first`, in order."""
    found: dict[str, list[Point]] = {}
    for record in records:
        x = as_number(record.get(first))
        if x is None or not math.isfinite(x):
            continue
        for name, value in record.items():
            y = as_number(value)
            if name not in _CLOCKS and y is not None:
                found.setdefault(name, []).append((x, y))
    return {name: sorted(points, key=lambda point: point[0]) for name, points in found.items()}


def evenly(items: list[Any], most: int) -> list[Any]:
    """Return at most `most` items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def _facts(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def numbered(folder: Path, pattern: str, prefix: str = "") -> Iterable[tuple[int, Path]]:
    """Yield the files of a folder that a pattern finds and whose names are a number behind a prefix."""
    for path in folder.glob(pattern):
        number = path.stem.removeprefix(prefix)
        if number.isascii() and number.isdigit():
            yield int(number), path
