"""Which recordings and mels a run of `gantlet apply` reads, and which wav files it writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gantlet.applying import mels
from gantlet.applying.inputs import Input, by_name, in_order
from gantlet.errors import UserError
from gantlet.media import picture
from gantlet.media.audio import SUFFIXES
from gantlet.media.foreign import shown

ARRAYS = mels.SUFFIXES


def is_picture(path: Path) -> bool:
    """Tell whether a file is a picture by its name; an array may be one."""
    suffix = picture.suffix_of(path)
    return suffix in picture.READABLE and suffix not in ARRAYS


def find(source: str | Path, what: str = "INPUT", arrays: bool = False) -> list[Input]:
    """Return the recordings, and with `arrays` the mels, of a file or folder with its sub-folders, by their names.

    Raises UserError if there is none, or two of a folder have the same name without suffix.
    """
    path = Path(source)
    kinds = (*SUFFIXES, *(ARRAYS if arrays else ()))
    taken = "recordings and mels" if arrays else "recordings"
    if path.is_file():
        if path.suffix.lower() not in kinds:
            but = "is a picture, and the model takes" if is_picture(path) else "is none of the"
            raise UserError(f"{what} {shown(path)} {but} {taken}: {', '.join(kinds)}.")
        return [Input(path, path.stem)]
    if not path.is_dir():
        raise UserError(f"{what} {shown(path)} does not exist; give a recording or a folder of recordings.")
    files = [each for each in path.rglob("*") if each.is_file() and not each.name.startswith(".")]
    named: dict[str, Input] = {}
    for each in sorted(files, key=lambda each: in_order(str(each.relative_to(path)))):
        if each.suffix.lower() not in kinds:
            continue
        name = str(each.relative_to(path).with_suffix(""))
        if name in named:
            raise UserError(f"{what} {shown(path)} holds {shown(name)} twice, in two kinds; leave one of them.")
        named[name] = Input(each, name)
    if not named:
        pictures = sum(is_picture(each) for each in files)
        but = f", but {pictures} pictures, which the model does not take" if pictures else ""
        raise UserError(f"{what} {shown(path)} holds no recording ({', '.join(kinds)}){but}.")
    return list(named.values())


def counterparts(inputs: list[Input], source: str | Path, what: str) -> dict[str, Path]:
    """Return the recording of `source` (a folder, or one file for one input) that belongs to each input, by name.

    Raises UserError if one has none.
    """
    found = {each.name: each.path for each in find(source, what)}
    if Path(source).is_file() and len(inputs) == 1:
        return {inputs[0].name: next(iter(found.values()))}
    return by_name(inputs, found, source, what)


@dataclass(frozen=True)
class Output:
    """Where results go: into one wav, or into a folder under the names of their inputs."""

    path: Path
    source: Path

    @property
    def is_folder(self) -> bool:
        """Tell whether `path` is a folder, there already or by its name."""
        return self.path.is_dir() or self.path.suffix == ""

    def check(self) -> None:
        """Raise UserError if results would lie over their inputs, or cannot have this name."""
        if not self.is_folder and self.path.suffix.lower() != ".wav":
            raise UserError(f"--out {shown(self.path)}: sounds are written as .wav, or in a folder.")
        if self.source.is_dir() and not self.is_folder:
            raise UserError(f"--out {shown(self.path)} is one file and INPUT a folder; give a folder.")
        folder = self.source if self.source.is_dir() else self.source.parent
        same = self.path.resolve() in (self.source.resolve(), folder.resolve())
        if same and (self.is_folder or self.path.is_file()):
            raise UserError(f"--out {shown(self.path)} would write over INPUT; choose another place.")

    def of(self, given: Input) -> Path:
        """Return where the result of an input goes."""
        return self.path / f"{given.name}.wav" if self.is_folder else self.path
