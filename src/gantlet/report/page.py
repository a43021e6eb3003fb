"""report.html: one page that shows a run whole, without a network, a server or Gantlet."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gantlet.errors import UserError
from gantlet.report.charts import metric_charts, training_charts
from gantlet.report.commands import next_commands
from gantlet.report.evaluations import by_protocol, evaluation_table, protocol_line
from gantlet.report.events import Event, told
from gantlet.report.folder import RunFolder, evenly, read_run
from gantlet.report.log import replace_file
from gantlet.report.look import SCRIPT, STYLE, policy
from gantlet.report.markup import facts_table, text
from gantlet.report.numbers import as_number, duration, rounded, short
from gantlet.report.pictures import load_animation, load_picture
from gantlet.report.texts import text_samples

_MOST_GRIDS = 12
_MOST_ANIMATION = 3_000_000  # bytes of an animation of clips
_MOST_EVENTS = 120


def write_report(run: Path | str) -> Path:
    """Write `report.html` into a run folder and return its path; the folder may be as young or broken as it likes."""
    run = Path(run)
    if not run.is_dir():
        raise UserError(f"There is no run folder {run}; give the folder that was --out of `gantlet train`.")
    target = run / "report.html"
    replace_file(target, page(read_run(run)).encode("utf-8", "replace"))
    return target


def page(run: RunFolder) -> str:
    """Return the whole page as HTML."""
    sections = [
        _header(run),
        _samples(run),
        _numbers(run),
        _curves(run),
        _events(run),
        _commands(run),
        _everything(run),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(_title(run))}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(section for section in sections if section)
        + f"\n<script>{SCRIPT}</script>\n</body></html>\n"
    )


def _recipe(run: RunFolder) -> str:
    recipe = run.facts.get("recipe")
    name = recipe.get("name") if isinstance(recipe, Mapping) else recipe
    return str(name or "Unnamed run")


def _data(run: RunFolder) -> Mapping[str, Any]:
    data = run.facts.get("data")
    return data if isinstance(data, Mapping) else {"name": data} if data else {}


def _title(run: RunFolder) -> str:
    name = _data(run).get("name")
    return f"{_recipe(run)} on {name}" if name else _recipe(run)


def _header(run: RunFolder) -> str:
    badges = []
    if run.facts.get("settings"):
        badges.append(f'<span class="badge">{text(run.facts["settings"])} settings</span>')
    troubles = sum(event.get("event") in ("health", "rollback", "treatment") for event in run.events)
    if troubles:
        notes = f"{troubles} health note{'s' if troubles > 1 else ''}"
        badges.append(f'<span class="badge warn"><a href="#events" style="color:inherit">{notes}</a></span>')
    if not run.ticks:
        badges.append('<span class="badge">just started: nothing logged yet</span>')
    cards = "".join(
        f"<div><dt>{name}</dt><dd>{text(value)}{f'<small>{text(more)}</small>' if more else ''}</dd></div>"
        for name, value, more in _cards(run)
    )
    reason = run.facts.get("reason")
    why = f"<p class='soft'>{text(_recipe(run))} was chosen for this data: {text(reason)}</p>" if reason else ""
    return (
        f"<header><h1>{text(_title(run))}</h1><p>{''.join(badges)}</p>{why}"
        f'<dl class="facts">{cards}</dl>{_repeat(run)}</header>'
    )


def _cards(run: RunFolder) -> list[tuple[str, str, str]]:
    """Return the facts of the head as (name, value, small print); unknown ones are left out."""
    data = _data(run)
    count, classes = as_number(data.get("count")), data.get("classes", data.get("num_classes"))
    classes = len(classes) if isinstance(classes, (list, tuple, Mapping)) else classes
    sizes = [f"{rounded(count)} samples" if data.get("count") is not None and count is not None else ""]
    sizes += [f"{rounded(classes)} classes" if classes else "", str(data.get("split") or "")]
    fingerprint = str(data.get("fingerprint") or "")[:12]
    small = "; ".join(part for part in (*sizes, f"fingerprint {fingerprint}" if fingerprint else "") if part)
    cards = [("Data", str(data["name"]), small)] if data.get("name") else []
    seen, seconds, steps = run.last("samples"), run.last("seconds"), run.last("step")
    if seen is not None:
        cards.append(("Budget used", *_budget(run, seen, seconds, steps)))
    rate = run.last("samples_per_second")
    if rate is None and seen and seconds:
        rate = seen / seconds
    if rate:
        cards.append(("Speed", f"{short(rate)} samples/s", ""))
    device = run.facts.get("device")
    if device:
        cards.append(("Device", _line(device), str(run.facts.get("precision") or "")))
    seed, started = run.fact("seed"), run.fact("started")
    if seed is not None:
        cards.append(("Seed", str(seed), ""))
    if started is not None:
        cards.append(("Started", _moment(started), ""))
    versions = run.facts.get("versions")
    if isinstance(versions, Mapping) and versions:
        first, *others = [f"{name} {version}" for name, version in versions.items()]
        cards.append(("Versions", first, ", ".join(others[:8])))
    return cards


def _budget(run: RunFolder, seen: float, seconds: float | None, steps: float | None) -> tuple[str, str]:
    """Return what was used, against what was given if the run has it on record."""
    used = {"samples": seen, "steps": steps, "seconds": seconds}
    words = [f"{short(seen)} samples"]
    words += [f"{rounded(steps)} steps"] if steps is not None else []
    words += [duration(seconds)] if seconds is not None else []
    given = run.facts.get("run")
    for kind, amount in used.items():
        total = as_number(given.get(kind)) if isinstance(given, Mapping) else None
        if amount is not None and total is not None and total > 0:
            of = duration(total) if kind == "seconds" else f"{short(total)} {kind}"
            return f"{min(100, int(100 * amount / total))} % of {of}", ", ".join(words)
    return words[0], ", ".join(words[1:])


def _moment(value: object) -> str:
    if isinstance(value, (int, float)):
        try:
            return datetime.datetime.fromtimestamp(value, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        except (OverflowError, ValueError, OSError):
            return str(value)
    return str(value).replace("T", " ")[:16]


def _line(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_line(item)}" for key, item in value.items())
    return str(value)


def _words(run: RunFolder) -> list[str]:
    """Return the command that started the run as a person would type it."""
    command = run.facts.get("command")
    words = [str(word) for word in command] if isinstance(command, list) else str(command or "").split()
    if words and words[0].endswith("__main__.py"):
        return ["python", "-m", "gantlet", *words[1:]]
    if words and Path(words[0]).name in ("gantlet", "gantlet.exe"):
        return ["gantlet", *words[1:]]
    return words


def _repeat(run: RunFolder) -> str:
    words = _words(run)
    if not words:
        return (
            "<p class='soft'>This run was not started by a command; its arguments are in run.json.</p>"
            if run.facts
            else ""
        )
    return (
        f"<p>The command of this run:</p><pre>{text(shlex.join(words))}</pre>"
        '<p class="soft">The same command again resumes this run; with another --out it repeats it from the start.</p>'
    )


def _figure(path: Path, caption: str, largest: int, most_bytes: int) -> str:
    moving = load_animation(path.with_suffix(".gif"), _MOST_ANIMATION) if largest >= 800 else None
    picture = moving or load_picture(path, largest, most_bytes)
    if picture is None:
        return f"<figure><figcaption>{text(caption)}: the picture cannot be read</figcaption></figure>"
    coarse = ' class="coarse"' if picture.coarse else ""
    return (
        f'<figure><img{coarse} src="{picture.uri}" width="{picture.width}" height="{picture.height}" '
        f'alt="{text(caption)}"><figcaption>{text(caption)}</figcaption></figure>'
    )


def _samples(run: RunFolder) -> str:
    if not run.grids and run.reals is None:
        if written := text_samples(run.path):
            return written
        return "<h2>Samples</h2><p class='soft'>No samples have been drawn yet.</p>"
    pair = []
    if run.grids:
        seen, latest = run.grids[-1]
        pair.append(_figure(latest, f"Generated, after {short(seen)} samples of data", 800, 400_000))
    if run.reals is not None:
        pair.append(_figure(run.reals, "Real data", 800, 400_000))
    shown = f"<h2>Samples</h2><div class='pair'>{''.join(pair)}</div>"
    if len(run.grids) < 2:
        return shown
    chosen = evenly(run.grids, _MOST_GRIDS)
    figures = "".join(_figure(path, short(seen), 360, 80_000) for seen, path in chosen)
    some = f"; {len(chosen)} of {len(run.grids)} grids" if len(chosen) < len(run.grids) else ""
    slider = (
        "<div id='slider'><input type='range' min='0' step='1' aria-label='which grid'>"
        "<figure><img alt='the chosen grid'><figcaption></figcaption></figure></div>"
    )
    shown += f"<h3>Over time <small>(after so many samples of data{some})</small></h3>"
    return f"{shown}<div class='time'>{slider}<div class='grids'>{figures}</div></div>"


def _numbers(run: RunFolder) -> str:
    """Return the tables and curves of the metrics, parted by protocol: numbers of two protocols do not compare."""
    if not run.evaluations:
        return "<h2>Numbers</h2><p class='soft'>No evaluation yet.</p>"
    parts = ["<h2>Numbers</h2>"]
    for group in by_protocol(run.evaluations):
        parts.append(evaluation_table(group))
        charts = metric_charts(group) if len(group) > 1 else []
        if charts:
            figures = "".join(f"<figure>{chart}</figure>" for chart in charts)
            measured = text(protocol_line(group[-1].protocol))
            parts.append(f"<div class='curves'>{figures}</div><p><small>All measured so: {measured}.</small></p>")
    without = sum(not evaluation.protocol for evaluation in run.evaluations)
    if without:
        parts.append(f"<p class='soft'>{without} evaluation(s) without a protocol on record are not shown.</p>")
    return "".join(parts)


def _curves(run: RunFolder) -> str:
    charts = training_charts(run.statistics())
    if not charts:
        return "<h2>Curves</h2><p class='soft'>Nothing has been logged yet.</p>"
    return f"<h2>Curves</h2><div class='curves'>{''.join(f'<figure>{chart}</figure>' for chart in charts)}</div>"


def _events(run: RunFolder) -> str:
    events = told(run.events)
    if not events:
        return "<h2 id='events'>What happened</h2><p class='soft'>Nothing out of the ordinary.</p>"
    shown: list[Event] = events
    left_out = ""
    if len(events) > _MOST_EVENTS:
        shown = events[: _MOST_EVENTS // 2] + events[-_MOST_EVENTS // 2 :]
        left_out = f"<p class='soft'>{len(events) - len(shown)} in the middle are left out; log.jsonl has all.</p>"
    rows = "".join(
        f"<tr{' class=warn' if event.trouble else ''}><td class='when'>{text(event.when)}</td>"
        f"<td><strong>{text(event.kind)}</strong>{text(': ' + event.message if event.message else '')}</td></tr>"
        for event in shown
    )
    return f"<h2 id='events'>What happened</h2><table class='events'>{rows}</table>{left_out}"


def _commands(run: RunFolder) -> str:
    words = _words(run)
    given = [word[7:] for word in words if word.startswith("--data=")]
    given += [words[place + 1] for place, word in enumerate(words[:-1]) if word == "--data"]
    data = given[-1] if given else str(_data(run).get("source") or _data(run).get("name") or "DATA")
    lines = next_commands(
        _recipe(run), str(_data(run).get("kind", "images")), shlex.quote(str(run.path)), shlex.quote(data)
    )
    if not lines:
        return ""
    first = "" if run.checkpoints else "<p class='soft'>They need a checkpoint; this run has none yet.</p>"
    return f"<h2>Next commands</h2>{first}<pre>{text(chr(10).join(lines))}</pre>"


def _everything(run: RunFolder) -> str:
    if not run.facts:
        return "<p class='soft'>run.json is missing or cannot be read.</p>"
    return facts_table(run.facts, "Everything in run.json")
