"""Random excerpts of recordings of any length, for vocoders: a function of the data, the seed and the position."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.data.decoding import MAX_BYTES, in_order
from gantlet.data.files import refuse_broken
from gantlet.data.order import Order
from gantlet.data.pictures import Progress
from gantlet.data.recordings import (
    Found,
    FoundArrays,
    Heard,
    Take,
    brought_to,
    common_channels,
    common_rate,
    converted,
    decode,
    found_at,
    of_arrays,
    open_entry,
    refuse_leaks,
    refuse_leaks_on_disk,
)
from gantlet.data.sides import HELD_OUT, choose
from gantlet.data.sounds import UNIT, check_asked
from gantlet.data.splits import check_split, choose_split, listing
from gantlet.errors import UserError
from gantlet.layers.resample import resampled_length
from gantlet.media.audio import Recording
from gantlet.media.foreign import shown

Rows = Callable[[int, int], Mapping[str, Tensor]]  # (start, count) -> that many rows of the endless order
LENGTH = 8192  # samples of an excerpt, where neither the person nor the recipe says
IN_MEMORY = 512 * 2**20  # bytes of decoded recordings; folders of more are read window by window
FEW = 5  # recordings below which the end of each is held out instead of whole ones
_REACH = 64  # samples around a window that is resampled, at the lower rate


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of one recording, at the rate and with the channels of all: in memory, or read from a wav on disk."""

    name: str
    begin: int
    end: int
    wave: NDArray[Any] | None = None  # [C, T] of the whole recording, int16 or float32
    path: Path | None = None
    sample_rate: int = 0  # of the file, and what it is brought to
    wanted: int = 0
    channels: int = 1

    @property
    def frames(self) -> int:
        return self.end - self.begin

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        """Return [C, count] from `start` on, float32 in [-1, 1]; fewer where it ends."""
        first, last = self.begin + start, min(self.begin + start + count, self.end)
        if self.wave is not None:
            part = self.wave[:, first:last]
            return np.asarray(part / np.float32(32768) if part.dtype == np.int16 else part, np.float32)
        assert self.path is not None
        with Recording(self.path, self.name) as recording:
            if self.sample_rate == self.wanted:
                return converted(recording.read(first, last - first), self.wanted, self.wanted, self.channels)
            divisor = gcd(self.sample_rate, self.wanted)
            up, down = self.wanted // divisor, self.sample_rate // divisor
            reach = _REACH * max(down // up, 1)
            turn = max(first // up - -(-reach // down), 0)  # output turn * up lies exactly at input turn * down
            stop = -(-last * down // up) + reach
            window = recording.read(turn * down, stop - turn * down)
            wave = converted(window, self.sample_rate, self.wanted, self.channels)
            return wave[:, first - turn * up : last - turn * up]


@dataclass(frozen=True, eq=False)
class Excerpts:
    """Recordings of any length at one rate, of which batches hold random excerpts; `test` are those held out."""

    name: str
    pieces: tuple[Piece, ...]
    sample_rate: int
    channels: int
    length: int  # samples of an excerpt
    asked: bool = False  # the length was, so it is a fact of the data; otherwise the recipe may choose it
    test: Excerpts | None = None
    notes: tuple[str, ...] = ()
    split: str = "train"
    fingerprint: str = ""

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def seconds(self) -> float:
        """Return how long all recordings are together."""
        return sum(piece.frames for piece in self.pieces) / self.sample_rate

    def facts(self) -> dict[str, Any]:
        """Return what a recipe asks of its data: channels, sample_rate, and length where it was asked for."""
        facts = {"channels": self.channels, "sample_rate": self.sample_rate}
        return {**facts, "length": self.length} if self.asked else facts

    def of_length(self, length: int | None) -> Excerpts:
        """Return excerpts of `length` samples, unless their length was asked for."""
        if length is None or self.asked:
            return self
        test = None if self.test is None else self.test.of_length(length)
        return replace(self, length=int(length), test=test)

    def cutting(self) -> str:
        """Return in words how long excerpts are, and what becomes of recordings that are shorter."""
        short = sum(piece.frames < self.length for piece in self.pieces)
        filled = f"; {short:,} of {len(self):,} recordings are shorter, and the next ones follow" if short else ""
        return f"excerpts are {self.length:,} samples long ({self.length / self.sample_rate:.2f} s){filled}"

    def describe(self) -> dict[str, Any]:
        """Return what a run keeps of its data."""
        return {
            "count": len(self),
            "seconds": round(self.seconds, 3),
            "classes": [],
            "class_counts": [],
            "intensity": UNIT.to_json(),
            "held_out": [] if self.test is None else [piece.name for piece in self.test.pieces],
            "notes": list(self.notes),
            "fingerprint": self.fingerprint,
        }

    def feed(self, seed: int) -> Rows:
        """Return the rows of training by position: "audio" [n, C, length]."""
        chooser = Chooser(self, seed)

        def rows(start: int, count: int) -> dict[str, Tensor]:
            return {"audio": self.cut(*chooser.places(start, count))}

        return rows

    def cut(self, indices: NDArray[np.int64], shares: NDArray[np.float64]) -> Tensor:
        """Return one excerpt [n, C, length] of each piece; `shares` in [0, 1) say where it begins.

        A recording that is too short is followed by the next ones: silence in their place would be most of what is
        learnt from words or drum hits, and its log-mels the largest of all errors.
        """
        out = np.zeros((len(indices), self.channels, self.length), np.float32)
        for row, (index, share) in enumerate(zip(indices, shares, strict=True)):
            frames = self.pieces[index].frames
            start, filled = int(share * (frames - self.length + 1 if frames >= self.length else frames)), 0
            while filled < self.length:
                found = self.pieces[index].read(start, self.length - filled)
                out[row, :, filled : filled + found.shape[1]] = found
                filled, start, index = filled + found.shape[1], 0, (index + 1) % len(self)
        return torch.from_numpy(out)

    def held_out(self, count: int, length: int | None = None) -> dict[str, Tensor]:
        """Return `count` excerpts of held-out recordings (of those trained on where none are), always the same ones."""
        part = replace(self.test or self, length=length or self.length)
        return {"audio": part.cut(*held_out_places(len(part), count))}

    def whole(self, index: int) -> NDArray[np.float32]:
        """Return one recording [C, T]."""
        return self.pieces[index].read(0, self.pieces[index].frames)


class Chooser:
    """Which recording and where: recordings in proportion to their length, a place uniform within each."""

    def __init__(self, excerpts: Excerpts, seed: int) -> None:
        weights = np.array([max(piece.frames, excerpts.length) for piece in excerpts.pieces], np.float64)
        self._order = Order(len(excerpts), seed, weights)
        self._key = (seed % 2**64) | (0x736F756E << 64)  # a stream of its own

    def places(self, start: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the recordings and the shares of the positions start .. start + count - 1."""
        first = start // 4  # Philox gives four numbers at a time
        raw = np.random.Philox(key=self._key, counter=first).random_raw(4 * ((start + count + 3) // 4 - first))
        shares = (raw[start - 4 * first :][:count] >> np.uint64(11)) * 2.0**-53
        return self._order.indices(start, count), np.asarray(shares, np.float64)


def held_out_places(recordings: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the places of `count` excerpts that look at all recordings in turn, away from their very beginning."""
    turns = np.arange(count, dtype=np.int64)
    return turns % recordings, np.asarray((0.3 + 0.618034 * (turns // recordings)) % 1.0, np.float64)


def open_excerpts(
    source: str | Path,
    *,
    sample_rate: int | None = None,
    duration: float | None = None,
    channels: int | None = None,
    split: str = "train",
    group: str | None = None,
    skip_broken: bool = False,
    progress: Progress | None = None,
) -> Excerpts:
    """Open recordings as a source of excerpts; the sources and most arguments are those of `open_sounds`.

    Where there is no test part, about a tenth of the recordings is held out, chosen by the hash of the name (by that of
    the first group of the pattern `group`, if given); of fewer than five the last tenth of each. `duration` is that of
    an excerpt. Recordings are decoded into memory, or read from their folder window by window if they are many.

    Raises UserError as `open_sounds` does.
    """
    check_split(split)
    check_asked(sample_rate, duration, channels)
    notes: tuple[str, ...] = ()
    if isinstance(source, str) and source == "tones":
        parts, name = _notes_of_tones(), "tones"
    else:
        with found_at(source) as found:
            name = found.name
            if isinstance(found, FoundArrays):
                parts = of_arrays(found)
            elif (lazy := _from_disk(found, sample_rate, channels, skip_broken)) is not None:
                whole, rate, count, told = lazy
                return _made(name, whole, rate, count, duration, split, group, (*found.layout.notes, *told))
            else:
                decoded = {part: decode(found, part, skip_broken, progress) for part in found.layout.parts}
                parts, left = {part: takes for part, (takes, _) in decoded.items()}, sum(n for _, n in decoded.values())
                notes = (*found.layout.notes, *([f"{left:,} broken recordings are left out"] if left else []))
    train = parts["train"]
    everything = [take for takes in parts.values() for take in takes]
    rate, count = sample_rate or common_rate(train), common_channels(everything, channels, shown(source))
    for other in set(parts) - {"train"}:
        refuse_leaks(train, parts[other], shown(source))
    others = sum(take.sample_rate != rate for take in everything)
    notes = (*notes, *([f"{others:,} recordings are resampled to {rate:,} Hz"] if others else []))
    pieces = {part: [in_memory(take, rate, count) for take in takes] for part, takes in parts.items()}
    return _made(name, pieces, rate, count, duration, split, group, notes)


def in_memory(take: Take, rate: int, channels: int) -> Piece:
    """Return a recording at this rate, with these channels, as a piece."""
    wave = brought_to(take, rate, channels).wave
    return Piece(take.name, 0, wave.shape[1], wave)


def on_disk(one: Heard, rate: int, channels: int) -> Piece:
    """Return a recording at this rate, with these channels, as a piece that is read when it is needed."""
    frames = resampled_length(one.header.frames, one.sample_rate, rate)
    return Piece(one.name, 0, frames, None, one.path, one.sample_rate, rate, channels)


def _notes_of_tones() -> dict[str, list[Take]]:
    from gantlet.data.sounds import open_sounds

    return {
        part: [Take(f"{part}/{i:06d}", wave, sounds.sample_rate) for i, wave in enumerate(sounds.waves)]
        for part, sounds in ((part, open_sounds("tones", split=part)) for part in ("train", "test"))
    }


def _from_disk(
    found: Found, sample_rate: int | None, channels: int | None, skip_broken: bool
) -> tuple[dict[str, list[Piece]], int, int, tuple[str, ...]] | None:
    """Return the pieces of a large folder of recordings, to be read window by window; None for what fits into memory.

    Raises UserError for a large archive, for broken recordings, and as `open_excerpts` does.
    """
    entries = [entry for part in found.layout.parts.values() for entry in part.entries]
    if sum(entry.size for entry in entries) <= IN_MEMORY:
        return None
    if found.files.place(entries[0]) is None:
        if sum(entry.size for entry in entries) > MAX_BYTES:
            raise UserError(f"{shown(found.files.path)}: too large to be kept in memory; unpack it into a folder.")
        return None
    heard, broken = dict[str, list[Heard]](), 0
    for part, its in found.layout.parts.items():
        bad: dict[int, str] = {}
        for index, entry in in_order(its.entries):
            path = found.files.place(entry)
            assert path is not None
            try:
                with open_entry(found.files, entry) as recording:
                    heard.setdefault(part, []).append(Heard(entry.name, path, recording.header))
            except UserError as error:
                bad[index] = str(error)
        refuse_broken(found.files, "recordings", bad, len(its.entries), skip_broken)
        broken += len(bad)
    everything, where = [one for its in heard.values() for one in its], shown(found.files.path)
    rate, count = sample_rate or common_rate(heard["train"]), common_channels(everything, channels, where)
    for other in set(heard) - {"train"}:
        refuse_leaks_on_disk(heard["train"], heard[other], where)
    notes = [f"{len(everything):,} recordings are read from disk window by window"]
    notes += [f"{broken:,} broken recordings are left out"] if broken else []
    return {part: [on_disk(one, rate, count) for one in its] for part, its in heard.items()}, rate, count, tuple(notes)


def _made(
    name: str,
    parts: Mapping[str, Sequence[Piece]],
    rate: int,
    channels: int,
    duration: float | None,
    split: str,
    group: str | None,
    notes: tuple[str, ...],
) -> Excerpts:
    """Return the excerpts of one part; for "train" with what is held out."""
    length = LENGTH if duration is None else max(round(duration * rate), 1)
    made = Excerpts(name, tuple(parts["train"]), rate, channels, length, duration is not None, notes=notes)
    if split != "train":
        part = choose_split(name, split, parts)
        made = replace(made, pieces=tuple(parts[part]), split=split)
    elif "test" in parts or "val" in parts:
        part = "test" if "test" in parts else "val"
        made = replace(made, test=replace(made, pieces=tuple(parts[part]), split=part))
    else:
        made = hold_out(made, group)
    tested = made.test
    return replace(
        made,
        fingerprint=fingerprint(made.pieces),
        test=tested and replace(tested, fingerprint=fingerprint(tested.pieces), notes=()),
    )


def hold_out(made: Excerpts, group: str | None) -> Excerpts:
    """Return the excerpts with a part held out: recordings chosen by name, or the last tenth of each of a few."""
    count = len(made)
    if count < FEW and group is None:
        cuts = [piece.begin + int(piece.frames * (1 - HELD_OUT)) for piece in made.pieces]
        kept = tuple(replace(piece, end=cut) for piece, cut in zip(made.pieces, cuts))
        held = tuple(replace(piece, begin=cut) for piece, cut in zip(made.pieces, cuts))
        if min((piece.frames for piece in (*kept, *held)), default=0) < 1:
            return replace(made, notes=(*made.notes, "nothing is held out: the recordings are too short"))
        note = f"the last {HELD_OUT:.0%} of each of the {count} recordings are held out"
        return replace(made, pieces=kept, test=replace(made, pieces=held), notes=(*made.notes, note))
    chosen = set(choose([piece.name for piece in made.pieces], int(count * HELD_OUT + 0.5), group))
    if not chosen:
        return replace(made, notes=(*made.notes, "nothing is held out: all recordings belong together"))
    kept = tuple(piece for index, piece in enumerate(made.pieces) if index not in chosen)
    held = tuple(made.pieces[index] for index in sorted(chosen))
    names = listing([piece.name for piece in held])
    note = f"{len(held):,} of {count:,} recordings are held out ({names})"
    return replace(made, pieces=kept, test=replace(made, pieces=held), notes=(*made.notes, note))


def fingerprint(pieces: Sequence[Piece]) -> str:
    """Return a SHA-256 of all pieces: of their values in memory, of sizes and times of files that are not."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(f"{piece.name} {piece.begin} {piece.end}\n".encode("utf-8", "surrogateescape"))
        if piece.wave is not None:
            digest.update(np.ascontiguousarray(piece.wave))
        elif piece.path is not None:
            status = piece.path.stat()
            digest.update(f"{status.st_size} {status.st_mtime_ns} {piece.wanted}".encode())
    return digest.hexdigest()
