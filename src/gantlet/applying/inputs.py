"""Which files a run of `gantlet apply` reads and writes: one, a folder of them, the frames of a clip."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gantlet.errors import UserError
from gantlet.media.foreign import shown
from gantlet.media.picture import READABLE, WRITABLE, stem_of, suffix_of

KEPT = tuple(suffix for suffix in WRITABLE if suffix != ".gif")  # a result keeps the kind of its input, or is a PNG


@dataclass(frozen=True)
class Input:
    """A file to read, and what it is called: its place in the folder, without suffix."""

    path: Path
    name: str


def in_order(name: str) -> list[tuple[int, int, str]]:
    """Return the key that puts frame2 before frame10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def find(source: str | Path, what: str = "INPUT") -> list[Input]:
    """Return the pictures of a file or folder (with its sub-folders), frames in the order of their numbers.

    Raises UserError if there is none, or two of a folder have the same name without suffix.
    """
    path = Path(source)
    if path.is_file():
        if suffix_of(path) not in READABLE:
            raise UserError(f"{what} {shown(path)} is none of the kinds that are read: {', '.join(READABLE)}.")
        return [Input(path, stem_of(path))]
    if not path.is_dir():
        raise UserError(f"{what} {shown(path)} does not exist; give a picture or a folder of pictures.")
    files = [each for each in path.rglob("*") if suffix_of(each) in READABLE and not each.name.startswith(".")]
    named = {}
    for each in sorted(files, key=lambda each: in_order(str(each.relative_to(path)))):
        name = str(each.relative_to(path).parent / stem_of(each))
        if name in named:
            raise UserError(f"{what} {shown(path)} holds {shown(name)} twice, in two kinds; leave one of them.")
        named[name] = Input(each, name)
    if not named:
        raise UserError(f"{what} {shown(path)} holds no picture.")
    return list(named.values())


def counterparts(inputs: list[Input], source: str | Path, what: str) -> dict[str, Path]:
    """Return the file of `source` (a folder, or one file for all) that belongs to each input, by the input's name.

    Raises UserError if one has none.
    """
    found = {each.name: each.path for each in find(source, what)}
    if Path(source).is_file():
        return {each.name: next(iter(found.values())) for each in inputs}
    return by_name(inputs, found, source, what)


def by_name(inputs: list[Input], found: Mapping[str, Path], source: str | Path, what: str) -> dict[str, Path]:
    """Return the file found under the name of each input. Raises UserError if one has none."""
    for each in inputs:
        if each.name not in found:
            raise UserError(f"{what} {shown(source)} has nothing named {shown(each.name)} for {shown(each.path)}.")
    return {each.name: found[each.name] for each in inputs}


@dataclass(frozen=True)
class Output:
    """Where results go: into one file, or into a folder under the names of their inputs."""

    path: Path
    source: Path

    @property
    def is_folder(self) -> bool:
        """Tell whether `path` is a folder, there already or by its name."""
        return self.path.is_dir() or suffix_of(self.path) == ""

    @property
    def is_clip(self) -> bool:
        """Tell whether a folder of frames becomes one animation."""
        return self.source.is_dir() and suffix_of(self.path) == ".gif" and not self.path.is_dir()

    def check(self) -> None:
        """Raise UserError if results would lie over their inputs, or several have one name to go by."""
        if self.is_clip:
            return
        if self.source.is_dir() and not self.is_folder:
            raise UserError(f"--out {shown(self.path)} is one file and INPUT a folder; give a folder, or a .gif.")
        if self.source.is_file() and not self.is_folder and suffix_of(self.path) not in WRITABLE:
            raise UserError(f"--out {shown(self.path)}: results are written as {', '.join(WRITABLE)}, or in a folder.")
        folder = self.source if self.source.is_dir() else self.source.parent
        same = self.path.resolve() in (self.source.resolve(), folder.resolve())
        if same and (self.is_folder or self.path.is_file()):
            raise UserError(f"--out {shown(self.path)} would write over INPUT; choose another place.")
        if self.is_folder and self.path.is_file():
            raise UserError(f"--out {shown(self.path)} is a file; give a folder or a name with a suffix.")

    def of(self, given: Input, dtype: str, channels: int, frames: int) -> Path:
        """Return the file for the result of an input, of its kind as far as that can hold it."""
        if not self.is_folder:
            return self.path
        suffix = suffix_of(given.path)
        if frames > 1 and suffix in READABLE and suffix == ".gif":
            return self.path / f"{given.name}.gif"
        suffix = suffix if suffix in KEPT else ".png"
        if suffix == ".png" and (dtype == "float32" or channels not in (1, 3)):
            suffix = ".tif"
        return self.path / f"{given.name}{suffix}"
