"""Which entry of the cache a large archive led to, so that its directory of perhaps a million names is read only once.

An archive is known by its place, size and times, the moment its inode last changed among them, which no program sets
by hand. A folder is not remembered: whether one of its files is new shows in that file alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gantlet.data import cache as store
from gantlet.data.files import SMALL
from gantlet.errors import UserError
from gantlet.media.image import replace

LEAST = SMALL  # bytes: smaller archives are listed, and known by their content


def mark_of(source: str | Path, *how: Any) -> str | None:
    """Return a hash of a large file, as it lies there now, and of how it is to be read; None for anything else."""
    try:
        path = Path(source).expanduser().resolve()
        found = path.stat()
    except (OSError, ValueError, RuntimeError):
        return None
    if not stat.S_ISREG(found.st_mode) or found.st_size < LEAST:
        return None
    known = (store.VERSION, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, *how)
    return hashlib.sha256(repr((os.fsencode(path), *known)).encode()).hexdigest()[:40]


def recall(folder: Path, mark: str | None) -> tuple[store.Stored, dict[str, Any]] | None:
    """Return what the mark led to and the facts that were kept with it; None if either is not there, or not whole."""
    if mark is None:
        return None
    try:
        kept = json.loads((folder / "archives" / f"{mark}.json").read_text("utf-8"))
        stored = store.load(folder, str(kept["key"]))
        return (
            None if stored is None else (stored, {"name": str(kept["name"]), "notes": tuple(map(str, kept["notes"]))})
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remembered_kind(folder: Path, source: str | Path, find: Callable[[], str]) -> str:
    """Return the kind of data that a source holds: what `find` says, asked only once of a large archive."""
    mark = mark_of(source, "kind", isinstance(source, str))  # a word may be the name of a known set
    if mark is None:
        return find()
    place = folder / "archives" / f"{mark}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(place.read_text("utf-8"))["kind"])
    kind = find()
    _keep(place, {"kind": kind})
    return kind


def remember(folder: Path, mark: str | None, key: str, name: str, notes: Sequence[str]) -> None:
    """Keep where a mark leads; a disk that does not take it costs the next opening time and nothing else."""
    if mark is None:
        return
    _keep(folder / "archives" / f"{mark}.json", {"key": key, "name": name, "notes": list(notes)})


def _keep(place: Path, facts: dict[str, Any]) -> None:
    with suppress(UserError):
        replace(place, lambda file: file.write(json.dumps(facts).encode()))
