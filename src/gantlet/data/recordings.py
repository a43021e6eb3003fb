"""Recordings as they are found, in a folder, zip, tar or .npz: decoded, not yet cut to one length."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gantlet.data.arrays import Npz, as_label_names
from gantlet.data.decoding import Room, read_each
from gantlet.data.files import Entry, Files, refuse_broken
from gantlet.data.folders import Layout, Part, arrange
from gantlet.data.naming import compiled
from gantlet.data.pictures import Progress
from gantlet.data.sources import existing, files_at
from gantlet.data.splits import class_order, listing
from gantlet.errors import UserError
from gantlet.layers.resample import resample
from gantlet.media.audio import PIECE, SUFFIXES, Recording, SoundHeader
from gantlet.media.foreign import reading, shown
from gantlet.media.wav import MAX_RATE

READABLE = f"a folder, zip or tar of recordings ({', '.join(SUFFIXES)}), an .npz with audio and sample_rate, or tones"
FSDD = re.compile(r"(\d)_([A-Za-z]+)_(\d+)\.wav")  # digit, speaker, index: index 0 to 4 of each is the test part
FSDD_TEST = 5
_AUDIO = ("audio", "sounds", "waves")


@dataclass(frozen=True, eq=False)
class Take:
    """One recording in memory: [C, T] int16 (full scale 32768) or float32 (full scale 1)."""

    name: str
    wave: NDArray[Any]
    sample_rate: int
    label: str | None = None
    depth: str = ""  # of the file, in words

    @property
    def channels(self) -> int:
        return int(self.wave.shape[0])

    @property
    def mark(self) -> str:
        """Return the SHA-256 of the values; "" for silence, which is nobody's copy."""
        if not self.wave.any():
            return ""
        digest = hashlib.sha256(f"{self.sample_rate} {self.wave.shape} {self.wave.dtype}".encode())
        digest.update(np.ascontiguousarray(self.wave))
        return digest.hexdigest()

    def floats(self) -> NDArray[np.float32]:
        """Return the values as float32."""
        return np.asarray(self.wave / np.float32(32768) if self.wave.dtype == np.int16 else self.wave, np.float32)


@dataclass(frozen=True)
class Heard:
    """A recording that stays on disk, and what its header says."""

    name: str
    path: Path
    header: SoundHeader

    @property
    def sample_rate(self) -> int:
        return self.header.sample_rate

    @property
    def channels(self) -> int:
        return self.header.channels

    @property
    def size(self) -> tuple[int, int, int]:
        return self.header.frames, self.header.sample_rate, self.header.channels

    @property
    def beginning(self) -> str:
        """Return the SHA-256 of the first values."""
        with Recording(self.path, self.name) as recording:
            return hashlib.sha256(recording.read(0, PIECE).tobytes()).hexdigest()

    @property
    def mark(self) -> str:
        """Return the SHA-256 of the values; "" for silence, which is nobody's copy."""
        digest, silent = hashlib.sha256(), True
        with Recording(self.path, self.name) as recording:
            for start in range(0, self.header.frames, PIECE):
                piece = recording.read(start, PIECE)
                digest.update(piece.tobytes())
                silent = silent and not piece.any()
        return "" if silent else digest.hexdigest()


@dataclass(frozen=True)
class Found:
    """Recording files, and where each belongs."""

    name: str
    files: Files
    layout: Layout


@dataclass(frozen=True)
class FoundArrays:
    """An .npz of recordings of one length."""

    name: str
    arrays: Npz


@contextmanager
def found_at(
    source: str | Path, labels: str | Path | None = None, label_pattern: str | None = None
) -> Iterator[Found | FoundArrays]:
    """Find out what a source of recordings is and open it.

    Raises UserError if it does not exist, holds no recordings, or its labels cannot be read.
    """
    path = existing(source)
    name = shown(path.resolve().name or path)
    if path.suffix.lower() == ".npz" and path.is_file():
        if labels is not None or label_pattern is not None:
            raise UserError(f"{shown(path)}: labels of an .npz are its own array 'labels'; leave the option out.")
        yield FoundArrays(name, Npz(path))
        return
    with files_at(path, SUFFIXES, READABLE) as files:
        layout = arrange(files, labels, SUFFIXES, "recordings")
        if label_pattern is not None:
            if labels is not None:
                raise UserError("Labels come from a table or from the names; give --labels or --label-pattern.")
            layout = by_pattern(layout, label_pattern)
        elif labels is None:
            layout = as_fsdd(layout)
        yield Found(name, files, layout)


def holds_sounds(source: str | Path) -> bool:
    """Tell whether a source holds recordings rather than pictures, by its name, its arrays or its endings."""
    if isinstance(source, str) and source == "tones":
        return True
    try:
        path = Path(source).expanduser()
        if path.suffix.lower() == ".npz" and path.is_file():
            return {"sample_rate"} <= set(Npz(path).names)
        if not path.exists():
            return False
        with files_at(path, SUFFIXES, READABLE) as files:
            from gantlet.media.image import SUFFIXES as PICTURES

            suffixes = Counter(entry.suffix for entry in files.entries)
            return sum(suffixes[s] for s in SUFFIXES) > sum(suffixes[s] for s in PICTURES)
    except (UserError, OSError):
        return False  # whoever opens it as pictures says what is wrong


def base(name: str) -> str:
    """Return the file name without folders."""
    return name.rpartition("/")[2]


def by_pattern(layout: Layout, text: str) -> Layout:
    """Return the layout with the first group of a pattern in each file name as its class.

    Raises UserError for a pattern that is none, has no group, or does not fit every name.
    """
    pattern, parts = compiled("--label-pattern", text, "the class"), {}
    for split, part in layout.parts.items():
        matches = [pattern.search(base(entry.name)) for entry in part.entries]
        odd = [entry.name for entry, match in zip(part.entries, matches) if match is None or not match[1]]
        if odd:
            raise UserError(
                f"--label-pattern '{shown(text)}' does not fit {len(odd):,} of {len(matches):,} file names "
                f"({listing(odd)}); change it, or take them out."
            )
        parts[split] = replace(part, labels=tuple(match[1] for match in matches if match is not None))
    names = class_order(label for part in parts.values() for label in part.labels or ())
    notes = (*layout.notes, f"classes are the first group of '{shown(text)}' in the file names")
    return replace(layout, parts=parts, classes=names, notes=notes)


def as_fsdd(layout: Layout) -> Layout:
    """Return the layout of the Free Spoken Digit Dataset where all names are {digit}_{speaker}_{index}.wav."""
    matches = {
        split: [FSDD.fullmatch(base(entry.name)) for entry in part.entries] for split, part in layout.parts.items()
    }
    if not all(match for its in matches.values() for match in its):
        return layout
    sorted_in: dict[str, list[tuple[Entry, str]]] = {}
    for split, part in layout.parts.items():
        for entry, match in zip(part.entries, matches[split], strict=True):
            assert match is not None
            own = "test" if len(layout.parts) == 1 and int(match[3]) < FSDD_TEST else split
            sorted_in.setdefault(own, []).append((entry, match[1]))
    if "train" not in sorted_in:  # nothing but its test part
        return layout
    note = "names are those of the Free Spoken Digit Dataset: the label is the digit"
    if len(layout.parts) == 1 and "test" in sorted_in:
        note += f", and the test part is index 0 to {FSDD_TEST - 1}"
    parts = {split: Part(tuple(e for e, _ in its), tuple(y for _, y in its)) for split, its in sorted_in.items()}
    names = class_order(label for its in sorted_in.values() for _, label in its)
    return replace(layout, parts=parts, classes=names, notes=(*layout.notes, note))


def read_takes(
    found: Found, part: Part, progress: Progress | None = None, seconds: int | None = None
) -> tuple[list[Take], dict[int, str]]:
    """Return the recordings of a part (the first `seconds` of each), and what is wrong with broken ones, by position.

    Raises UserError for more than 4 GiB.
    """
    room = Room(found.files.path, "recordings", len(part.entries))

    def read(entry: Entry, label: str | None) -> Take:
        with open_entry(found.files, entry) as recording:
            header = recording.header
            frames = header.frames if seconds is None else min(header.frames, seconds * header.sample_rate)
            room.take(frames * header.channels * (2 if header.exact else 4))
            return Take(entry.name, stored(recording, frames), header.sample_rate, label, header.depth)

    return read_each(part, read, progress)


def decode(
    found: Found, split: str, skip_broken: bool = False, progress: Progress | None = None
) -> tuple[list[Take], int]:
    """Return the recordings of one part, in the order of their names, and how many broken ones were left out.

    Raises UserError for broken ones unless they are skipped, and for more than 4 GiB.
    """
    part = found.layout.parts[split]
    takes, broken = read_takes(found, part, progress)
    refuse_broken(found.files, "recordings", broken, len(part.entries), skip_broken)
    return takes, len(broken)


def open_entry(files: Files, entry: Entry) -> Recording:
    """Open a recording where it lies: from the disk piece by piece, from an archive as a whole."""
    place = files.place(entry)
    return Recording(files.read(entry) if place is None else place, files.shown(entry))


def stored(recording: Recording, frames: int) -> NDArray[Any]:
    """Return the first values as they are kept: int16 if every one is of 16 bits, else float32."""
    wave = recording.read(0, frames)
    return np.rint(wave * 32768).astype(np.int16) if recording.header.exact else wave


def of_arrays(found: FoundArrays) -> dict[str, list[Take]]:
    """Return the recordings of an .npz by part: audio [N, T] or [N, C, T], sample_rate, labels; train_audio, ...

    Raises UserError if one of them is missing or of another shape.
    """
    arrays, where = found.arrays, shown(found.arrays.path)
    if "sample_rate" not in arrays.names:
        raise UserError(f"{where}: no array sample_rate (samples per second); save it beside audio.")
    with reading(f"{found.name}/sample_rate", "save one positive number"):
        rate = int(np.asarray(arrays["sample_rate"]).reshape(-1)[0])
    if not 1 <= rate <= MAX_RATE:
        raise UserError(f"{where}: sample_rate is {rate}; it is 1 to {MAX_RATE:,} samples per second.")
    parts: dict[str, list[Take]] = {}
    for split in ("train", "test", "val"):
        spelt = [*(f"{split}_{kind}" for kind in _AUDIO), *(_AUDIO if split == "train" else ())]
        name = next((name for name in spelt if name in arrays.names), None)
        if name is None:
            continue
        waves = as_waves(arrays[name], f"{found.name}/{name}")
        key = next(
            (key for key in (f"{split}_labels", "labels" if split == "train" else "") if key in arrays.names), ""
        )
        labels = as_label_names(arrays[key], len(waves), f"{found.name}/{key}") if key else [None] * len(waves)
        parts[split] = [
            Take(f"{i:06d}", wave, rate, label, str(wave.dtype)) for i, (wave, label) in enumerate(zip(waves, labels))
        ]
    if "train" not in parts:
        there = ", ".join(shown(name) for name in arrays.names[:6]) or "nothing"
        raise UserError(f"{where}: no array named audio or train_audio; it holds {there}.")
    return parts


def as_waves(array: NDArray[Any], where: str) -> NDArray[Any]:
    """Return [N, C, T] int16 or float32 of [N, T] or [N, C, T]. Raises UserError for anything else."""
    if array.ndim == 2:
        array = array[:, None]
    if array.ndim != 3 or not array.size:
        raise UserError(f"{shown(where)}: shape {list(array.shape)}; recordings are [N, T] or [N, C, T].")
    if array.shape[1] > array.shape[2]:
        raise UserError(f"{shown(where)}: {array.shape[1]} channels of {array.shape[2]} samples; save [N, C, T].")
    if array.dtype == np.int16:
        return array
    if array.dtype.kind != "f":
        raise UserError(f"{shown(where)}: values are {array.dtype}; save int16, or floats from -1 to 1.")
    if not np.isfinite(array).all():
        raise UserError(f"{shown(where)}: holds NaN or infinite values; clean it.")
    if np.abs(array).max() > 8:
        raise UserError(f"{shown(where)}: values reach {np.abs(array).max():g}; floats go from -1 to 1.")
    return array.astype(np.float32)


def common_rate(takes: Sequence[Take] | Sequence[Heard]) -> int:
    """Return the most common number of samples per second, the higher of two equally common ones."""
    counts = Counter(take.sample_rate for take in takes)
    return max(counts, key=lambda rate: (counts[rate], rate))


def common_channels(takes: Sequence[Take] | Sequence[Heard], channels: int | None, where: str) -> int:
    """Return how many channels are kept: one, or those asked for. Raises UserError if recordings lack them."""
    if channels is None:
        return 1
    odd = [take.name for take in takes if take.channels not in (1, channels)]
    if channels < 1 or (odd and channels > 1):
        have = f"{len(odd):,} recordings have another number ({listing(odd)})" if odd else "at least 1 is needed"
        raise UserError(f"{where}: {channels} channels are asked for and {have}; --channels 1 mixes all down.")
    return channels


def brought_to(take: Take, sample_rate: int, channels: int) -> Take:
    """Return a recording at this rate with these channels: mixed down by the mean, or one channel repeated.

    Values beyond full scale are clipped.
    """
    own = take.wave.shape[0]
    if own == channels and take.sample_rate == sample_rate and take.wave.dtype == np.int16:
        return take
    return replace(
        take, wave=converted(take.floats(), take.sample_rate, sample_rate, channels), sample_rate=sample_rate
    )


def converted(wave: NDArray[np.float32], rate: int, sample_rate: int, channels: int) -> NDArray[np.float32]:
    """Return [C, T] at another rate and with other channels, within [-1, 1]."""
    if channels == 1 < wave.shape[0]:
        wave = wave.mean(0, keepdims=True)
    elif wave.shape[0] != channels:
        wave = wave.repeat(channels, 0)
    if rate != sample_rate:
        wave = resample(torch.from_numpy(np.ascontiguousarray(wave))[None], rate, sample_rate)[0].numpy()
    return np.asarray(wave.clip(-1, 1), np.float32)


def refuse_leaks(train: Sequence[Take], test: Sequence[Take], where: str) -> None:
    """Raise UserError if a recording of the test part is, value for value, in the training part as well."""
    sizes = {take.wave.shape for take in train} & {take.wave.shape for take in test}
    names = {take.mark: take.name for take in train if take.wave.shape in sizes}
    marks = [(take.mark, take.name) for take in test if take.wave.shape in sizes]
    _refuse(names, marks, where)


def refuse_leaks_on_disk(train: Sequence[Heard], test: Sequence[Heard], where: str) -> None:
    """Do the same with recordings on disk: of those of one size the beginnings are compared, and only then all."""
    sizes = {one.size for one in train} & {one.size for one in test}
    both = [[one for one in part if one.size in sizes] for part in (train, test)]
    begun = [[(one.beginning, one) for one in part] for part in both]
    alike = {mark for mark, _ in begun[0]} & {mark for mark, _ in begun[1]}
    marks = [[(one.mark, one.name) for mark, one in part if mark in alike] for part in begun]
    _refuse(dict(marks[0]), marks[1], where)


def _refuse(names: Mapping[str, str], marks: Sequence[tuple[str, str]], where: str) -> None:
    """Raise UserError if a recording of the test part, (mark, name), has a mark that one of the training part has."""
    twice = [(names[mark], name) for mark, name in marks if mark and mark in names]
    if twice:
        raise UserError(
            f"{where}: {len(twice):,} recordings are in both the training and the test part "
            f"('{shown(twice[0][0])}' is '{shown(twice[0][1])}'); take them out of one, or numbers mean nothing."
        )
