"""Which files of a folder or archive are pictures, of which split, and with which label."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from gantlet.data.files import Entry, Files
from gantlet.data.splits import class_order, listing
from gantlet.errors import UserError
from gantlet.media.foreign import reading, shown
from gantlet.media.image import SUFFIXES

_SPLIT_NAMES = {"train": "train", "training": "train", "test": "test", "testing": "test"}
_SPLIT_NAMES |= {"val": "val", "valid": "val", "validation": "val"}
_FILE_HEADS = frozenset({"file", "filename", "file_name", "image", "path", "name", "id", "img", "audio", "sound"})
_LABEL_HEADS = frozenset({"label", "class", "category", "target", "y"})
_MAX_CSV_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Part:
    """The pictures of one split in name order, and the class name of each if they are labelled."""

    entries: tuple[Entry, ...]
    labels: tuple[str, ...] | None


@dataclass(frozen=True)
class Layout:
    """The pictures of a folder or archive: its parts by split, the classes of all of them, and what was not used."""

    parts: dict[str, Part]
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    inside: Callable[[str], str] = str  # name of a file -> its path below the folder of its part

    def below(self, folders: Collection[str]) -> Callable[[str], str]:
        """Return what gives the path of a file below the one of these folders (in lower case) that it lies in."""

        def path(name: str) -> str:
            whole = self.inside(name)
            folder, _, rest = whole.partition("/")
            return rest if rest and folder.lower() in folders else whole

        return path


def arrange(
    files: Files, labels: str | Path | None = None, suffixes: Collection[str] = SUFFIXES, noun: str = "pictures"
) -> Layout:
    """Sort files into splits and classes.

    Folders that hold all the rest are passed through. Then `train`, `test` and `val` at the top are splits if there
    is a `train`; and within a split the first folder is the class, if every picture lies in one. A table `labels.csv`
    (file, label) at the top or in the split, or the one named by `labels`, goes before folders. `suffixes` are those of
    the files meant, and `noun` what they are called.

    Raises:
        UserError: no pictures at all, or a table that cannot be read, contradicts itself or leaves pictures out.
    """
    pictures = [entry for entry in files.entries if entry.suffix in suffixes]
    if not pictures:
        raise UserError(_nothing(files, suffixes, noun))
    top = _common_folder([entry.name for entry in pictures])
    splits: dict[str, list[Entry]] = {}
    for entry in pictures:
        first, slash, _ = entry.name[len(top) :].partition("/")
        splits.setdefault(_SPLIT_NAMES.get(first.lower(), "") if slash else "", []).append(entry)
    notes = list(files.notes)
    divided = "train" in splits
    if not divided:
        splits = {"train": pictures}
    elif splits.pop("", None):
        notes.append(f"{noun} beside the train folder are not used")
    others = Counter(entry.suffix or "(none)" for entry in files.entries if entry.suffix not in {*suffixes, ".csv"})
    if others:
        kinds = ", ".join(f"{count:,} {shown(suffix)}" for suffix, count in others.most_common(4))
        notes.append(f"{sum(others.values()):,} other files are not used ({kinds})")
    table = _label_table(files, top, labels)
    inside = _paths(splits, len(top), divided)
    if table is not None:
        found = {split: _from_table(files, entries, table, noun) for split, entries in splits.items()}
    else:
        found = _from_folders(splits, inside, notes, noun)
    parts = {split: Part(tuple(splits[split]), found.get(split)) for split in sorted(splits)}
    return Layout(parts, class_order(name for names in found.values() for name in names), tuple(notes), inside)


def _nothing(files: Files, suffixes: Collection[str], noun: str) -> str:
    where = shown(files.path)
    if not files.entries:
        return f"{where}: holds no files; give a folder, zip or tar of {noun}."
    kinds = [f"{n:,} {shown(s or 'without suffix')}" for s, n in Counter(e.suffix for e in files.entries).most_common()]
    arrays = [entry.name for entry in files.entries if entry.suffix in (".npz", ".npy")]
    endings = ".png, .jpg and so on" if noun == "pictures" else ", ".join(suffixes)
    hint = f"give the array file itself ({listing(arrays, 1)})" if arrays else f"{noun} end in {endings}"
    return f"{where}: holds no {noun}, only {listing(kinds)} files; {hint}."


def _common_folder(names: Sequence[str]) -> str:
    """Return the folders that all names lie in, with a slash at the end, or an empty string."""
    low, high = min(names), max(names)
    shared = 0
    while shared < min(len(low), len(high)) and low[shared] == high[shared]:
        shared += 1
    return low[: low.rfind("/", 0, shared) + 1]


def _paths(splits: dict[str, list[Entry]], top: int, divided: bool) -> Callable[[str], str]:
    """Return what gives the path of a file below the folder of its split, and below folders that hold all the rest."""

    def below(name: str) -> str:
        return name[top:].partition("/")[2] if divided else name[top:]

    shared = len(_common_folder([below(entry.name) for entries in splits.values() for entry in entries]))
    return lambda name: below(name)[shared:]


def _from_folders(
    splits: dict[str, list[Entry]], inside: Callable[[str], str], notes: list[str], noun: str
) -> dict[str, tuple[str, ...]]:
    """Return the class of each picture for the splits in which every picture lies in a folder."""
    found = {}
    for split, entries in splits.items():
        folders = [inside(entry.name).rpartition("/")[0] for entry in entries]
        loose = sum(not folder for folder in folders)
        if not loose:
            found[split] = tuple(folder.partition("/")[0] for folder in folders)
        elif loose < len(folders):
            notes.append(f"{split} is read without labels: {loose:,} {noun} lie outside of its class folders")
    return found


def _label_table(files: Files, top: str, labels: str | Path | None) -> dict[str, str] | None:
    if labels is not None and Path(labels).is_file():
        path = Path(labels)
        with reading(path, "give a text table with the columns file,label"):
            if path.stat().st_size > _MAX_CSV_BYTES:
                raise UserError(f"{shown(path)}: larger than {_MAX_CSV_BYTES >> 20} MiB, too large for a label table.")
            return _parse_table(shown(path), path.read_bytes())
    name = str(labels) if labels is not None else "labels.csv"
    by_name = {entry.name: entry for entry in files.entries}
    table: dict[str, str] = {}
    there = False
    for place in dict.fromkeys(("", top, *(f"{top}{split}/" for split in ("train", "test", "val")))):
        entry = by_name.get(place + name)
        if entry is not None:
            there = True
            rows = _parse_table(files.shown(entry), files.read(entry, _MAX_CSV_BYTES))
            table |= {place + row: label for row, label in rows.items()}
    if labels is not None and not there:
        raise UserError(f"{shown(name)}: no such label table, neither as a file nor inside {shown(files.path)}.")
    return table if there else None


def _parse_table(where: str, data: bytes) -> dict[str, str]:
    """Return {file: label} of a table separated by commas, semicolons or tabs, with or without a heading."""
    with reading(where, "give a UTF-8 text table with the columns file,label"):
        text = data.decode("utf-8-sig")
        first = text.split("\n", 1)[0]
        separator = max(",;\t", key=first.count)
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True) if row]
    if not rows or len(rows[0]) < 2:
        raise UserError(f"{where}: not a label table; each line must hold file,label.")
    heads = [cell.strip().lower() for cell in rows[0]]
    file_at = next((i for i, head in enumerate(heads) if head in _FILE_HEADS), None)
    label_at = next((i for i, head in enumerate(heads) if head in _LABEL_HEADS), None)
    start = 0 if file_at is None and label_at is None else 1
    file_at = 0 if file_at is None else file_at
    label_at = (1 if file_at == 0 else 0) if label_at is None else label_at
    table: dict[str, str] = {}
    for line, row in enumerate(rows[start:], start + 1):
        if len(row) <= max(file_at, label_at):
            raise UserError(f"{where}: line {line} has {len(row)} columns; each line must hold file,label.")
        name = row[file_at].strip().replace("\\", "/").removeprefix("./")
        label = row[label_at].strip()
        if table.setdefault(name, label) != label:
            raise UserError(f"{where}: '{shown(name)}' has two labels; keep one.")
    return table


def _from_table(files: Files, entries: Sequence[Entry], table: dict[str, str], noun: str) -> tuple[str, ...]:
    found = [_look_up(entry.name, table) for entry in entries]
    missing = [entry.name for entry, label in zip(entries, found) if not label]
    if missing:
        raise UserError(
            f"{shown(files.path)}: the label table has no label for {len(missing):,} of {len(entries):,} {noun} "
            f"({listing(missing)}); add them, or take these {noun} out."
        )
    return tuple(label for label in found if label)


def _look_up(name: str, table: dict[str, str]) -> str | None:
    """Return the label of the picture: of its path from the top, or of any shorter end of it."""
    while True:
        if name in table:
            return table[name]
        _, slash, name = name.partition("/")
        if not slash:
            return None
