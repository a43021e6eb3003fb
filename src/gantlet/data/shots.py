"""Clips as they are found, in a folder, zip, tar, file or .npz: decoded, not yet of one size or length."""

from __future__ import annotations

import copy
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.data import moving
from gantlet.data.arrays import Npz, as_label_names
from gantlet.data.decoding import Room, read_each
from gantlet.data.files import Entry, Files, refuse_broken
from gantlet.data.folders import Layout, Part, arrange
from gantlet.data.pictures import Progress
from gantlet.data.sources import existing, files_at
from gantlet.errors import UserError
from gantlet.media import clip as media
from gantlet.media import film
from gantlet.media.foreign import reading, shown
from gantlet.media.gif import webp_outline
from gantlet.media.image import SUFFIXES as PICTURES
from gantlet.media.image import read_header

READABLE = (
    f"a folder, zip or tar of clips ({', '.join(media.SUFFIXES)}), of folders of frames or of film strips, an .npz "
    f"with clips, or {' or '.join(moving.NAMES)}"
)
STILLS = PICTURES - {".gif"}
_CLIPS = ("clips", "clip", "videos", "video")


@dataclass(frozen=True, eq=False)
class Shot:
    """One clip in memory: [F, H, W, C] uint8, C is 1 or 3."""

    name: str
    frames: NDArray[np.uint8]
    rate: float | None  # frames a second
    label: str | None = None

    @property
    def mark(self) -> str:
        """Return the SHA-256 of the frames."""
        digest = hashlib.sha256(f"{self.frames.shape}".encode())
        digest.update(np.ascontiguousarray(self.frames))
        return digest.hexdigest()


@dataclass(frozen=True)
class Found:
    """Clips in files, and where each belongs; `frames` holds the frames of clips that are folders."""

    name: str
    kind: str
    files: Files
    layout: Layout
    frames: dict[str, list[Entry]]

    def reel(self, entry: Entry) -> media.Reel:
        """Return the reel of a clip. Raises UserError if it cannot be read."""
        if entry.name in self.frames:
            read = [partial(self._picture, each) for each in self.frames[entry.name]]
            return media.reel_of_files(read, self.files.shown(entry))
        if entry.suffix in STILLS and self.kind == "film strips":
            return media.reel_of_strip(self.files.read(entry), self.files.shown(entry))
        place = self.files.place(entry)
        return media.open_clip(
            self.files.read(entry) if place is None else place, entry.suffix, self.files.shown(entry)
        )

    def _picture(self, entry: Entry) -> tuple[str, bytes]:
        return self.files.shown(entry), self.files.read(entry)


@dataclass(frozen=True)
class FoundArrays:
    """An .npz of clips of one length."""

    name: str
    arrays: Npz


@contextmanager
def found_at(source: str | Path, labels: str | Path | None = None) -> Iterator[Found | FoundArrays]:
    """Find out what a source of clips is and open it.

    Files that are clips go before pictures. Else pictures four times as wide as high, or more, are film strips of
    square frames; else a folder of pictures is a clip, and the folder it lies in its class.

    Raises UserError if it does not exist, holds no clips, or its labels cannot be read.
    """
    path = existing(source)
    name = shown(path.resolve().name or path)
    if path.suffix.lower() == ".npz" and path.is_file():
        if labels is not None:
            raise UserError(f"{shown(path)}: labels of an .npz are its own array 'labels'; leave the option out.")
        yield FoundArrays(name, Npz(path))
        return
    with files_at(path, (*media.SUFFIXES, *STILLS), READABLE) as files:
        told = {entry: is_clip(files, entry) for entry in files.entries if entry.suffix in media.SUFFIXES}
        if any(told.values()):
            moves = [entry for entry, clip in told.items() if clip is not False]  # a damaged .webp among clips is one
            kept = {entry.suffix for entry in moves}
            yield Found(name, "clips", files, arrange(_only(files, moves), labels, kept, "clips"), {})
            return
        stills = [entry for entry in files.entries if entry.suffix in STILLS]
        if stills and _are_strips(files, stills):
            kept = {entry.suffix for entry in stills}
            yield Found(name, "film strips", files, arrange(files, labels, kept, "clips"), {})
            return
        folders = _by_folder(stills, name)
        entries = [Entry(folder, sum(each.size for each in its), "", its[0].at) for folder, its in folders.items()]
        if not entries:
            arrange(files, labels, media.SUFFIXES, "clips")  # says what is there instead
        suffixes = {entry.suffix for entry in entries}
        layout = arrange(_only(files, entries), labels, suffixes, "clips")
        yield Found(name, "folders of frames", files, layout, folders)


def is_clip(files: Files, entry: Entry) -> bool | None:
    """Tell whether a file is a clip: a video, a .gif, or a .webp that moves; None if that is damaged."""
    if entry.suffix != ".webp":
        return True
    try:
        return webp_outline(files.read(entry)) is not None
    except (UserError, ValueError):
        return None


def _only(files: Files, entries: Sequence[Entry]) -> Files:
    """Return the same files with these entries and tables alone."""
    other = copy.copy(files)
    tables = [entry for entry in files.entries if entry.suffix == ".csv"]
    other.entries = sorted([*entries, *tables], key=lambda entry: entry.name)
    return other


def _are_strips(files: Files, stills: Sequence[Entry]) -> bool:
    """Tell by the first, middle and last picture whether they are film strips."""
    for entry in (stills[0], stills[len(stills) // 2], stills[-1]):
        try:
            header = read_header(files.read(entry), files.shown(entry))
        except UserError:
            continue
        if not media.is_strip(header.height, header.width):
            return False
    return True


def _by_folder(stills: Sequence[Entry], top: str) -> dict[str, list[Entry]]:
    """Return the pictures of each folder in the order of their numbers; those at the top are a clip of that name."""
    folders: dict[str, list[Entry]] = {}
    for entry in stills:
        folders.setdefault(entry.name.rpartition("/")[0] or top, []).append(entry)
    return {name: sorted(its, key=lambda each: in_numbers(each.name)) for name, its in sorted(folders.items())}


def in_numbers(name: str) -> list[tuple[int, int, str]]:
    """Return the key that puts frame2 before frame10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def of_arrays(found: FoundArrays) -> dict[str, list[Shot]]:
    """Return the clips of an .npz by part: clips [N, T, H, W, C] or [N, T, H, W], labels, frame_rate; train_clips, ...

    Raises UserError if there are none, or they are of another shape or type.
    """
    arrays, where = found.arrays, shown(found.arrays.path)
    rate = None
    if "frame_rate" in arrays.names:
        with reading(f"{found.name}/frame_rate", "save one positive number"):
            rate = float(np.asarray(arrays["frame_rate"]).reshape(-1)[0])
    if rate is not None and not 0 < rate < 10_000:
        raise UserError(f"{where}: frame_rate is {rate:g}; it is a positive number of frames a second.")
    parts: dict[str, list[Shot]] = {}
    signed: bool | None = None
    for split in ("train", "test", "val"):
        spelt = [*(f"{split}_{kind}" for kind in _CLIPS), *(_CLIPS if split == "train" else ())]
        name = next((name for name in spelt if name in arrays.names), None)
        if name is None:
            continue
        array = arrays[name]
        clips = as_clips(array, f"{found.name}/{name}", signed)
        if split == "train" and array.dtype.kind == "f":
            signed = bool(array.min() < 0)
        key = next((k for k in (f"{split}_labels", "labels" if split == "train" else "") if k in arrays.names), "")
        labels = as_label_names(arrays[key], len(clips), f"{found.name}/{key}") if key else [None] * len(clips)
        parts[split] = [Shot(f"{i:06d}", clip, rate, label) for i, (clip, label) in enumerate(zip(clips, labels))]
    if "train" not in parts:
        there = ", ".join(shown(name) for name in arrays.names[:6]) or "nothing"
        raise UserError(f"{where}: no array named clips or train_clips; it holds {there}.")
    return parts


def as_clips(array: NDArray[Any], where: str, signed: bool | None = None) -> NDArray[np.uint8]:
    """Return [N, T, H, W, C] uint8 of such clips, of [N, T, H, W], or of floats from -1 to 1 or 0 to 1.

    Which of both scales, `signed` says; without it, whether any value is below 0. Raises UserError for anything else.
    """
    if array.ndim == 4:
        array = array[..., None]
    if array.ndim != 5 or not array.size or array.shape[4] not in (1, 3):
        raise UserError(f"{shown(where)}: shape {list(array.shape)}; clips are [N, T, H, W] or [N, T, H, W, 1 or 3].")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise UserError(f"{shown(where)}: values are {array.dtype}; save uint8, or floats from -1 to 1.")
    if not np.isfinite(array).all() or np.abs(array).max() > 1.001:
        raise UserError(f"{shown(where)}: values are beyond -1 to 1, or no numbers; clean them or save uint8.")
    low = float(array.min())
    if signed is False and low < -0.001:
        raise UserError(f"{shown(where)}: values begin at {low:g}, those to train on at 0; save both in one scale.")
    unit = (array + 1) / 2 if (low < 0 if signed is None else signed) else array
    return np.asarray(np.rint(unit.clip(0, 1) * 255)).astype(np.uint8)


def read_shots(found: Found, part: Part, progress: Progress | None = None) -> tuple[list[Shot], dict[int, str]]:
    """Return the clips of a part, in the order of their names, and what is wrong with broken ones, by position.

    Raises UserError for more than 4 GiB of frames.
    """
    room = Room(found.files.path, "clips", len(part.entries))

    def read(entry: Entry, label: str | None) -> Shot:
        reel = found.reel(entry)
        room.check((reel.count or 0) * reel.height * reel.width * 3)
        frames = grey_if_grey(reel.read())
        room.take(frames.nbytes)
        return Shot(entry.name, frames, reel.rate, label)

    return read_each(part, read, progress)


def decode(
    found: Found, split: str, skip_broken: bool = False, progress: Progress | None = None
) -> tuple[list[Shot], int]:
    """Return the clips of one part, in the order of their names, and how many broken ones were left out.

    Raises UserError for broken ones unless they are skipped, and for more than 4 GiB of frames.
    """
    part = found.layout.parts[split]
    shots, broken = read_shots(found, part, progress)
    refuse_broken(found.files, "clips", broken, len(part.entries), skip_broken)
    return shots, len(broken)


def grey_if_grey(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return frames [F, H, W, 1] where all three channels are the same, else as they are."""
    if frames.shape[3] == 3 and all((frames[..., :1] == frames[..., k : k + 1]).all() for k in (1, 2)):
        return np.ascontiguousarray(frames[..., :1])
    return frames


def holds_clips(source: str | Path) -> bool:
    """Tell whether a source holds clips rather than pictures, by its name, its arrays or its endings.

    Folders of frames and film strips are taken for pictures, unless a recipe of clips is named.
    """
    if isinstance(source, str) and source in moving.NAMES:
        return True
    try:
        path = Path(source).expanduser()
        if not path.exists():
            return False
        if path.suffix.lower() == ".npz" and path.is_file():
            spelt = {*_CLIPS, *(f"train_{kind}" for kind in _CLIPS)}
            return bool(spelt & set(Npz(path).names))
        with files_at(path, (*media.SUFFIXES, *STILLS), READABLE) as files:
            suffixes = Counter(entry.suffix for entry in files.entries)
            films = sum(suffixes[suffix] for suffix in film.SUFFIXES)
            first = next((entry for entry in files.entries if entry.suffix in media.ANIMATIONS), None)
            moves = first is not None and bool(is_clip(files, first)) and _moves(files, first)
            stills = sum(suffixes[suffix] for suffix in STILLS - {".webp"})
            moving_ones = suffixes[".gif"] + suffixes[".webp"] if moves else 0
            return films + moving_ones > stills
    except (UserError, OSError):
        return False  # whoever opens it as pictures says what is wrong


def _moves(files: Files, entry: Entry) -> bool:
    """Tell whether an animation has several frames; a damaged one counts as if."""
    try:
        return (media.open_clip(files.read(entry), entry.suffix, files.shown(entry)).count or 2) > 1
    except UserError:
        return True
