"""Text and facts as HTML, always escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import Any

_MOST_ROWS = 300
_MOST_LETTERS = 400


def text(value: object) -> str:
    """Return a value as text that cannot become markup, in an element or an attribute."""
    return html.escape(str(value), quote=True)


def facts_table(facts: Mapping[str, Any], summary: str) -> str:
    """Return nested facts as a folded table of dotted names and values."""
    rows = [(name, value[:_MOST_LETTERS]) for name, value in _flat(facts, "", 0)]
    cells = "".join(f"<tr><td>{text(name)}</td><td>{text(value)}</td></tr>" for name, value in rows[:_MOST_ROWS])
    return f"<details><summary>{text(summary)}</summary><table>{cells}</table></details>"


def _flat(value: Any, name: str, depth: int) -> list[tuple[str, str]]:
    if isinstance(value, Mapping) and value and depth < 6:
        dot = f"{name}." if name else ""
        return [row for key, item in value.items() for row in _flat(item, f"{dot}{key}", depth + 1)]
    return [(name, value if isinstance(value, str) else json.dumps(value))]
