"""The evaluations of a run: read as they were stored, shown with their floor and never without their protocol."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gantlet.report.markup import facts_table, text
from gantlet.report.numbers import as_number, metric, protocol_text, rounded, short

_MOST_LETTERS = 320  # of a protocol beside a number; the whole one stands below the table
_MOST_PROTOCOLS = 8


@dataclass(frozen=True)
class Evaluation:
    """One judgement of a run's samples, at one moment."""

    samples: float | None  # samples of data seen
    numbers: Mapping[str, float]
    floor: Mapping[str, float]
    protocol: Mapping[str, Any]
    beside: Mapping[str, float] = field(default_factory=dict)  # "kid_std", "num_classes": not metrics of their own
    floor_beside: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    absent: Mapping[str, Any] = field(default_factory=dict)

    @property
    def comparable(self) -> str:
        """What two evaluations share if their numbers may be compared: all of the protocol but the samples' origin."""
        return json.dumps({key: value for key, value in self.protocol.items() if key != "source"}, sort_keys=True)

    @property
    def rule(self) -> str:
        """The word of the resize rule, "" where the protocol has none."""
        return str(_mapping(self.protocol.get("extractor")).get("resize", "")).split(":", 1)[0]


def read_evaluation(record: Mapping[str, Any]) -> Evaluation:
    """Return a stored judgement; its numbers may lie under "numbers" or under "values"."""
    numbers = _mapping(record.get("numbers")) or _mapping(record.get("values"))
    floor = _mapping(record.get("floor"))
    ratio = record.get("fid_over_floor")
    if ratio is not None and "fid" in numbers:
        numbers = {"fid": numbers["fid"], "fid_over_floor": ratio, **numbers}
        floor = {**floor, "fid_over_floor": 1.0}
    seen = as_number(record.get("samples"))
    warnings = record.get("warnings")
    return Evaluation(
        samples=seen if seen is not None and math.isfinite(seen) else None,
        numbers={name: value for name, value in _scalars(numbers).items() if not _is_beside(name)},
        floor={name: value for name, value in _scalars(floor).items() if not _is_beside(name)},
        protocol=_mapping(record.get("protocol")),
        beside={name: value for name, value in _scalars(numbers).items() if _is_beside(name)},
        floor_beside={name: value for name, value in _scalars(floor).items() if _is_beside(name)},
        warnings=tuple(str(warning) for warning in warnings) if isinstance(warnings, list) else (),
        absent=_mapping(record.get("absent")),
    )


def by_protocol(evaluations: Sequence[Evaluation]) -> list[list[Evaluation]]:
    """Return groups that may be compared, the last used protocol first; evaluations without one fall out."""
    groups: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        if evaluation.protocol:
            group = groups.pop(evaluation.comparable, [])
            groups[evaluation.comparable] = [*group, evaluation]
    return list(groups.values())[::-1][:_MOST_PROTOCOLS]


def protocol_line(protocol: Mapping[str, Any]) -> str:
    """Return how a number was measured in a line or two: extractor, resize rule, counts, reference, floor, origin."""
    extractor, counts = _mapping(protocol.get("extractor")), _mapping(protocol.get("counts"))
    if not extractor or not counts:
        whole = protocol_text(protocol)
        return whole if len(whole) <= _MOST_LETTERS else whole[: _MOST_LETTERS - 1] + "…"
    source = f" ({protocol['source']})" if protocol.get("source") else ""
    resize = str(extractor.get("resize", "not on record")).split(":", 1)[0]
    parts = [
        f"{extractor.get('name')} {str(extractor.get('fingerprint', ''))[:8]}".strip(),
        f"resize {resize}",
        f"{rounded(counts.get('samples'))} samples{source} against {rounded(counts.get('reference'))} of "
        f"{protocol.get('reference_split', 'an unnamed split')}",
    ]
    if counts.get("floor"):
        parts.append(f"floor {rounded(counts['floor'])} of {protocol.get('floor_split') or 'an unnamed split'}")
    return "; ".join(parts)


def evaluation_table(group: Sequence[Evaluation]) -> str:
    """Return the last of comparable evaluations as rows: number, floor, best so far, protocol; warnings below."""
    last = group[-1]
    protocol = text(protocol_line(last.protocol))
    rows = []
    for name, value in last.numbers.items():
        title, better = metric(name, last.rule)
        direction = f"<br><small>{better} is better</small>" if better else ""
        rows.append(
            f"<tr><td>{text(title)}{direction}</td>"
            f"<td class='n' data-of='now'>{_cell(name, value, last.beside)}</td>"
            f"<td class='n' data-of='floor'>{_cell(name, last.floor.get(name), last.floor_beside)}</td>"
            f"<td class='n' data-of='best'>{_best(group, name, better)}</td><td class='protocol'>{protocol}</td></tr>"
        )
    after = f" after {text(short(last.samples))} samples of data" if last.samples is not None else ""
    return (
        f"<p>The last evaluation{after}. The floor is what other real data scores under the same protocol: "
        "what no generator can be expected to beat.</p>"
        "<table class='numbers'><thead><tr><th>metric</th><th class='n'>now</th><th class='n'>floor</th>"
        "<th class='n'>best</th><th class='protocol'>measured so</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>{_remarks(last)}{facts_table(last.protocol, 'The whole protocol')}"
    )


def _remarks(evaluation: Evaluation) -> str:
    said = [f"<p class='beware'><strong>Beware:</strong> {text(warning)}.</p>" for warning in evaluation.warnings]
    for name, why in evaluation.absent.items():
        if not name.startswith("floor "):
            said.append(f"<p><small>No {text(metric(name, evaluation.rule).title)}: {text(why)}.</small></p>")
    return "".join(said)


def _cell(name: str, value: float | None, beside: Mapping[str, float]) -> str:
    if value is None:
        return "-"
    if name == "classes_covered" and "num_classes" in beside:
        return text(f"{rounded(value)} of {rounded(beside['num_classes'])}")
    spread = beside.get(f"{name}_std")
    return text(rounded(value)) + (f"<small>± {text(rounded(spread))}</small>" if spread is not None else "")


def _best(group: Sequence[Evaluation], name: str, better: str) -> str:
    known = [
        (entry.numbers[name], entry.samples) for entry in group if math.isfinite(entry.numbers.get(name, math.nan))
    ]
    if not better or not known:
        return "-"
    value, seen = (min if better == "lower" else max)(known, key=lambda item: item[0])
    return text(rounded(value)) + (f"<small>at {text(short(seen))}</small>" if seen is not None else "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _scalars(values: Mapping[str, Any]) -> dict[str, float]:
    numbers = {name: as_number(value) for name, value in values.items() if value is not None}
    return {name: number for name, number in numbers.items() if number is not None}


def _is_beside(name: str) -> bool:
    return name.endswith("_std") or name == "num_classes"
