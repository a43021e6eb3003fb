"""What a source of recordings holds, what is odd about it, and what training would make of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.data import tones as built_in
from gantlet.data.oddities import few, repeated, table, tally, uneven
from gantlet.data.pictures import Progress
from gantlet.data.recordings import Found, FoundArrays, Take, found_at, of_arrays, read_takes
from gantlet.data.sounds import SILENCE_DB, Plan, span
from gantlet.data.splits import choose_split, class_order, listing
from gantlet.media.foreign import shown

SILENT_SHARE = 0.3  # of the time below SILENCE_DB of the peak, at the ends, from which it is named
CLIPPED = 4  # values in a row at full scale that are taken for clipping
MOST_SECONDS = 600  # of one recording that are looked at


@dataclass
class SoundInspection:
    """What was found; `odd` holds plain sentences, the other fields what they rest on."""

    name: str
    kind: str
    split: str
    splits: list[str]
    count: int = 0  # recordings of this split, broken ones included
    rates: dict[str, int] = field(default_factory=dict)  # "16,000 Hz" -> recordings
    depths: dict[str, int] = field(default_factory=dict)  # "16-bit" -> recordings
    channels: dict[str, int] = field(default_factory=dict)  # "mono" -> recordings
    seconds: dict[str, float] = field(default_factory=dict)  # total, shortest, median, longest
    classes: dict[str, int] = field(default_factory=dict)  # class -> recordings
    peak_db: dict[str, float] = field(default_factory=dict)  # lowest, median, highest, of what is not silent
    silence: float = 0.0  # share of the time that is silent at the ends
    silent: list[str] = field(default_factory=list)  # recordings without any sound
    clipped: list[str] = field(default_factory=list)  # recordings with values in a row at full scale
    duplicates: list[list[str]] = field(default_factory=list)  # groups of recordings with the very same values
    broken: dict[str, str] = field(default_factory=dict)  # file -> what is wrong with it
    odd: list[str] = field(default_factory=list)
    training: list[str] = field(default_factory=list)  # what training on sounds of one length would do

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain dicts and lists."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return a report for people, one plain line each."""
        parts = f"{self.split} part of {', '.join(self.splits)}" if len(self.splits) > 1 else "one part"
        out = [f"{self.name}: {self.kind}, {self.count:,} recordings ({parts})"]
        if self.seconds:
            out.append(
                f"lengths: {self.seconds['shortest']:.2f} to {self.seconds['longest']:.2f} s, median "
                f"{self.seconds['median']:.2f} s, {self.seconds['total']:,.0f} s in all"
            )
            out += [
                f"rates: {table(self.rates)}",
                f"depths: {table(self.depths)}",
                f"channels: {table(self.channels)}",
            ]
        if self.peak_db:
            low, middle, high = (self.peak_db[name] for name in ("lowest", "median", "highest"))
            out.append(
                f"peaks: {low:.1f} to {high:.1f} dB of full scale, median {middle:.1f}; "
                f"{self.silence:.0%} of the time is silence at the ends"
            )
        out.append(f"classes: {table(self.classes, 12)}" if self.classes else "classes: no labels")
        out += [f"odd: {sentence}" for sentence in self.odd] or ["odd: nothing"]
        out += [f"broken: {sentence}" for sentence in self.broken.values()]
        out += [f"same sound: {listing(group, 6)}" for group in self.duplicates[:20]]
        return out + [f"training on sounds of one length: {sentence}" for sentence in self.training]


def inspect_sounds(
    source: str | Path,
    *,
    split: str = "train",
    labels: str | Path | None = None,
    label_pattern: str | None = None,
    progress: Progress | None = None,
) -> SoundInspection:
    """Listen to every recording of one split (the first ten minutes of each). Broken ones are listed, not refused.

    Raises UserError as `open_sounds` does, except for broken recordings.
    """
    if isinstance(source, str) and source == "tones":
        split = choose_split("tones", split, built_in.COUNTS)
        waves, y = built_in.tones(split)
        takes = [
            Take(f"{i:06d}", wave[None], built_in.SAMPLE_RATE, built_in.CLASSES[k], "made by rule")
            for i, (wave, k) in enumerate(zip(waves, y))
        ]
        return _finished(SoundInspection("tones", "built-in tones", split, list(built_in.COUNTS)), takes, False)
    with found_at(source, labels, label_pattern) as found:
        if isinstance(found, FoundArrays):
            parts = of_arrays(found)
            split = choose_split(str(source), split, parts)
            return _finished(SoundInspection(found.name, "npz arrays", split, list(parts)), parts[split], False)
        split = choose_split(str(source), split, found.layout.parts)
        out = SoundInspection(found.name, "recordings", split, list(found.layout.parts))
        return _finished(out, _heard(found, split, out, progress), True, found.layout.notes)


def _heard(found: Found, split: str, out: SoundInspection, progress: Progress | None) -> list[Take]:
    """Return the recordings of a part; broken ones go to `out`."""
    part = found.layout.parts[split]
    takes, broken = read_takes(found, part, progress, MOST_SECONDS)
    out.broken.update({part.entries[index].name: why for index, why in sorted(broken.items())})
    return takes


def _finished(out: SoundInspection, takes: list[Take], trim: bool, notes: tuple[str, ...] = ()) -> SoundInspection:
    """Fill in what the recordings show."""
    out.count = len(takes) + len(out.broken)
    labels = [take.label for take in takes if take.label is not None]
    counts = Counter(labels)
    out.classes = {shown(name): counts[name] for name in class_order(labels)}
    if takes:
        out.rates = tally(f"{take.sample_rate:,} Hz" for take in takes)
        out.depths = tally(take.depth for take in takes)
        out.channels = tally({1: "mono", 2: "stereo"}.get(n, f"{n} channels") for n in (t.wave.shape[0] for t in takes))
        lengths = [take.wave.shape[1] / take.sample_rate for take in takes]
        out.seconds = {"total": sum(lengths), "shortest": min(lengths), "median": float(np.median(lengths)),
                       "longest": max(lengths)}  # fmt: skip
        _levels(out, takes)
        plan = Plan.of(takes, out.name, None, None, None, trim)
        if len(out.silent) < len(takes):
            out.training = list(plan.sounds(out.name, out.split, takes, (), ()).notes)
    out.odd = [*notes, *_oddities(out)]
    return out


def _levels(out: SoundInspection, takes: list[Take]) -> None:
    """Fill in peaks, silence, clipping and repeats."""
    peaks, quiet, names = [], 0.0, dict[str, list[str]]()
    for take in takes:
        wave = np.abs(take.floats())
        peak = float(wave.max(initial=0))
        if not peak:
            out.silent.append(take.name)
            continue
        peaks.append(20 * np.log10(peak))
        start, end = span(take)
        quiet += (take.wave.shape[1] - (end - start)) / take.sample_rate
        if _in_a_row(wave, peak):
            out.clipped.append(take.name)
        names.setdefault(take.mark, []).append(take.name)
    if peaks:
        out.peak_db = {"lowest": min(peaks), "median": float(np.median(peaks)), "highest": max(peaks)}
    out.silence = quiet / max(out.seconds["total"], 1e-9)
    out.duplicates = [sorted(group) for group in names.values() if len(group) > 1]


def _in_a_row(wave: NDArray[np.float32], peak: float) -> bool:
    """Return whether some values in a row are at the peak, and that is at full scale."""
    if peak < 0.99:
        return False
    full = (wave >= peak * 0.9999).astype(np.int64)
    if full.shape[1] < CLIPPED:
        return False
    sums = np.lib.stride_tricks.sliding_window_view(full, CLIPPED, axis=1).sum(2)
    return bool((sums == CLIPPED).any())


def _oddities(out: SoundInspection) -> list[str]:
    """Return one sentence for each thing that a person should know before training."""
    odd = []
    if out.broken:
        odd.append(f"{len(out.broken):,} of {out.count:,} recordings cannot be read; --skip-broken leaves them out")
    if len(out.rates) > 1:
        odd.append("different sample rates: all are brought to the most common one")
    if out.silent:
        odd.append(f"{len(out.silent):,} recordings are silent ({listing(out.silent)})")
    if out.clipped:
        odd.append(f"{len(out.clipped):,} recordings are clipped at full scale ({listing(out.clipped)})")
    if out.silence > SILENT_SHARE:
        odd.append(f"{out.silence:.0%} of the time lies below {SILENCE_DB:g} dB of the peak, before or after the sound")
    odd += repeated(out.duplicates, "recordings")
    odd += uneven(list(out.classes.values()), "recordings")
    odd += few(out.count, "recordings")
    return odd
