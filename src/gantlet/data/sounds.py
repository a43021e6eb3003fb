"""Sounds of one length to train generators on: recordings trimmed, cut or padded; the policy is said in `notes`."""

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

from gantlet.data import tones as built_in
from gantlet.data.arrays import as_indices
from gantlet.data.decoding import MAX_BYTES
from gantlet.data.intensity import Intensity
from gantlet.data.pictures import Progress
from gantlet.data.recordings import (
    FoundArrays,
    Take,
    brought_to,
    common_channels,
    common_rate,
    decode,
    found_at,
    of_arrays,
    refuse_leaks,
)
from gantlet.data.splits import check_split, choose_split, classes_for, listing
from gantlet.errors import UserError
from gantlet.media.foreign import shown

UNIT = Intensity(-1.0, 1.0, "float32")  # what the values of a sound are
MOST = 65_536  # samples, where no duration is asked for
COVERED = 0.95  # share of the recordings that the length holds whole
STEP = 256  # samples: the length is a multiple of this, where no duration is asked for
SILENCE_DB = -60.0  # of a recording's peak: what is weaker, at both ends, is trimmed
KEPT = 0.010  # s of that are kept at either end
FADE = 0.005  # s over which a recording that is cut fades out


@dataclass(frozen=True, eq=False)
class Sounds:
    """Sounds [N, C, T] of one length (int16 with full scale 32768, or float32), their labels, and what they are."""

    name: str
    split: str
    waves: NDArray[Any]
    sample_rate: int
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    fingerprint: str  # SHA-256 of values and labels
    notes: tuple[str, ...] = ()  # the policy and what was left out, in plain words

    def __len__(self) -> int:
        return len(self.waves)

    @property
    def channels(self) -> int:
        return int(self.waves.shape[1])

    @property
    def length(self) -> int:
        """Samples of each sound."""
        return int(self.waves.shape[2])

    def facts(self) -> dict[str, Any]:
        """Return what a recipe asks of its data: channels, sample_rate, length, num_classes."""
        facts = {"channels": self.channels, "sample_rate": self.sample_rate, "length": self.length}
        return {**facts, "num_classes": len(self.classes)}

    def describe(self) -> dict[str, Any]:
        """Return what a run keeps of its data."""
        return {
            "count": len(self),
            "classes": list(self.classes),
            "class_counts": self.class_counts(),
            "intensity": UNIT.to_json(),
            "notes": list(self.notes),
            "fingerprint": self.fingerprint,
        }

    def class_counts(self) -> list[int]:
        """Return how many sounds each class has; [] without labels."""
        return [] if self.labels is None else np.bincount(self.labels, minlength=len(self.classes)).tolist()

    def batch(self, indices: Sequence[int] | NDArray[Any]) -> dict[str, Tensor]:
        """Return "audio" [n, C, T] float32 in [-1, 1] and, if labelled, "label" [n] int64."""
        chosen = np.asarray(indices)
        batch = {"audio": unit(self.waves[chosen])}
        if self.labels is not None:
            batch["label"] = torch.from_numpy(self.labels[chosen])
        return batch

    def subset(self, indices: Sequence[int] | NDArray[Any]) -> Sounds:
        """Return the sounds at these positions, with the same classes."""
        chosen = np.asarray(indices)
        labels = None if self.labels is None else self.labels[chosen]
        return replace(self, waves=self.waves[chosen], labels=labels, fingerprint=mark(self.waves[chosen], labels))


def unit(waves: NDArray[Any]) -> Tensor:
    """Return int16 or float32 values as float32 with full scale at 1: a copy."""
    tensor = torch.from_numpy(waves.astype(np.float32))
    return tensor.div_(32768) if waves.dtype == np.int16 else tensor


def mark(waves: NDArray[Any], labels: NDArray[np.int64] | None) -> str:
    """Return the SHA-256 of sounds and labels."""
    digest = hashlib.sha256(f"{waves.dtype.name} {list(waves.shape)}\n".encode())
    for start in range(0, len(waves), 256):
        digest.update(np.ascontiguousarray(waves[start : start + 256]).data)
    if labels is not None:
        digest.update(b"labels\n" + labels.astype("<i8").tobytes())
    return digest.hexdigest()


def open_sounds(
    source: str | Path,
    *,
    sample_rate: int | None = None,
    duration: float | None = None,
    channels: int | None = None,
    labels: str | Path | None = None,
    label_pattern: str | None = None,
    split: str = "train",
    unconditional: bool = False,
    skip_broken: bool = False,
    progress: Progress | None = None,
) -> Sounds:
    """Open recordings as sounds of one length.

    A source is `tones` (built in), a folder, zip or tar of recordings (see `data.folders` for splits and labels; names
    of the Free Spoken Digit Dataset are recognised), or an .npz with audio [N, T] or [N, C, T], sample_rate and perhaps
    labels. What the training part says holds for all parts.

    Args:
        source: the name or path; a name goes before a path unless it is given as a `Path`.
        sample_rate: in Hz; by default the most common one. Others are resampled.
        duration: seconds; by default what holds 95 % of the recordings whole, and at most 65,536 samples.
        channels: by default 1: others are mixed down.
        labels: a table (file, label), as for pictures.
        label_pattern: a regular expression whose first group in the file name is the class.
        split: "train", "test" (falls back to "val") or "val".
        unconditional: leave labels aside.
        skip_broken: leave recordings out that cannot be read instead of refusing.
        progress: called with (done, total) while recordings are decoded.

    Raises:
        NoSuchSplit: the source has no such part of its own.
        UserError: whatever else is wrong, in one sentence; a recording in both train and test is.
    """
    check_split(split)
    check_asked(sample_rate, duration, channels)
    if isinstance(source, str) and source == "tones":
        if labels is not None or label_pattern is not None:
            raise UserError("tones: this data set has its own labels; leave the option out.")
        return _of_tones(split, sample_rate, duration, channels, unconditional)
    notes: tuple[str, ...] = ()
    with found_at(source, labels, label_pattern) as found:
        if isinstance(found, FoundArrays):
            parts, left, trim = of_arrays(found), 0, False
            split = choose_split(str(source), split, parts)
        else:
            split = choose_split(str(source), split, found.layout.parts)
            wanted = [name for name in found.layout.parts if name in ("train", "test", split)]
            decoded = {name: decode(found, name, skip_broken, progress) for name in wanted}
            parts, left = {name: takes for name, (takes, _) in decoded.items()}, decoded[split][1]
            notes, trim = found.layout.notes, True
        name = found.name
    plan = Plan.of(parts["train"], shown(source), sample_rate, duration, channels, trim)
    for other in set(parts) - {"train"}:
        refuse_leaks(parts["train"], parts[other], shown(source))
        common_channels(parts[other], channels, shown(source))
    if left:
        notes = (*notes, f"{left:,} broken recordings are left out")
    told = {} if unconditional else {part: [take.label for take in takes] for part, takes in parts.items()}
    return plan.sounds(name, split, parts[split], classes_for(split, told, "recordings", shown(source)), notes)


def check_asked(sample_rate: int | None, duration: float | None, channels: int | None) -> None:
    """Raise UserError for a rate, duration or number of channels that cannot be."""
    if sample_rate is not None and not 100 <= sample_rate <= 1_000_000:
        raise UserError(f"--sample-rate is 100 to 1,000,000 samples per second, not {sample_rate}.")
    if duration is not None and not 0 < duration <= 3600:
        raise UserError(f"--duration is seconds, above 0 and at most 3600, not {duration:g}.")
    if channels is not None and channels < 1:
        raise UserError(f"--channels is at least 1, not {channels}.")


@dataclass(frozen=True)
class Plan:
    """What all sounds are brought to, and whether silence at their ends is trimmed."""

    sample_rate: int
    channels: int
    length: int
    trim: bool
    asked: bool  # the length was
    where: str

    @classmethod
    def of(
        cls,
        takes: Sequence[Take],
        where: str,
        sample_rate: int | None,
        duration: float | None,
        channels: int | None,
        trim: bool,
    ) -> Plan:
        """Return the plan that the recordings of the training part ask for."""
        rate, count = sample_rate or common_rate(takes), common_channels(takes, channels, where)
        if duration is not None:
            length = max(round(duration * rate), 1)
        else:
            spans = (span(take) if trim else (0, take.wave.shape[1]) for take in takes)
            sizes = sorted((end - start) * rate / take.sample_rate for take, (start, end) in zip(takes, spans))
            sizes = [size for size in sizes if size] or [1.0]
            needed = sizes[min(int(np.ceil(COVERED * len(sizes))), len(sizes)) - 1]
            length = int(min(np.ceil(needed / STEP) * STEP if trim else np.ceil(needed), MOST))
        if len(takes) * count * length * 2 > MAX_BYTES:
            raise UserError(
                f"{where}: {len(takes):,} sounds of {length:,} samples need more than {MAX_BYTES:,} bytes; give a "
                "shorter --duration, a lower --sample-rate, or fewer recordings."
            )
        return cls(rate, count, length, trim, duration is not None, where)

    def sounds(
        self, name: str, split: str, takes: Sequence[Take], classes: tuple[str, ...], notes: tuple[str, ...]
    ) -> Sounds:
        """Return the sounds of one part. Raises UserError if all of it is silent."""
        whole = [take.wave.dtype == np.int16 and take.sample_rate == self.sample_rate for take in takes]
        form = np.int16 if all(whole) else np.float32
        waves = np.zeros((len(takes), self.channels, self.length), form)
        kept, cut, trimmed, seconds = [], 0, 0.0, 0.0
        for index, take in enumerate(takes):
            start, end = span(take) if self.trim else (0, take.wave.shape[1])
            if not take.wave.any():
                continue
            piece = brought_to(replace(take, wave=take.wave[:, start:end]), self.sample_rate, self.channels).wave
            cut += piece.shape[1] > self.length
            trimmed += (take.wave.shape[1] - (end - start)) / take.sample_rate
            seconds += take.wave.shape[1] / take.sample_rate
            waves[index] = as_form(fitted(piece, self.length, round(FADE * self.sample_rate)), form)
            kept.append(index)
        if not kept:
            raise UserError(
                f"{self.where}: all {len(takes):,} recordings are silent; nothing can be learned from them."
            )
        if len(kept) < len(takes):
            heard = set(kept)
            silent = [take.name for index, take in enumerate(takes) if index not in heard]
            notes = (*notes, f"{len(silent):,} silent recordings are left out ({listing(silent)})")
            waves = waves[kept]
        labels = as_indices(tuple(str(takes[index].label) for index in kept), classes) if classes else None
        notes = (*notes, *self.notes([takes[index] for index in kept], cut, trimmed / seconds))
        return Sounds(name, split, waves, self.sample_rate, labels, classes, mark(waves, labels), notes)

    def notes(self, takes: Sequence[Take], cut: int, trimmed: float) -> list[str]:
        """Return in plain words what was done to recordings."""
        count, rate = len(takes), self.sample_rate
        said = [f"{self.length:,} samples ({self.length / rate:.3g} s) at {rate:,} Hz"]
        others = Counter(take.sample_rate for take in takes if take.sample_rate != rate)
        said += [f"{number:,} recordings are resampled from {other:,} Hz" for other, number in others.most_common(4)]
        mixed = sum(take.wave.shape[0] > self.channels for take in takes)
        if mixed:
            said.append(f"{mixed:,} recordings of more channels are mixed down to one")
        if self.trim:
            said.append(
                f"silence below {SILENCE_DB:g} dB of each peak is trimmed at both ends ({trimmed:.0%} of the time)"
            )
        rule = "" if self.asked else f" (the length holds {COVERED:.0%} whole, and is at most {MOST:,})"
        said.append(f"{cut:,} of {count:,} are cut at their end, the others are padded with silence{rule}")
        return said


def span(take: Take) -> tuple[int, int]:
    """Return where a recording begins and ends, without what is silent against its peak; (0, 0) for silence."""
    level = np.abs(take.wave.astype(np.float32)).max(0)
    peak = float(level.max(initial=0))
    if not peak:
        return 0, 0
    loud = np.flatnonzero(level > peak * 10 ** (SILENCE_DB / 20))
    margin = round(KEPT * take.sample_rate)
    return max(int(loud[0]) - margin, 0), min(int(loud[-1]) + 1 + margin, len(level))


def fitted(wave: NDArray[Any], length: int, fade: int) -> NDArray[Any]:
    """Return [C, T] cut to `length`, its last `fade` samples fading out, or padded with zeros at its end."""
    if wave.shape[1] <= length:
        return np.pad(wave, ((0, 0), (0, length - wave.shape[1])))
    out = wave[:, :length].copy()
    fade = min(fade, length)
    if fade:
        out[:, -fade:] = (out[:, -fade:] * np.linspace(1, 0, fade)).astype(out.dtype)
    return out


def as_form(wave: NDArray[Any], form: type[np.generic]) -> NDArray[Any]:
    """Return values as int16 or float32, whichever sounds are kept in."""
    if form == np.int16:
        return wave if wave.dtype == np.int16 else np.rint(wave * 32768).clip(-32768, 32767).astype(np.int16)
    return wave.astype(np.float32) / 32768 if wave.dtype == np.int16 else wave


def _of_tones(
    split: str, sample_rate: int | None, duration: float | None, channels: int | None, unconditional: bool
) -> Sounds:
    """Return the built-in notes, which need no policy unless a rate, a duration or channels are asked for."""
    split = choose_split("tones", split, built_in.COUNTS)
    waves, labels = built_in.tones(split)
    whole = np.rint(waves * 32768).clip(-32768, 32767).astype(np.int16)[:, None]
    classes = () if unconditional else built_in.CLASSES
    about = f"{len(built_in.PITCHES)} pitches x {len(built_in.TIMBRES)} timbres, made by rule"
    if sample_rate is None and duration is None and channels is None:
        kept = None if unconditional else labels
        return Sounds("tones", split, whole, built_in.SAMPLE_RATE, kept, classes, mark(whole, kept), (about,))
    takes = [
        Take(f"{index:06d}", wave, built_in.SAMPLE_RATE, built_in.CLASSES[y])
        for index, (wave, y) in enumerate(zip(whole, labels))
    ]
    plan = Plan.of(takes, "tones", sample_rate, duration, channels, trim=False)
    return plan.sounds("tones", split, takes, classes, (about,))
