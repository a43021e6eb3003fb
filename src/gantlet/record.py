"""run.json: what a run is. Readable without Gantlet, and all that is needed to build its networks again."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantlet.data.vocabulary import Vocabulary
from gantlet.engine.storage import make_folder as make_durable
from gantlet.errors import UserError
from gantlet.media.foreign import reason, shown

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
        record = {"remedies": {}, **record}  # a record from before there were remedies has none
        check(record, {"recipe": str, "settings": str, "arguments": dict, "data": dict, "remedies": dict})
        check(record["remedies"], dict.fromkeys(record["remedies"], dict))
        check(record, {"options": list} if "options" in record else {})
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        raise UserError(
            f"{path} is not a Gantlet run record ({type(error).__name__}); choose another --out."
        ) from error
    if version > FORMAT:
        raise UserError(f"{path} has format {version}, this Gantlet reads up to {FORMAT}: upgrade gantlet.")
    return record


def make_folder(out: Path) -> None:
    """Make the folder of a new run. Raises UserError if it holds something else, or cannot be made."""
    if read(out) is not None:
        return
    if out.exists() and (not out.is_dir() or any(entry.name[0] != "." for entry in out.iterdir())):
        raise UserError(f"{out} exists and is not a run of Gantlet; choose another --out.")
    try:
        make_durable(out)
    except OSError as error:
        raise UserError(f"Cannot write to {out} ({error.strerror}); choose another --out.") from error


def check(record: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    """Raise KeyError or TypeError unless a record has these entries, of these types."""
    for name, kind in kinds.items():
        if not isinstance(record[name], kind):
            raise TypeError(f"its {name!r} is {type(record[name]).__name__}, not {kind.__name__}")


@contextmanager
def understanding(folder: Path, recipe: str = "") -> Iterator[None]:
    """Turn whatever the content of a checkpoint leads to into one sentence: its sums are right, it may be wrong.

    The errors of a recipe from elsewhere ("module:function") stay as they are: they are of somebody's own code.
    """
    try:
        yield
    except UserError as error:
        raise UserError(f"{shown(folder)}: {shown(error)}") from error
    except Exception as error:  # what networks say to impossible sizes is nearly everything
        if ":" in recipe:
            raise
        raise UserError(
            f"{shown(folder)} holds no model that this Gantlet can build ({reason(error)}); choose another checkpoint, "
            "or upgrade gantlet."
        ) from error


def read_model(folder: Path) -> dict[str, Any]:
    """Return the model.json of a checkpoint folder, and its "step". Raises UserError if they are none."""
    with understanding(folder):
        about = json.loads((folder / "model.json").read_bytes())
        check(about, {"recipe": str, "arguments": dict, "data": dict})
        check(about["data"], {"classes": list, "facts": dict, "source": str, "fingerprint": str})
        facts = about["data"]["facts"]
        sides = ("source_channels", "target_channels") if "source_channels" in facts else ("channels",)
        check(facts, dict.fromkeys(sides, int) if "resolution" in facts else {})
        check(about.get("remedies", {}), dict.fromkeys(about.get("remedies", {}), dict))
        if about["arguments"].get("num_classes"):
            counts = about["data"]["class_counts"]
            if not (isinstance(counts, list) and counts and all(isinstance(n, int) and n >= 0 for n in counts)):
                raise TypeError("its class_counts are no numbers of pictures")
        if about["data"].get("vocabulary") is not None:
            Vocabulary.from_json(about["data"]["vocabulary"])
            check(about["data"], {"windows": bool})
            check(about["data"]["facts"], {"length": int})
        about["step"] = int(json.loads((folder / "state.json").read_bytes())["counters"]["step"])
    return dict(about)


def most_bytes(folder: Path) -> int:
    """Return how much the networks of a checkpoint may take: its files' size several times over, to be generous."""
    return 64 * 2**20 + 8 * sum(file.stat().st_size for file in folder.glob("*.safetensors"))


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
