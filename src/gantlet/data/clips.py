"""Clips of one size to train on: so many frames of each, at a stride; the policy is said in `notes`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.data import moving
from gantlet.data.arrays import as_indices
from gantlet.data.decoding import MAX_BYTES
from gantlet.data.intensity import Intensity
from gantlet.data.pictures import Progress
from gantlet.data.shape import Shape, check_resolution, common_size, fit
from gantlet.data.shots import FoundArrays, Shot, decode, found_at, of_arrays
from gantlet.data.splits import check_split, choose_split, classes_for, listing
from gantlet.errors import UserError
from gantlet.media.foreign import shown

UNIT = Intensity(0.0, 255.0, "uint8")  # what the values of a frame are
FRAMES = 16  # of a clip, where none are asked for and the data have as many
COVERED = 0.95  # share of the clips that hold as many frames, where none are asked for
UNKNOWN_RATE = 10.0  # frames a second, where no file says
ONE_SHOT = 512  # frames: longer ones are cut into equal parts of at most so many

Frames = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Clips:
    """Shots [F, H, W, C] uint8 of one size, each at least as long as a clip; clips are taken from them.

    A clip is `num_frames` frames, every `stride`-th of its shot, `frame_rate` a second.
    """

    name: str
    split: str
    shots: tuple[Frames, ...]
    names: tuple[str, ...]
    num_frames: int
    stride: int
    frame_rate: float
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    fingerprint: str  # SHA-256 of values, labels, num_frames and stride
    notes: tuple[str, ...] = ()  # the policy and what was left out, in plain words
    motion: moving.Motion | None = None  # of the built-in sets, where it is known

    def __len__(self) -> int:
        return len(self.shots)

    @property
    def channels(self) -> int:
        return int(self.shots[0].shape[3])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.shots[0].shape[1]), int(self.shots[0].shape[2])

    @property
    def span(self) -> int:
        """Frames of a shot from the first to the last of a clip."""
        return span(self.num_frames, self.stride)

    def facts(self) -> dict[str, Any]:
        """Return what a recipe asks of its data: channels, resolution, num_frames, num_classes, frame_rate."""
        height, width = self.size
        return {
            "channels": self.channels,
            "resolution": height if height == width else [height, width],
            "num_frames": self.num_frames,
            "num_classes": len(self.classes),
            "frame_rate": self.frame_rate,
        }

    def describe(self) -> dict[str, Any]:
        """Return what a run keeps of its data."""
        return {
            "count": len(self),
            "classes": list(self.classes),
            "class_counts": self.class_counts(),
            "intensity": UNIT.to_json(),
            "stride": self.stride,
            "notes": list(self.notes),
            "fingerprint": self.fingerprint,
        }

    def class_counts(self) -> list[int]:
        """Return how many shots each class has; [] without labels."""
        return [] if self.labels is None else np.bincount(self.labels, minlength=len(self.classes)).tolist()

    def batch(
        self, indices: Sequence[int] | NDArray[Any], moments: Sequence[int] | NDArray[Any] | None = None
    ) -> dict[str, Tensor]:
        """Return "clip" [n, C, T, H, W] float32 in [-1, 1] and, if labelled, "label" [n] int64.

        Each clip begins where its number in `moments` (any whole numbers) scatters to; without them in the middle.
        """
        chosen = np.asarray(indices)
        spare = np.array([len(self.shots[index]) - self.span + 1 for index in chosen], np.uint64)
        starts = spare // 2 if moments is None else _scattered(np.asarray(moments)) % np.maximum(spare, 1)
        return self.at(chosen, starts.astype(np.int64))

    def at(self, indices: Sequence[int] | NDArray[Any], starts: Sequence[int] | NDArray[Any]) -> dict[str, Tensor]:
        """Return what `batch` does, of clips that begin at these frames of their shots."""
        chosen = np.asarray(indices)
        clips = np.stack([self.shots[i][s : s + self.span : self.stride] for i, s in zip(chosen, starts)])
        batch = {"clip": UNIT.to_unit(clips).permute(0, 4, 1, 2, 3).contiguous()}
        if self.labels is not None:
            batch["label"] = torch.from_numpy(self.labels[chosen])
        return batch

    def windows(self, indices: Sequence[int] | NDArray[Any], most: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return (shot, first frame) of about `most` clips of these shots, as evenly taken as can be, apart if it can.

        A shot gives as many as lie in it side by side, or fewer; in the middle if it is one.
        """
        each = max(1, -(-most // max(len(indices), 1)))
        rows, starts = list[int](), list[int]()
        for index in indices:
            spare = len(self.shots[index]) - self.span
            count = min(each, 1 + spare // self.span)
            at = np.linspace(0, spare, count) if count > 1 else np.array([spare / 2])
            rows += [int(index)] * count
            starts += np.floor(at).astype(int).tolist()
        return np.asarray(rows), np.asarray(starts)

    def subset(self, indices: Sequence[int] | NDArray[Any]) -> Clips:
        """Return the shots at these positions, with the same classes."""
        chosen = np.asarray(indices)
        shots, names = (tuple(values[i] for i in chosen) for values in (self.shots, self.names))
        labels = None if self.labels is None else self.labels[chosen]
        motion = None if self.motion is None else self.motion.rows(chosen)
        told = mark(shots, labels, self.num_frames, self.stride)
        return replace(self, shots=shots, names=names, labels=labels, motion=motion, fingerprint=told)


def span(num_frames: int, stride: int) -> int:
    """Return how many frames lie from the first to the last of a clip."""
    return (num_frames - 1) * stride + 1


def _scattered(numbers: NDArray[Any]) -> NDArray[np.uint64]:
    """Return the finalizer of SplitMix64 of whole numbers."""
    x = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def mark(shots: Sequence[Frames], labels: NDArray[np.int64] | None, num_frames: int, stride: int) -> str:
    """Return the SHA-256 of shots, labels, and how clips are taken."""
    digest = hashlib.sha256(f"{num_frames} {stride}\n".encode())
    for shot in shots:
        digest.update(f"{shot.shape}\n".encode() + np.ascontiguousarray(shot).tobytes())
    if labels is not None:
        digest.update(b"labels\n" + labels.astype("<i8").tobytes())
    return digest.hexdigest()


def open_clips(
    source: str | Path,
    *,
    num_frames: int | None = None,
    stride: int | None = None,
    resolution: int | tuple[int, int] | None = None,
    channels: int | None = None,
    labels: str | Path | None = None,
    split: str = "train",
    unconditional: bool = False,
    skip_broken: bool = False,
    progress: Progress | None = None,
) -> Clips:
    """Open clips of one size.

    A source is `bouncing_shapes` or `moving_digits` (built in), a .gif, .webp or video file, a folder, zip or tar of
    these, of folders of frames, or of film strips (see `data.folders` for splits and labels), or an .npz with clips
    [N, T, H, W, C], perhaps labels and frame_rate. What the training part says holds for all parts.

    Args:
        source: the name or path; a name goes before a path unless it is given as a `Path`.
        num_frames: of a clip; by default 16, or as many as 95 % of the data hold.
        stride: take every so many frames; by default all.
        resolution: side or (height, width); by default the common one. Others are cropped at the centre and resized.
        channels: 1 or 3; by default 3 if any clip has colour.
        labels: a table (file, label), as for pictures.
        split: "train", "test" (falls back to "val") or "val".
        unconditional: leave labels aside.
        skip_broken: leave clips out that cannot be read instead of refusing.
        progress: called with (done, total) while clips are decoded.

    Raises:
        NoSuchSplit: the source has no such part of its own.
        UserError: whatever else is wrong, in one sentence; a clip in both train and test is.
    """
    check_split(split)
    size = check_resolution(resolution)
    check_asked(num_frames, stride, channels)
    if isinstance(source, str) and source in moving.NAMES:
        if labels is not None:
            raise UserError(f"{source}: this data set has its own labels; leave the option out.")
        return _built_in(source, split, num_frames or FRAMES, stride or 1, size, channels or 1, unconditional)
    notes: tuple[str, ...] = ()
    with found_at(source, labels) as found:
        if isinstance(found, FoundArrays):
            parts, left = of_arrays(found), 0
            split = choose_split(str(source), split, parts)
        else:
            split = choose_split(str(source), split, found.layout.parts)
            wanted = [name for name in found.layout.parts if name in ("train", "test", split)]
            decoded = {name: decode(found, name, skip_broken, progress) for name in wanted}
            parts, left = {name: shots for name, (shots, _) in decoded.items()}, decoded[split][1]
            notes = (*found.layout.notes, f"these are {found.kind}") if found.kind != "clips" else found.layout.notes
        name = found.name
    plan = Plan.of(parts["train"], shown(source), num_frames, stride or 1, size, channels)
    for other in set(parts) - {"train"}:
        refuse_leaks(parts["train"], parts[other], shown(source))
    if left:
        notes = (*notes, f"{left:,} broken clips are left out")
    told = {} if unconditional else {part: [shot.label for shot in its] for part, its in parts.items()}
    return plan.clips(name, split, parts[split], classes_for(split, told, "clips", shown(source)), notes)


def check_asked(num_frames: int | None, stride: int | None, channels: int | None) -> None:
    """Raise UserError for a number of frames, stride or number of channels that cannot be."""
    if num_frames is not None and not 1 <= num_frames <= 10_000:
        raise UserError(f"--num-frames is 1 to 10,000 frames of a clip, not {num_frames}.")
    if stride is not None and not 1 <= stride <= 1000:
        raise UserError(f"--stride takes every so many frames, 1 to 1000, not {stride}.")
    if channels is not None and channels not in (1, 3):
        raise UserError(f"--channels of clips is 1 (grey) or 3 (colour), not {channels}.")


def refuse_leaks(train: Sequence[Shot], test: Sequence[Shot], where: str) -> None:
    """Raise UserError if a clip of the test part is, value for value, in the training part as well."""
    shapes = {shot.frames.shape for shot in train} & {shot.frames.shape for shot in test}
    names = {shot.mark: shot.name for shot in train if shot.frames.shape in shapes}
    marks = [(shot.mark, shot.name) for shot in test if shot.frames.shape in shapes]
    twice = [(names[each], name) for each, name in marks if each in names]
    if twice:
        raise UserError(
            f"{where}: {len(twice):,} clips are in both the training and the test part ('{shown(twice[0][0])}' is "
            f"'{shown(twice[0][1])}'); take them out of one, or numbers mean nothing."
        )


@dataclass(frozen=True)
class Plan:
    """What all clips are brought to."""

    num_frames: int
    stride: int
    shape: Shape
    rate: float | None  # of the shots, the most common one
    asked: bool  # the number of frames was
    where: str

    @classmethod
    def of(
        cls,
        shots: Sequence[Shot],
        where: str,
        num_frames: int | None,
        stride: int,
        size: tuple[int, int] | None,
        channels: int | None,
    ) -> Plan:
        """Return the plan that the clips of the training part ask for. Raises UserError if all are too short."""
        lengths = sorted((len(shot.frames) for shot in shots), reverse=True)
        held = lengths[min(int(np.ceil(COVERED * len(lengths))), len(lengths)) - 1]
        count = num_frames or min(FRAMES, (held - 1) // stride + 1)
        if span(count, stride) > lengths[0]:
            raise UserError(
                f"{where}: {count} frames at a stride of {stride} span {span(count, stride):,} and the longest clip "
                f"has {lengths[0]:,}; lower --num-frames or --stride."
            )
        height, width = size or common_size(Counter((shot.frames.shape[1], shot.frames.shape[2]) for shot in shots))
        shape = Shape(height, width, channels or max(shot.frames.shape[3] for shot in shots), "uint8")
        total = sum(lengths) * shape.bytes
        if total > MAX_BYTES:
            raise UserError(
                f"{where}: {sum(lengths):,} frames of {width} x {height} need {total:,} bytes, more than the "
                f"{MAX_BYTES:,} kept; give a lower --resolution, or fewer clips."
            )
        rates = Counter(shot.rate for shot in shots if shot.rate is not None)
        rate = max(rates, key=lambda each: (rates[each], each)) if rates else None
        return cls(count, stride, shape, rate, num_frames is not None, where)

    @property
    def needed(self) -> int:
        """Frames that a shot must have."""
        return span(self.num_frames, self.stride)

    def clips(
        self, name: str, split: str, shots: Sequence[Shot], classes: tuple[str, ...], notes: tuple[str, ...]
    ) -> Clips:
        """Return the clips of one part. Raises UserError if all of it is too short."""
        needed = self.needed
        kept = [shot for shot in shots if len(shot.frames) >= needed]
        if not kept:
            raise UserError(f"{self.where}: no clip of the {split} part has {needed:,} frames; lower --num-frames.")
        notes = (*notes, *self.notes(shots, kept))
        parts = [(shot, part) for shot in kept for part in _parts(shot.frames, needed)]
        frames = tuple(self._fitted(part) for _, part in parts)
        labels = as_indices(tuple(str(shot.label) for shot, _ in parts), classes) if classes else None
        rate = (self.rate or UNKNOWN_RATE) / self.stride
        told = mark(frames, labels, self.num_frames, self.stride)
        names = tuple(shot.name for shot, _ in parts)
        return Clips(name, split, frames, names, self.num_frames, self.stride, rate, labels, classes, told, notes)

    def _fitted(self, frames: Frames) -> Frames:
        shape = self.shape
        if frames.shape[1:] == (shape.height, shape.width, shape.channels):
            return frames
        return np.stack([fit(frame, shape) for frame in frames])

    def notes(self, shots: Sequence[Shot], kept: Sequence[Shot]) -> list[str]:
        """Return in plain words what was done to clips."""
        rate = (self.rate or UNKNOWN_RATE) / self.stride
        rule = "" if self.asked else f" (as many as {COVERED:.0%} of the clips hold, and at most {FRAMES})"
        which = "" if self.stride == 1 else f", one in {self.stride} of the data's"
        said = [
            f"{self.num_frames} frames{rule} of {self.shape.width} x {self.shape.height}{which}, {rate:g} a second",
            "clips begin at a random frame of what is longer",
        ]
        if self.rate is None:
            said.append(f"no file says how many frames a second it has; {UNKNOWN_RATE:g} are taken")
        rates = Counter(shot.rate for shot in shots if shot.rate is not None)
        if len(rates) > 1:
            others = ", ".join(f"{each:.3g}" for each in sorted(set(rates) - {self.rate})[:4])
            said.append(f"clips of other rates ({others} a second) are taken frame by frame")
        if len(kept) < len(shots):
            there = {id(shot) for shot in kept}
            short = [shot.name for shot in shots if id(shot) not in there]
            said.append(f"{len(short):,} clips are too short and left out ({listing(short)})")
        sizes = sum(shot.frames.shape[1:3] != (self.shape.height, self.shape.width) for shot in kept)
        if sizes:
            said.append(f"{sizes:,} of {len(kept):,} clips are cropped at the centre and resized")
        cut = sum(len(_parts(shot.frames, self.needed)) > 1 for shot in kept)
        if cut:
            said.append(f"{cut:,} clips of more than {ONE_SHOT} frames are cut into parts")
        return said


def _parts(frames: Frames, needed: int) -> list[Frames]:
    """Return a long shot in equal parts, each of at least `needed` frames."""
    count = max(1, min(-(-len(frames) // ONE_SHOT), len(frames) // needed))
    return list(np.array_split(frames, count))


def _built_in(
    name: str, split: str, num_frames: int, stride: int, size: tuple[int, int] | None, channels: int, plain: bool
) -> Clips:
    """Return a built-in set."""
    made = moving.make(name, split, num_frames, size or (moving.SIDE, moving.SIDE), stride)
    clips = made.clips.repeat(3, axis=4) if channels == 3 else made.clips
    labels, classes = (None, ()) if plain else (made.labels, made.classes)
    split = choose_split(name, split, moving.COUNTS)
    names = tuple(f"{index:06d}" for index in range(len(clips)))
    return Clips(
        name, split, tuple(clips), names, num_frames, 1, moving.FRAME_RATE / stride, labels, classes,
        mark(tuple(clips), labels, num_frames, stride), moving.describe(name, made, stride), made.motion,
    )  # fmt: skip
