"""What the command line tells of remedies: which symptom each is for, and its options."""

from __future__ import annotations

import json


def is_remedy(name: str) -> bool:
    """Tell whether a name is that of a remedy."""
    from gantlet.remedies import NAMES

    return name in NAMES


def listing(as_json: bool) -> str:
    """Return all remedies, symptom first."""
    from gantlet.recipes.catalogue import paper, summary
    from gantlet.remedies import NAMES
    from gantlet.remedies.catalogue import find, symptom
    from gantlet.report.show import table

    if as_json:
        told = [
            {"remedy": name, "symptom": symptom(name), "summary": summary(find(name)), "paper": paper(find(name))}
            for name in NAMES
        ]
        return json.dumps(told, indent=1)
    rows = [(name, symptom(name)) for name in NAMES]
    hint = "\n\n`gantlet show REMEDY` tells what it does and its options; `train --remedy NAME:option=value` uses it."
    return table(("remedy", "symptom"), rows) + hint


def description(name: str, as_json: bool) -> str:
    """Return what a remedy does, its source and its options."""
    from gantlet.recipes import catalogue
    from gantlet.remedies.catalogue import find, parameters
    from gantlet.report.show import table

    options = parameters(name)
    if as_json:
        told = [{"option": o.name, "default": o.default, "meaning": o.comment} for o in options]
        return json.dumps({"remedy": name, "options": told}, indent=1)
    rows = [(o.name, o.default, o.comment) for o in options]
    return f"{catalogue.description(find(name))}\n{table(('option', 'default', 'meaning'), rows)}"
