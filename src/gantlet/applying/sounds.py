"""`gantlet apply` with a model of sounds: recordings or mels in, wav files out, of any length in constant memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.applying import mels, sound_scores
from gantlet.applying.hearer import Hearer, hearer
from gantlet.applying.inputs import Input
from gantlet.applying.scores import write_scores
from gantlet.applying.sound_inputs import ARRAYS, Output, counterparts, find
from gantlet.errors import UserError
from gantlet.media.audio import Recording, SoundHeader, read_sound_header
from gantlet.media.foreign import shown
from gantlet.media.image import write_image
from gantlet.media.spectrogram import compared
from gantlet.media.wav import WavWriter
from gantlet.model import Model
from gantlet.report.status import Standing, Status, choose_status

CHUNK = 2**18  # values that are read at once
ROWS = 24  # files on a sheet
SHOWN = 10.0  # seconds of each there
Values = NDArray[np.float32]


@dataclass(frozen=True)
class SoundExtras:
    """What a run takes and writes beside its sounds."""

    references: str | Path | None = None  # what results should be, by the same names
    metrics: Path | None = None  # a .csv
    sheet: Path | None = None  # a .png

    def check(self) -> None:
        """Raise UserError for what cannot go together."""
        if (self.references is None) != (self.metrics is None):
            raise UserError("--references and --metrics belong together: the folder of references, and the .csv.")
        for option, path, suffix in (("--metrics", self.metrics, ".csv"), ("--sheet", self.sheet, ".png")):
            if path is not None and path.suffix.lower() != suffix:
                raise UserError(f"{option} must end in {suffix}, not '{path.name}'.")


@dataclass
class SoundsDone:
    """What a run did: files, seconds of sound, those it took, values beyond full scale, numbers and notes."""

    files: int = 0
    seconds: float = 0.0
    took: float = 0.0
    clipped: int = 0
    means: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def times_real_time(self) -> float:
        """Seconds of sound per second of the clock."""
        return self.seconds / max(self.took, 1e-9)


def apply_sounds(
    model: Model,
    source: str | Path,
    out: Path,
    extras: SoundExtras | None = None,
    *,
    strength: float | None = None,
    piece: float | None = None,
    quiet: bool = True,
    **options: Any,
) -> SoundsDone:
    """Apply a model to a recording, a mel or a folder of these, and write what it makes of them to `out`.

    Rate, channels and depth stay; lossy inputs become 16 bits. A mel gives a wave of the model's rate.

    Raises UserError for what does not fit: unreadable files, mels of another kind, references, options, places.
    """
    extras = extras or SoundExtras()
    run = hearer(model, strength=strength, piece=piece, **options)
    extras.check()
    vocodes = run.hearing.features is not None
    inputs, output = find(source, arrays=vocodes), Output(Path(out), Path(source))
    output.check()
    references = {} if extras.references is None else counterparts(inputs, extras.references, "--references")
    seconds = [_check(run, each) for each in inputs]
    done, rows, cells = SoundsDone(notes=_above(run, inputs)), dict[str, dict[str, float]](), list[tuple[Path, Path]]()
    watch = Watch(choose_status(quiet), sum(seconds), f"{run.name} on {shown(source)}")
    try:
        for given, length in zip(inputs, seconds, strict=True):
            path = output.of(given)
            mel = given.path.suffix.lower() in ARRAYS
            done.clipped += (_vocode if mel else _translate)(run, given.path, path, watch.tick)
            done.files, done.seconds = done.files + 1, done.seconds + length
            if mel and given.path.suffix.lower() == ".npy":
                done.notes.append(f"{shown(given.path)} does not say what kind of mel it is; the model's was assumed")
            if references:
                wanted = references[given.name]
                rows[given.name] = (
                    sound_scores.of_waves(path, wanted, run.hearing.facts)
                    if vocodes
                    else sound_scores.of_speech(path, wanted, given.path)
                )
            if len(cells) < ROWS:
                cells.append((path if mel else given.path, path))
    finally:
        watch.status.stop()
    done.took = watch.elapsed()
    if extras.metrics is not None:
        done.means, done.notes = write_scores(extras.metrics, rows), done.notes + sound_scores.protocol(vocodes)
    if extras.sheet is not None:
        write_image(extras.sheet, before_and_after(cells))
    if done.clipped:
        done.notes.append(f"{done.clipped:,} values went beyond full scale and were clipped")
    return done


def _check(run: Hearer, given: Input) -> float:
    """Return the seconds of an input. Raises UserError, before any work, if it cannot be used."""
    if given.path.suffix.lower() in ARRAYS:
        return mels.read_mel(given.path, run.hearing.facts)[0].shape[-1] * run.hop / run.hearing.sample_rate
    with Recording(given.path) as recording:
        if not recording.header.frames:
            raise UserError(f"{shown(given.path)}: holds no samples; leave it out.")
        return recording.header.seconds


def _above(run: Hearer, inputs: list[Input]) -> list[str]:
    """Return a note on recordings that hold more than the model's rate can."""
    rate, higher = run.hearing.sample_rate, 0
    for given in inputs:
        if given.path.suffix.lower() not in ARRAYS:
            higher += read_sound_header(given.path).sample_rate > rate
    if not higher:
        return []
    return [
        f"the model knows {rate:,} Hz: of {higher} recording{'s' * (higher != 1)} of a higher rate nothing above "
        f"{rate // 2:,} Hz is left"
    ]


def _translate(run: Hearer, source: Path, out: Path, tick: Callable[[float], None]) -> int:
    """Write what becomes of a recording, chunk by chunk; return how many values clipped."""
    with Recording(source) as recording:
        header = recording.header
        rate, frames = header.sample_rate, header.frames
        made = run.stream(_chunks(recording), frames, rate, lambda values: tick(values / rate))
        with WavWriter(out, rate, header.channels, depth_of(header)) as writer:
            for chunk in made:
                writer.write(chunk.numpy())
    return writer.clipped


def _vocode(run: Hearer, source: Path, out: Path, tick: Callable[[float], None]) -> int:
    """Write the wave of a mel; return how many values clipped."""
    mel, _ = mels.read_mel(source, run.hearing.facts)
    rate = run.hearing.sample_rate
    with WavWriter(out, rate, 1, 16) as writer:
        for chunk in run.stream_mel(mel, lambda values: tick(values / rate)):
            writer.write(chunk.numpy())
    return writer.clipped


def _chunks(recording: Recording) -> Iterator[Tensor]:
    for start in range(0, recording.header.frames, CHUNK):
        yield torch.from_numpy(recording.read(start, CHUNK))


def depth_of(header: SoundHeader) -> int:
    """Return the depth of a wav that loses nothing of what a file can hold: 16, 24, or 32 for floats."""
    words = header.depth.lower()
    if header.exact or "mp3" in words or "vorbis" in words or "opus" in words or "mpeg" in words:
        return 16
    return 24 if "24" in words else 32


def before_and_after(files: list[tuple[Path, Path]]) -> NDArray[np.uint8]:
    """Return spectrograms of the first ten seconds of files, a row per pair."""
    waves = [(_beginning(first), _beginning(second)) for first, second in files]
    rate = waves[0][0][1]
    columns: list[Any] = [[_at(wave, own, rate) for wave, own in column] for column in zip(*waves, strict=True)]
    return compared(columns, rate)


def _beginning(path: Path) -> tuple[Values, int]:
    with Recording(path) as recording:
        rate = recording.header.sample_rate
        return recording.read(0, round(SHOWN * rate)), rate


def _at(wave: Values, old: int, new: int) -> Values:
    from gantlet.layers.resample import resample

    return np.asarray(resample(torch.from_numpy(wave)[None], old, new)[0].numpy(), np.float32)


class Watch:
    """Says how far a run is, and how many times faster than the sound lasts."""

    def __init__(self, status: Status, seconds: float, what: str) -> None:
        self.status, self._total, self._done = status, max(seconds, 1e-9), 0.0
        self._started = time.monotonic()
        status.start(what)

    def elapsed(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self._started

    def tick(self, seconds: float) -> None:
        """Hear of seconds of sound that went through the networks."""
        self._done = min(self._done + seconds, self._total)
        took = max(self.elapsed(), 1e-9)
        left = took * (self._total - self._done) / max(self._done, 1e-9)
        speed = self._done / took
        share = self._done / self._total
        self.status.update(Standing(share, round(self._done), speed, left, {"x real time": speed}))
