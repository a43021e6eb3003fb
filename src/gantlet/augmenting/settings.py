"""What an augmentation is asked to do, and what of it must stay the same when the command is repeated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gantlet.engine.storage import LOCK, alone_in, replace_file, sweep
from gantlet.errors import UserError

NAME = "augment.json"
TRAINING_PART = "training-part.npz"  # the pictures without those that were set aside


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that `gantlet.augmenting.augment` was given, and what the data is."""

    data: str
    fingerprint: str  # of the training part
    target: str | int
    run: str | None
    recipe: str | None
    quick: bool | None
    budget: Mapping[str, Any] = field(default_factory=dict)
    seed: int
    balance: float
    balance_side: str
    class_weights: float
    one_per_class: bool
    start: str | None
    confidence: float
    copies: float
    tries: int
    classifier_samples: int
    hold_out: float
    labels: str | None
    skip_broken: bool = False
    resolution: Any
    options: Mapping[str, Any] = field(default_factory=dict)


# What a repeated command may change: more budget for the generator, another gate, other numbers of pictures.
MAY_CHANGE = ("budget", "confidence", "copies", "tries", "target", "run")


def claim(work: Path, out: Path, settings: Settings) -> bool:
    """Write the settings into a new work folder, or check that an old one was begun with these; return if it is new.

    Raises UserError, naming the differences, if it was not.
    """
    new = json.loads(json.dumps(settings.__dict__, default=str))
    path = work / NAME
    if not path.is_file():
        replace_file(path, json.dumps(new, indent=1).encode())
        return True
    old = read(work)
    changed = [
        f"{key}: {old[key]} -> {new[key]}"
        for key in new
        if key not in MAY_CHANGE and key in old and old[key] != new[key]
    ]
    if changed:
        some = "; ".join(changed[:3])
        raise UserError(f"{out} was begun otherwise ({some}); repeat its command or choose another --out.")
    replace_file(path, json.dumps(new, indent=1).encode())
    return False


@contextmanager
def claimed(work: Path, out: Path, settings: Settings) -> Iterator[None]:
    """Hold the work folder with these settings, alone; what ends in a mistake before anything is made leaves no claim.

    Raises UserError as `claim` does, if another process holds the folder, or if `out` holds something else.
    """
    if not (work / NAME).is_file() and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is no augmented folder of Gantlet; choose another --out.")
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot write to {work} ({error.strerror}); choose another --out.") from error
    with alone_in(work):  # before the settings: another process's command must not change those of this one
        fresh = claim(work, out, settings)
        sweep(work)
        try:
            yield
        except Exception:
            if fresh:
                withdraw(work)
            raise


def withdraw(work: Path) -> None:
    """Take a claim back that nothing came of: a corrected command is not told that it was begun otherwise."""
    if {path.name for path in work.iterdir()} <= {NAME, LOCK, TRAINING_PART}:
        for name in (TRAINING_PART, NAME):
            (work / name).unlink(missing_ok=True)


def read(work: Path) -> dict[str, Any]:
    """Return the settings of a work folder. Raises UserError if there are none."""
    try:
        return dict(json.loads((work / NAME).read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{work} is no work folder of `gantlet augment`: {NAME} is missing or damaged.") from error


def work_folder(out: Path) -> Path:
    """Return where an augmentation keeps its run, its samples and its report: beside the folder it fills."""
    return out.with_name(f"{out.name}-work")
