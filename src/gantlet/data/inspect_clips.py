"""What a source of clips holds, what is odd about it, and what training would make of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gantlet.data import moving
from gantlet.data.clips import Plan
from gantlet.data.oddities import few, repeated, table, tally, uneven
from gantlet.data.pictures import Progress
from gantlet.data.shape import check_resolution
from gantlet.data.shots import Found, FoundArrays, Shot, found_at, of_arrays, read_shots
from gantlet.data.splits import choose_split, class_order, listing
from gantlet.media.foreign import shown

STILL = 0.5  # grey levels of mean change from frame to frame, below which nothing moves
FREEZE = 0.2  # share of frames that repeat the one before, from which it is named


@dataclass
class ClipInspection:
    """What was found; `odd` holds plain sentences, the other fields what they rest on."""

    name: str
    kind: str
    split: str
    splits: list[str]
    count: int = 0  # clips of this split, broken ones included
    sizes: dict[str, int] = field(default_factory=dict)  # "64x64" (height x width) -> clips
    kinds: dict[str, int] = field(default_factory=dict)  # "grey" or "colour" -> clips
    rates: dict[str, int] = field(default_factory=dict)  # "25 a second" -> clips
    frames: dict[str, float] = field(default_factory=dict)  # total, shortest, median, longest
    classes: dict[str, int] = field(default_factory=dict)  # class -> clips
    motion: float = 0.0  # mean change from frame to frame, in grey levels of 255
    still: list[str] = field(default_factory=list)  # clips in which nothing moves
    frozen: float = 0.0  # share of frames that repeat the one before
    duplicates: list[list[str]] = field(default_factory=list)  # groups of clips with the very same values
    broken: dict[str, str] = field(default_factory=dict)  # file -> what is wrong with it
    odd: list[str] = field(default_factory=list)
    training: list[str] = field(default_factory=list)  # what training would do

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain dicts and lists."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return a report for people, one plain line each."""
        parts = f"{self.split} part of {', '.join(self.splits)}" if len(self.splits) > 1 else "one part"
        out = [f"{self.name}: {self.kind}, {self.count:,} clips ({parts})"]
        if self.frames:
            out += [
                f"frames: {self.frames['shortest']:g} to {self.frames['longest']:g}, median "
                f"{self.frames['median']:g}, {self.frames['total']:,g} in all",
                f"sizes: {table(self.sizes)}",
                f"kinds: {table(self.kinds)}",
                f"rates: {table(self.rates)}",
                f"motion: {self.motion:.1f} of 255 grey levels from frame to frame; {self.frozen:.0%} of the frames "
                "repeat the one before",
            ]
        out.append(f"classes: {table(self.classes, 12)}" if self.classes else "classes: no labels")
        out += [f"odd: {sentence}" for sentence in self.odd] or ["odd: nothing"]
        out += [f"broken: {sentence}" for sentence in self.broken.values()]
        out += [f"same clip: {listing(group, 6)}" for group in self.duplicates[:20]]
        return out + [f"training: {sentence}" for sentence in self.training]


def inspect_clips(
    source: str | Path,
    *,
    split: str = "train",
    resolution: int | tuple[int, int] | None = None,
    labels: str | Path | None = None,
    progress: Progress | None = None,
) -> ClipInspection:
    """Watch every clip of one split. Broken ones are listed, not refused.

    Raises UserError as `open_clips` does, except for broken clips.
    """
    size = check_resolution(resolution)
    if isinstance(source, str) and source in moving.NAMES:
        split = choose_split(source, split, moving.COUNTS)
        made = moving.make(source, split)
        shots = [
            Shot(f"{i:06d}", clip, moving.FRAME_RATE, made.classes[y])
            for i, (clip, y) in enumerate(zip(made.clips, made.labels))
        ]
        return _finished(ClipInspection(source, "built-in clips", split, list(moving.COUNTS)), shots, size)
    with found_at(source, labels) as found:
        if isinstance(found, FoundArrays):
            parts = of_arrays(found)
            split = choose_split(str(source), split, parts)
            return _finished(ClipInspection(found.name, "npz arrays", split, list(parts)), parts[split], size)
        split = choose_split(str(source), split, found.layout.parts)
        out = ClipInspection(found.name, found.kind, split, list(found.layout.parts))
        return _finished(out, _watched(found, split, out, progress), size, found.layout.notes)


def _watched(found: Found, split: str, out: ClipInspection, progress: Progress | None) -> list[Shot]:
    """Return the clips of a part; broken ones go to `out`."""
    part = found.layout.parts[split]
    shots, broken = read_shots(found, part, progress)
    out.broken.update({part.entries[index].name: why for index, why in sorted(broken.items())})
    return shots


def _finished(
    out: ClipInspection, shots: list[Shot], size: tuple[int, int] | None, notes: tuple[str, ...] = ()
) -> ClipInspection:
    """Fill in what the clips show."""
    out.count = len(shots) + len(out.broken)
    labels = [shot.label for shot in shots if shot.label is not None]
    counts = Counter(labels)
    out.classes = {shown(name): counts[name] for name in class_order(labels)}
    if shots:
        out.sizes = tally(f"{shot.frames.shape[1]}x{shot.frames.shape[2]}" for shot in shots)
        out.kinds = tally("grey" if shot.frames.shape[3] == 1 else "colour" for shot in shots)
        out.rates = tally("not known" if shot.rate is None else f"{shot.rate:.4g} a second" for shot in shots)
        lengths = [len(shot.frames) for shot in shots]
        out.frames = {"total": sum(lengths), "shortest": min(lengths), "median": float(np.median(lengths)),
                      "longest": max(lengths)}  # fmt: skip
        _moves(out, shots)
        plan = Plan.of(shots, out.name, None, 1, size, None)
        out.training = plan.notes(shots, [shot for shot in shots if len(shot.frames) >= plan.needed])
    out.odd = [*notes, *_oddities(out)]
    return out


def _moves(out: ClipInspection, shots: list[Shot]) -> None:
    """Fill in how much moves, and repeats."""
    changes, frozen, steps, names = [], 0, 0, dict[str, list[str]]()
    for shot in shots:
        change = np.array([np.abs(b.astype(np.int16) - a).mean() for a, b in zip(shot.frames, shot.frames[1:])] or [0])
        changes.append(float(change.mean()))
        frozen, steps = frozen + int((change == 0).sum()), steps + len(change)
        if changes[-1] < STILL:
            out.still.append(shot.name)
        names.setdefault(shot.mark, []).append(shot.name)
    out.motion, out.frozen = float(np.mean(changes)), frozen / max(steps, 1)
    out.duplicates = [sorted(group) for group in names.values() if len(group) > 1]


def _oddities(out: ClipInspection) -> list[str]:
    """Return one sentence for each thing that a person should know before training."""
    odd = []
    if out.broken:
        odd.append(f"{len(out.broken):,} of {out.count:,} clips cannot be read; --skip-broken leaves them out")
    if len(out.sizes) > 1:
        odd.append(f"{len(out.sizes):,} different sizes: frames are cropped at their centre and resized")
    if len(out.kinds) > 1:
        odd.append("grey and colour clips: all are brought to colour")
    if len(out.rates) > 1:
        odd.append("different frame rates: clips are taken frame by frame, so motion is faster in some")
    if out.still:
        odd.append(f"nothing moves in {len(out.still):,} clips ({listing(out.still)})")
    if out.frozen >= FREEZE:
        odd.append(f"{out.frozen:.0%} of the frames repeat the one before: a --stride suits the real rate better")
    odd += repeated(out.duplicates, "clips")
    odd += uneven(list(out.classes.values()), "clips")
    odd += few(out.count, "clips")
    return odd
