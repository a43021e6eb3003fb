"""Files of text as they are found: lines and, where there are classes, the class of each; nothing is encoded yet."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gantlet.data.files import Files, FolderFiles
from gantlet.data.sources import existing, files_at
from gantlet.data.splits import choose_split, class_order, listing
from gantlet.errors import UserError
from gantlet.media.foreign import reading, shown
from gantlet.media.text import SUFFIXES, decoded, text_suffix, unpacked

READABLE = f"a file of text ({', '.join(SUFFIXES)}, also with .gz), or a folder, zip or tar of such files"
SPLIT_NAMES = {"train": "train", "training": "train", "test": "test", "testing": "test"}
SPLIT_NAMES |= {"val": "val", "valid": "val", "validation": "val", "dev": "val"}
MOST_CLASSES = 64  # files of one folder that are taken for classes; more are pages of one text
TEXT_HEADS = ("text", "sentence", "line", "content", "review", "caption")
LABEL_HEADS = ("label", "class", "category", "target", "y")


@dataclass
class Part:
    """The lines of one split with the class of each, "" for none."""

    lines: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def add(self, lines: Sequence[str], label: str) -> None:
        self.lines += lines
        self.labels += [label] * len(lines)


@dataclass(frozen=True)
class Found:
    """All lines of a source by split, the classes of all of them (none if there is but one), and what is to be said."""

    name: str
    parts: dict[str, Part]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def holds_text(source: str | Path) -> bool:
    """Tell whether a source holds text rather than pictures or sounds, by the endings of its files."""
    try:
        path = Path(source).expanduser()
        if path.is_file() and text_suffix(path.name):
            return True
        if not path.exists():
            return False
        with files_at(path, SUFFIXES, READABLE) as files:
            kinds = Counter(text_suffix(entry.name) for entry in files.entries)
            plain, tables = kinds[".txt"] + kinds[".text"], kinds[".csv"] + kinds[".tsv"]
            return plain > kinds[""] or bool(tables and not kinds[""])
    except (UserError, OSError):
        return False  # whoever opens it as pictures says what is wrong


def read_texts(source: str | Path) -> Found:
    """Read every line of a source.

    A folder's files are a class each, or its folders are; `train`, `test` and `val` (also `valid`, `dev`), as folders
    or as parts of file names between dots, are splits if there is a `train`. A table has a column of text and perhaps
    one of labels.

    Raises UserError if it does not exist, holds no text, or a file cannot be read.
    """
    path = existing(source)
    name = shown(path.resolve().name or path)
    notes: list[str] = []
    with _files(path) as files:
        entries = [entry for entry in files.entries if text_suffix(entry.name)]
        if not entries:
            raise UserError(f"{shown(path)}: holds no text; give {READABLE}.")
        others = len(files.entries) - len(entries)
        if others and path.is_dir():
            notes.append(f"{others:,} other files are not used")
        places = placed([entry.name for entry in entries], notes)
        parts: dict[str, Part] = {}
        for entry, (split, label) in zip(entries, places):
            shown_name = files.shown(entry)
            data = unpacked(files.read(entry), shown_name)
            lines, guesses = decoded(data, shown_name) if data else ([], [f"{shown_name} is empty"])
            notes += guesses
            part = parts.setdefault(split, Part())
            suffix = text_suffix(entry.name)
            if suffix in (".csv", ".tsv"):
                for text, own in rows_of(lines, suffix, shown_name):
                    part.add([text], own if own is not None else label)
            else:
                part.add(lines, label)
    parts = {split: part for split, part in parts.items() if any(line.strip() for line in part.lines)}
    if not parts:
        raise UserError(f"{shown(path)}: has no line that is not empty; give {READABLE}.")
    if "train" not in parts:
        raise UserError(f"{shown(path)}: the training part has no line that is not empty; fill it.")
    used = [part for split, part in parts.items() if split != "unused"]
    classes = class_order(label for part in used for label in part.labels if label)
    return Found(name, parts, classes if len(classes) > 1 else (), tuple(notes))


def _files(path: Path) -> Files:
    if path.is_file() and text_suffix(path.name):
        with reading(path, "check that it may be read"):
            if not path.stat().st_size:
                raise UserError(f"{shown(path)}: the file is empty; give {READABLE}.")
        return FolderFiles(path)
    return files_at(path, SUFFIXES, READABLE)


def placed(names: Sequence[str], notes: list[str]) -> list[tuple[str, str]]:
    """Return (split, class) of each file by its name; all are training if none says so."""
    words = [[*name.split("/")[:-1], *_stem(name).split(".")] for name in names]
    splits = [next((SPLIT_NAMES[word.lower()] for word in each if word.lower() in SPLIT_NAMES), "") for each in words]
    if "train" not in splits:
        return [("train", label) for label in classes_of(words, names, notes)]
    used = [index for index, split in enumerate(splits) if split]
    if len(used) < len(names):
        notes.append("files beside the train part are not used")
    rest = [[word for word in words[index] if word.lower() not in SPLIT_NAMES] for index in used]
    labels = dict(zip(used, classes_of(rest, [names[index] for index in used], notes)))
    return [(split or "unused", labels.get(index, "")) for index, split in enumerate(splits)]


def _stem(name: str) -> str:
    last = name.rpartition("/")[2]
    return Path(last.removesuffix(".gz").removesuffix(".GZ")).stem


def classes_of(words: Sequence[Sequence[str]], names: Sequence[str], notes: list[str]) -> list[str]:
    """Return the class of each file: its first folder that is not shared by all, or else what its name says.

    "" is none: of all if there is but one class, or of a file whose name says nothing.
    """
    shared = 0
    while all(len(each) > shared + 1 for each in words) and len({each[shared] for each in words}) == 1:
        shared += 1
    folders = all(len(each) - shared > 1 and "/" in name for each, name in zip(words, names))
    labels = [each[shared] if folders else ".".join(each[shared:]) for each in words]
    kinds = sorted({*labels} - {""})
    if not folders and len(kinds) > MOST_CLASSES:
        notes.append(f"{len(kinds):,} files are read as one text; folders would be classes")
        return [""] * len(labels)
    if not folders and len(kinds) > 1:
        notes.append(f"each file is a class ({listing(kinds)}); --unconditional leaves that aside")
    return labels if len(kinds) > 1 else [""] * len(labels)


def rows_of(lines: Sequence[str], suffix: str, name: str) -> Iterator[tuple[str, str | None]]:
    """Yield (text, label or None) for the rows of a table, with or without a heading.

    Without one the column of labels is, of two, the one with fewer different values. Raises UserError for a table of
    other shape.
    """
    with reading(name, "give a table with a column of text, and perhaps one of labels"):
        separator = "\t" if suffix == ".tsv" else max(",;\t", key=(lines[0] if lines else "").count)
        csv.field_size_limit(2**31 - 1)
        source = io.StringIO("\n".join(lines), newline="")
        rows = [row for row in csv.reader(source, delimiter=separator, strict=True) if row]
    if not rows:
        return
    heads = [cell.strip().lower() for cell in rows[0]]
    text_at = next((heads.index(head) for head in TEXT_HEADS if head in heads), None)
    label_at = next((heads.index(head) for head in LABEL_HEADS if head in heads), None)
    if text_at is not None:
        rows = rows[1:]
    elif len(heads) == 1:
        text_at = 0
    elif len(heads) == 2:
        fewer = [len({row[at] for row in rows if len(row) > at}) for at in (0, 1)]
        text_at = label_at if label_at is not None else (1 if fewer[0] <= fewer[1] else 0)
        text_at, label_at = (1 - text_at, text_at) if label_at is not None else (text_at, 1 - text_at)
        rows = rows[1:] if set(heads) & set(LABEL_HEADS) else rows
    else:
        raise UserError(f"{shown(name)}: has {len(heads)} columns and none is called text; give it a heading.")
    for number, row in enumerate(rows, 1):
        if len(row) <= max(text_at, label_at or 0):
            raise UserError(f"{shown(name)}: row {number} has {len(row)} columns; each must hold text and label.")
        yield row[text_at], None if label_at is None else row[label_at].strip()


def part_of(found: Found, split: str, where: str) -> tuple[str, Part]:
    """Return the part that serves as `split`, and its name; raises NoSuchSplit if there is none."""
    name = choose_split(where, split, [part for part in found.parts if part != "unused"])
    return name, found.parts[name]
