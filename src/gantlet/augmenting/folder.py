"""The augmented folder: one sub-folder per class, the originals untouched, the samples beside them, and a manifest."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.augmenting.source import Source, leaf
from gantlet.data import ImageData, Intensity
from gantlet.data.files import Entry, Files
from gantlet.data.sources import Pictures, opened
from gantlet.engine.storage import replace_file
from gantlet.errors import UserError
from gantlet.media.image import encode_png, replace, to_displayable

MANIFEST = "manifest.json"
FORMAT = 1
Note = Callable[[str], None]


def class_folders(classes: Sequence[str]) -> list[str]:
    """Return a folder name for each class: its own where a file system allows that, different ones always."""
    found: list[str] = []
    for number, name in enumerate(classes):
        safe = "".join("_" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in name).strip(". ")
        found.append(safe if safe and safe not in found else f"{safe or 'class'}-{number}")
    return found


def file_name(names: Sequence[str], labels: NDArray[np.int64]) -> list[str]:
    """Return the name of each original inside its class folder: its own, or its whole path where two would be one."""
    leaves = [(int(label), leaf(name)) for name, label in zip(names, labels)]
    often = Counter(leaves)
    return [own if often[label, own] == 1 else name.replace("/", "-") for name, (label, own) in zip(names, leaves)]


def lay_originals(source: Source, labels_table: str | Path | None, out: Path) -> str:
    """Put the originals into `out`/train, those set aside into `out`/test; return how: linked, copied or written.

    Files already there are left. Pictures that are no files (arrays) are written as PNG: exactly where 8 or 16 bits
    over their whole range hold them, else as they would be displayed.
    """
    folders = class_folders(source.train.classes)
    parts = [("train", source.train, source.names)]
    parts += [("test", source.test, source.test_names)] if source.held_out else []
    how: Counter[str] = Counter()
    with opened(source.given, labels_table) as found:
        by_name = {e.name: e for e in found.files.entries} if isinstance(found, Pictures) else {}
        for part, images, names in parts:
            assert images.labels is not None
            for row, (name, label) in enumerate(zip(file_name(names, images.labels), images.labels)):
                target = out / part / folders[label] / name
                if target.exists():
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(found, Pictures):
                    entry = by_name[names[row]]
                    how[_lay(found.files, entry, target)] += 1
                else:
                    write_png(target, images.pixels[row], images.intensity)
                    how["written"] += 1
    return ", ".join(sorted(how)) or "there already"


def _lay(files: Files, entry: Entry, target: Path) -> str:
    """Link a file to its new place (a second name of the same file), or copy it where that cannot be."""
    place = files.place(entry)
    if place is not None:
        try:
            os.link(place.resolve(), target)
            return "linked"
        except OSError:
            pass
    content = files.read(entry)
    replace(target, lambda file: file.write(content))
    return "copied"


def png(picture: NDArray[Any], intensity: Intensity) -> bytes:
    """Return the PNG file of a raw picture [H, W, C]."""
    top = {"uint8": 255, "uint16": 65535}.get(picture.dtype.name)
    exact = picture.shape[-1] in (1, 3, 4) and (intensity.low, intensity.high) == (0, top)
    return encode_png(picture if exact else to_displayable(picture[None], intensity)[0])


def write_png(target: Path, picture: NDArray[Any], intensity: Intensity) -> str:
    """Write a raw picture [H, W, C], and return the SHA-256 of the file."""
    content = png(picture, intensity)
    if not target.is_file() or target.read_bytes() != content:
        replace(target, lambda file: file.write(content))
    return hashlib.sha256(content).hexdigest()


def lay_samples(
    images: ImageData, label: int, made: dict[str, NDArray[Any]], names: Sequence[str], seed: int, out: Path
) -> list[dict[str, Any]]:
    """Write the samples of a class into `out`/train and return what the manifest says of each."""
    folder = f"train/{class_folders(images.classes)[label]}"
    rows = []
    for i, number in enumerate(made["numbers"]):
        name = f"{folder}/synthetic-{seed}-{int(number):07d}.png"
        mark = write_png(out / name, made["images"][i], images.intensity)
        rows.append({
            "file": name, "synthetic": True, "class": images.classes[label], "seed": seed, "number": int(number),
            "confidence": round(float(made["confidence"][i]), 4), "nearest": names[int(made["neighbour"][i])],
            "distance": round(float(made["distance"][i]), 5), "sha256": mark,
        })  # fmt: skip
    return rows


def sweep_samples(out: Path, source: Source, meant: Collection[str]) -> None:
    """Remove samples of an earlier model from `out`/train: all of our names that are no original and not meant."""
    folders = class_folders(source.train.classes)
    theirs = {f"train/{folders[y]}/{name}" for y, name in zip(source.labels, file_name(source.names, source.labels))}
    for path in (out / "train").glob("*/synthetic-*.png"):
        name = path.relative_to(out).as_posix()
        if name not in theirs and name not in meant:
            path.unlink()


def write_manifest(out: Path, manifest: dict[str, Any]) -> Path:
    """Write the manifest, whose presence means that the folder is whole."""
    path = out / MANIFEST
    replace_file(path, json.dumps({"format": FORMAT, **manifest}, indent=1).encode())
    return path


def read_manifest(out: Path) -> dict[str, Any] | None:
    """Return the manifest of an augmented folder, None if it has none yet.

    Raises UserError if it cannot be read.
    """
    path = out / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_bytes())
        if int(manifest["format"]) > FORMAT:
            raise UserError(f"{path} is of a newer Gantlet; upgrade gantlet.")
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        raise UserError(f"{path} is no manifest of `gantlet augment` ({type(error).__name__}).") from error
    return dict(manifest)
