"""Which curves a report shows: losses per player, logits, gradient norms, metrics, throughput."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from gantlet.report.curves import Point, curve_svg
from gantlet.report.evaluations import Evaluation
from gantlet.report.folder import curves_of
from gantlet.report.numbers import metric

Series = dict[str, list[Point]]
_MOST_LINES = 6  # lines in one plot
_MOST_PLOTS = 16
_RATIO = 30.0  # lines further apart than this get plots of their own


def training_charts(found: Mapping[str, list[Point]]) -> list[str]:
    """Return the plots of what was logged during training."""
    logits = {name: points for name, points in found.items() if name.endswith("logits")}
    norms = {name: points for name, points in found.items() if name.endswith("gradient_norm")}
    rate = {name: points for name, points in found.items() if name == "samples_per_second"}
    players: dict[str, Series] = {}
    for name, points in found.items():
        if name not in logits and name not in norms and name not in rate:
            player, slash, term = name.rpartition("/")
            players.setdefault(player if slash else "", {})[term] = points
    charts: list[str] = []
    for player, series in sorted(players.items(), key=lambda item: item[0] == ""):
        title = f"Losses and statistics of {player}" if player else "Other statistics"
        for place, group in enumerate(by_scale(series)):
            charts += _plots(group, f"{player}/{next(iter(group))}" if place and player and len(group) == 1 else title)
    if logits:
        charts += _plots(logits, "Logits, real against fake (high means real)")
    if norms:
        charts += _plots(norms, "Gradient norms", log_y=True)
    if rate:
        charts += _plots({"samples per second": rate["samples_per_second"]}, "Throughput")
    return charts[:_MOST_PLOTS]


def metric_charts(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return the plots of the metrics of evaluations that share one protocol."""
    found = curves_of([{**entry.numbers, "samples": entry.samples} for entry in evaluations])
    floors = curves_of([{**entry.floor, "samples": entry.samples} for entry in evaluations])
    called = {name: metric(name, evaluations[-1].rule) for name in found}
    charts = []
    for name, (title, better) in called.items():
        if better != "higher":
            series: Series = {title: found[name], **({"floor (real data)": floors[name]} if name in floors else {})}
            charts += _plots(series, f"{title}, {better} is better" if better else title)
    shares = {title: found[name] for name, (title, better) in called.items() if better == "higher"}
    for group in by_scale(shares, ratio=5.0):
        charts += _plots(group, f"{next(iter(group))}, higher is better" if len(group) == 1 else "Higher is better")
    return charts


def by_scale(series: Mapping[str, list[Point]], ratio: float = _RATIO) -> list[Series]:
    """Part the series so that in each part no line is flattened by one of another order of magnitude."""

    def size(name: str) -> float:
        values = [abs(y) for _, y in series[name] if math.isfinite(y)]
        return statistics.median(values) if values else 0.0

    groups: list[Series] = []
    largest = math.inf
    for name in sorted(series, key=size, reverse=True):
        if not groups or size(name) * ratio < largest:
            groups.append({})
            largest = size(name)
        groups[-1][name] = series[name]
    return groups


def _plots(series: Mapping[str, Sequence[Point]], title: str, log_y: bool = False) -> list[str]:
    names = list(series)
    parts = [names[start : start + _MOST_LINES] for start in range(0, len(names), _MOST_LINES)]
    return [curve_svg({name: series[name] for name in part}, title, log_y=log_y) for part in parts]
