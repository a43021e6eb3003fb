"""Clean recordings and noise to be mixed: excerpts of two kinds of recordings, or of pairs of noisy and clean ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from gantlet.data.excerpts import LENGTH, Chooser, Excerpts, Piece, Rows, held_out_places, hold_out, open_excerpts
from gantlet.data.excerpts import fingerprint as mark
from gantlet.data.folders import Layout, Part
from gantlet.data.naming import by_key, stem, stems_suffice
from gantlet.data.recordings import (
    Found,
    FoundArrays,
    Take,
    brought_to,
    common_channels,
    common_rate,
    decode,
    found_at,
    refuse_leaks,
)
from gantlet.data.sounds import UNIT, check_asked
from gantlet.data.splits import choose_split
from gantlet.errors import UserError
from gantlet.media.foreign import shown

FOLDERS = ("noisy", "clean")  # of a place that holds pairs


@dataclass(frozen=True)
class Half:
    """The noisy or the clean recordings of pairs by part, and what gives the path of each below their folder."""

    parts: dict[str, list[Take]]
    inside: Callable[[str], str]


@dataclass(frozen=True, eq=False)
class Mixtures:
    """Clean recordings and noise at one rate; `aligned` noise is that of the very place (noisy minus clean)."""

    clean: Excerpts
    noise: Excerpts
    aligned: bool
    notes: tuple[str, ...] = ()
    split: str = "train"

    @property
    def name(self) -> str:
        return self.clean.name

    @property
    def sample_rate(self) -> int:
        return self.clean.sample_rate

    @property
    def channels(self) -> int:
        return self.clean.channels

    @property
    def length(self) -> int:
        """Samples of an excerpt."""
        return self.clean.length

    def __len__(self) -> int:
        return len(self.clean)

    def facts(self) -> dict[str, Any]:
        """Return what a recipe asks of its data."""
        return self.clean.facts()

    def of_length(self, length: int | None) -> Mixtures:
        """Return excerpts of `length` samples, unless their length was asked for."""
        return replace(self, clean=self.clean.of_length(length), noise=self.noise.of_length(length))

    def cutting(self) -> str:
        """Return in words how long excerpts are, and what becomes of clean recordings that are shorter."""
        return self.clean.cutting()

    def describe(self) -> dict[str, Any]:
        """Return what a run keeps of its data."""
        clean, noise = self.clean.describe(), self.noise.describe()
        noises = {f"noise_{key}": noise[key] for key in ("count", "seconds", "held_out")}
        marks = f"{clean['fingerprint']}-{noise['fingerprint']}"
        whole = {**clean, **noises, "aligned": self.aligned, "notes": list(self.notes), "fingerprint": marks}
        return {**whole, "intensity": UNIT.to_json()}

    def feed(self, seed: int) -> Rows:
        """Return the rows of training by position: "audio" and "noise", both [n, C, length]."""
        choosers = [Chooser(self.clean, seed), Chooser(self.noise, seed if self.aligned else seed + 7919)]

        def rows(start: int, count: int) -> dict[str, Tensor]:
            clean, noise = (chooser.places(start, count) for chooser in choosers)
            return {"audio": self.clean.cut(*clean), "noise": self.noise.cut(*noise)}

        return rows

    def held_out(self, count: int, length: int | None = None) -> dict[str, Tensor]:
        """Return `count` excerpts of held-out recordings and noises, always the same ones."""
        parts = [replace(side.test or side, length=length or self.length) for side in (self.clean, self.noise)]
        if self.aligned:
            places = held_out_places(len(parts[0]), count)
            return {"audio": parts[0].cut(*places), "noise": parts[1].cut(*places)}
        clean, noise = (part.cut(*held_out_places(len(part), count)) for part in parts)
        return {"audio": clean, "noise": noise}


def open_mixtures(
    source: str | Path,
    *,
    noise: str | Path | None = None,
    target: str | Path | None = None,
    sample_rate: int | None = None,
    duration: float | None = None,
    channels: int | None = None,
    split: str = "train",
    group: str | None = None,
    skip_broken: bool = False,
) -> Mixtures:
    """Open what enhancement is trained on; most arguments are those of `open_excerpts`.

    Either `source` is clean and `noise` noise; or `source` is noisy and `target` clean, of the same names and lengths;
    or `source` alone holds the folders noisy and clean. Noise shorter than an excerpt begins again.

    Raises UserError for a missing side, pairs that do not match, and as `open_excerpts` does.
    """
    check_asked(sample_rate, duration, channels)
    how: dict[str, Any] = {"duration": duration, "split": split, "group": group, "skip_broken": skip_broken}
    if noise is not None:
        if target is not None:
            raise UserError("Noise is given by --noise, or comes from pairs by --target; leave one out.")
        clean = open_excerpts(source, sample_rate=sample_rate, channels=channels, **how)
        other = open_excerpts(
            noise, sample_rate=clean.sample_rate, channels=clean.channels, **{**how, "split": "train"}
        )
        if split != "train":
            other = other.test or other
        notes = (*clean.notes, *(f"noise: {note}" for note in other.notes))
        return Mixtures(clean, other, False, notes, split)
    sides = _sides(source, target, skip_broken)
    return _of_pairs(*sides, sample_rate, channels, duration, split, group, shown(source))


def _sides(source: str | Path, target: str | Path | None, skip_broken: bool) -> tuple[str, Half, Half]:
    """Return the name, and noisy and clean recordings."""
    if target is not None:
        noisy, clean = (_decoded(place, skip_broken) for place in (source, target))
        return noisy[0], noisy[1], clean[1]
    with found_at(source) as found:
        layout = None if isinstance(found, FoundArrays) else found.layout
        if layout is None or {name.lower() for name in layout.classes} != set(FOLDERS):
            raise UserError(
                f"{shown(source)}: clean recordings need noise: name it with --noise, or name the clean ones with "
                "--target if these are noisy, or give one place with the folders noisy and clean."
            )
        assert isinstance(found, Found)
        sides = [_half(replace(found, layout=_only(layout, name, shown(source))), skip_broken) for name in FOLDERS]
        return found.name, sides[0], sides[1]


def _decoded(place: str | Path, skip_broken: bool) -> tuple[str, Half]:
    with found_at(place) as found:
        if isinstance(found, FoundArrays):
            raise UserError(f"{shown(place)}: pairs are folders, zips or tars of recordings with the same names.")
        return found.name, _half(found, skip_broken)


def _half(found: Found, skip_broken: bool) -> Half:
    parts = {part: decode(found, part, skip_broken)[0] for part in found.layout.parts}
    return Half(parts, found.layout.inside)


def _only(layout: Layout, folder: str, where: str) -> Layout:
    """Return the recordings in one of the class folders. Raises UserError where a part has some outside of them."""
    parts = {}
    for split, part in layout.parts.items():
        if part.labels is None:
            raise UserError(
                f"{where}: recordings of the {split} part lie outside of the folders noisy and clean; move them into "
                "one, or take them out."
            )
        chosen = [e for e, label in zip(part.entries, part.labels, strict=True) if label.lower() == folder]
        if chosen:
            parts[split] = Part(tuple(chosen), None)
    return Layout(parts, (), layout.notes, layout.below((folder,)))


def _of_pairs(
    name: str,
    noisy: Half,
    clean: Half,
    sample_rate: int | None,
    channels: int | None,
    duration: float | None,
    split: str,
    group: str | None,
    where: str,
) -> Mixtures:
    """Return mixtures whose noise is noisy minus clean."""
    if set(noisy.parts) != set(clean.parts):
        there = [", ".join(half.parts) for half in (noisy, clean)]
        raise UserError(f"{where}: noisy has the parts {there[0]}, clean {there[1]}; make them alike.")
    rate = sample_rate or common_rate(clean.parts["train"])
    everything = [take for half in (clean, noisy) for takes in half.parts.values() for take in takes]
    count = common_channels(everything, channels, where)
    pieces = {part: [_pair(*pair, rate, count, where) for pair in matched(noisy, clean, part, where)]
              for part in clean.parts}  # fmt: skip
    for other in set(pieces) - {"train"}:
        refuse_leaks(clean.parts["train"], clean.parts[other], where)
    length = LENGTH if duration is None else max(round(duration * rate), 1)
    sides = []
    for side in (0, 1):
        parts = {part: tuple(pair[side] for pair in its) for part, its in pieces.items()}
        made = Excerpts(name, parts["train"], rate, count, length, duration is not None)
        if split != "train":
            made = replace(made, pieces=parts[choose_split(name, split, parts)], split=split)
        elif len(parts) > 1:
            made = replace(made, test=replace(made, pieces=parts["test" if "test" in parts else "val"]))
        else:
            made = hold_out(made, group)
        sides.append(replace(made, fingerprint=mark(made.pieces)))
    notes = (*sides[0].notes, "noise is what noisy and clean recordings of the same name differ by")
    return Mixtures(sides[0], sides[1], True, notes, split)


def matched(noisy: Half, clean: Half, part: str, where: str) -> list[tuple[Take, Take]]:
    """Return pairs of noisy and clean recordings by name. Raises UserError where one has no partner."""
    paths = [[half.inside(take.name) for take in half.parts[part]] for half in (noisy, clean)]
    stems = stems_suffice(*paths)
    sides = [by_key(its, stems, "recordings", where) for its in paths]
    alone = sorted(sides[0].keys() ^ sides[1].keys())
    if alone:
        lacks = "clean" if alone[0] in sides[0] else "noisy"
        raise UserError(
            f"{where}: {len(alone):,} recordings have no partner of the same name; '{shown(alone[0])}' has no {lacks} "
            "one; add it, or leave it out."
        )
    return [(noisy.parts[part][sides[0][key]], clean.parts[part][sides[1][key]]) for key in sorted(sides[0])]


def _pair(noisy: Take, clean: Take, rate: int, channels: int, where: str) -> tuple[Piece, Piece]:
    """Return the clean recording and the noise as pieces of one length. Raises UserError if the lengths differ."""
    if (noisy.wave.shape[1], noisy.sample_rate) != (clean.wave.shape[1], clean.sample_rate):
        raise UserError(
            f"{where}: '{shown(stem(noisy.name))}' has {noisy.wave.shape[1]:,} samples at {noisy.sample_rate:,} Hz "
            f"noisy and {clean.wave.shape[1]:,} at {clean.sample_rate:,} Hz clean; pairs must be of one length."
        )
    both, alone = (brought_to(take, rate, channels).floats() for take in (noisy, clean))
    frames = alone.shape[1]
    return Piece(clean.name, 0, frames, alone), Piece(clean.name, 0, frames, np.asarray(both - alone, np.float32))
