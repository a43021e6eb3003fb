"""run.json: what a run is. Readable without Gantlet, and all that is needed to build its networks again."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantlet.errors import UserError

FORMAT = 1
NAME = "run.json"
# On resumption; everything else defines the run (`options` count through `arguments`).
MAY_CHANGE = ("run", "command", "started", "versions", "device", "options")


@dataclass(frozen=True)
class Record:
    """The content of run.json."""

    recipe: str
    arguments: dict[str, Any]
    options: list[str]  # which of the arguments the person set; the others were defaults or facts of the data
    settings: str  # "quick", "faithful" or "own" (a recipe from elsewhere)
    reason: str  # why this recipe, when Gantlet chose it
    data: dict[str, Any]  # name, source, split, count, facts, classes, class_counts, intensity, fingerprint, balance
    seed: int
    batch_size: int
    accumulate: int
    precision: str
    remedies: dict[str, dict[str, Any]]  # their names, in the order they are applied in, and all their arguments
    init_from: str | None
    run: dict[str, Any]  # budgets and intervals: free to change on resumption
    command: list[str]
    device: str

    def to_json(self) -> dict[str, Any]:
        import numpy
        import torch

        import gantlet

        versions = {
            "gantlet": gantlet.__version__,
            "torch": torch.__version__,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
        }
        started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        return {"format": FORMAT, **self.__dict__, "versions": versions, "started": started}

    def model(self) -> dict[str, Any]:
        """Return the part a model needs to be built and used: it lies in every checkpoint as model.json."""
        return {
            "format": FORMAT,
            "recipe": self.recipe,
            "arguments": self.arguments,
            "settings": self.settings,
            "remedies": self.remedies,
            "data": self.data,
            "seed": self.seed,
        }


def read(folder: Path) -> dict[str, Any] | None:
    """Return the run.json of a folder, None if there is none.

    Raises UserError if it is not a Gantlet record or of a newer format.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_bytes())
        version = int(record["format"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} is not a Gantlet run record ({type(error).__name__}); choose another --out."
        ) from error
    if version > FORMAT:
        raise UserError(f"{path} has format {version}, this Gantlet reads up to {FORMAT}: upgrade gantlet.")
    return {"remedies": {}, **record}  # a record from before there were remedies has none


def arguments(old: Mapping[str, Any] | None, recipe: str, settings: str) -> dict[str, Any]:
    """Return the arguments that a run of this recipe and settings was begun with and nobody typed; empty if none.

    They stand in for the defaults when it is resumed: a newer Gantlet may have better defaults, the run keeps its own.
    """
    if old is None or (old.get("recipe"), old.get("settings")) != (recipe, settings) or "options" not in old:
        return {}
    return {key: value for key, value in old["arguments"].items() if key not in old["options"]}


def remedies(old: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Return the remedies of a run, by name, with the arguments that nobody typed, as for `arguments`."""
    found = {} if old is None else old["remedies"]
    typed = () if old is None else old.get("options", ())
    return {
        name: {key: value for key, value in given.items() if f"{name}:{key}" not in typed}
        for name, given in found.items()
    }


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what differs between two records in words, leaving out what may change on resumption."""
    if old.get("recipe") != new.get("recipe"):
        return [f"recipe: {old.get('recipe')} -> {new.get('recipe')}"]
    if old.get("settings") != new.get("settings"):
        return [f"settings: {old.get('settings')} -> {new.get('settings')}"]
    found = []
    for key in sorted(set(old) | set(new)):
        if key in MAY_CHANGE:
            continue
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            changed = [inner for inner in sorted(set(before) | set(after)) if before.get(inner) != after.get(inner)]
            found += [f"{key}.{inner}: {_short(before.get(inner))} -> {_short(after.get(inner))}" for inner in changed]
        elif before != after:
            found.append(f"{key}: {_short(before)} -> {_short(after)}")
    return found


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def command_line() -> list[str]:
    """Return the command that is running, as the report repeats it."""
    return ["gantlet", *sys.argv[1:]] if Path(sys.argv[0]).name in ("gantlet", "gantlet.exe", "__main__.py") else []
