"""The events of a log in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gantlet.report.numbers import as_number, short

_KINDS = {
    "health": ("Health", True),
    "rollback": ("Went back", True),
    "treatment": ("Treated", True),
    "resume": ("Resumed", False),
    "checkpoint": ("Checkpoint", False),
    "evaluation": ("Evaluated", False),
}
_SILENT = {
    "rollback": "the run went back to an earlier checkpoint",
    "treatment": "the run changed something about itself",
    "resume": "the run was continued from its last checkpoint",
    "checkpoint": "written",
    "evaluation": "see Numbers",
    "health": "something looked wrong",
}


class Event(NamedTuple):
    """One line of the story of a run."""

    when: str
    kind: str
    message: str
    trouble: bool


def told(events: Sequence[Mapping[str, Any]]) -> list[Event]:
    """Return the events in order, checkpoints in a row told as one."""
    story: list[Event] = []
    row = 0
    for event in events:
        kind = str(event.get("event"))
        title, trouble = _KINDS.get(kind, (kind.replace("_", " ").capitalize(), False))
        message = str(event.get("message") or _SILENT.get(kind, ""))
        row = row + 1 if kind == "checkpoint" else 0
        if row > 1:
            story[-1] = Event(_when(event), "Checkpoints", f"{row} in a row, the last here", False)
        else:
            story.append(Event(_when(event), title, message, trouble))
    return story


def _when(event: Mapping[str, Any]) -> str:
    words = []
    samples = as_number(event.get("samples"))
    if samples is not None and math.isfinite(samples):
        words.append(f"{short(samples)} samples")
    step = as_number(event.get("step"))
    if step is not None and math.isfinite(step):
        words.append(f"step {step:.0f}")
    return ", ".join(words)
