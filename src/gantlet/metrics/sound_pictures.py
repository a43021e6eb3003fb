"""Sounds as log-mel pictures, so that whatever judges pictures judges sounds; and the numbers that are sound's own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.layers.mel import MelSpec
from gantlet.metrics.pitch import around, pitch, two_periods, within
from gantlet.metrics.sound import clipping_share, rms, silence_share

SIDE = 64  # mel bands, and columns of time
RANGE = 80.0  # dB below a sine of full scale that are seen
RULE = f"log-mel: {SIDE} bands x {SIDE} columns, the upper {RANGE:g} dB, rounded to 8 bits"
_NOTE = re.compile(r"([A-G])(#?)(-?\d)\b")
_STEPS = {"C": -9, "D": -7, "E": -5, "F": -4, "G": -2, "A": 0, "B": 2}  # semitones from A of the same octave


def picture_spec(sample_rate: int, length: int) -> tuple[MelSpec, int]:
    """Return the log-mel that sounds of this rate and length are judged by, and the frames to a column.

    Windows of 32 to 64 ms (a power of two), a quarter of it or less from frame to frame; 64 HTK bands up to half the
    rate; the sound's whole length in 64 columns, each the mean of its frames.
    """
    n_fft = 1 << (sample_rate * 64 // 1000).bit_length() - 1
    n_fft = max(n_fft, 256)
    frames = max(math.ceil(4 * length / (SIDE * n_fft)), 1)
    hop = max(2 * math.ceil(length / (2 * SIDE * frames)), n_fft // SIDE)  # the ends of shorter ones have no mirror
    return (
        MelSpec(
            sample_rate=sample_rate,
            n_fft=n_fft,
            hop=hop,
            mels=SIDE,
            htk=True,
            floor=10 ** (-RANGE / 20) * n_fft / 4,  # a sine of full scale has the magnitude n_fft / 4
        ),
        frames,
    )


def log_mel_pictures(waves: Tensor, sample_rate: int) -> Tensor:
    """Return pictures [N, 1, 64, 64] in [-1, 1] of sounds [N, C, T], linear in dB: 1 is n_fft / 4, -1 is 80 dB below.

    n_fft / 4 is the magnitude of a sine of full scale in its bin; a band sums bins, and what it has above is clipped.
    Low frequencies are in the first row; channels are averaged.
    """
    spec, frames = picture_spec(sample_rate, waves.shape[-1])
    mono = waves.float().mean(1, keepdim=True)
    mono = F.pad(mono, (0, SIDE * frames * spec.hop - mono.shape[-1]))
    logs = spec.log_mel(mono)[..., : SIDE * frames].reshape(len(mono), 1, SIDE, SIDE, frames).mean(-1)
    lowest = math.log(spec.floor)
    return (2 * (logs - lowest) / (math.log(spec.n_fft / 4) - lowest) - 1).clamp(-1, 1)


def as_pictures(batch: Mapping[str, Tensor], sample_rate: int) -> dict[str, Tensor]:
    """Return "image" [n, 1, 64, 64] for "audio" [n, C, T], and "label" if it is there."""
    labels = {"label": batch["label"]} if "label" in batch else {}
    return {"image": log_mel_pictures(batch["audio"], sample_rate), **labels}


def vary_pictures(pictures: Tensor, start: int, *, columns: int = 6, level: float = 6.0) -> Tensor:
    """Return log-mel pictures moved in time and level at random, a function of `start`: what a classifier trains on.

    Each is moved by up to `columns` columns either way, silence moving in, and by up to `level` dB.
    """
    generator = torch.Generator().manual_seed(start)
    count, side = len(pictures), pictures.shape[-1]
    gain = (2 * torch.rand(count, 1, 1, 1, generator=generator) - 1) * level * 2 / RANGE
    move = torch.randint(-columns, columns + 1, (count, 1, 1, 1), generator=generator)
    at = (torch.arange(side) - move + columns).expand(-1, *pictures.shape[1:3], -1)
    moved = F.pad(pictures, (columns, columns), value=-1.0).gather(3, at)
    return (moved + gain).clamp(-1, 1)


class SoundNumbers:
    """The numbers that are sound's own, gathered while the pictures of sounds are made."""

    def __init__(self, sample_rate: int, classes: Sequence[str] = ()) -> None:
        self.sample_rate = sample_rate
        self._notes = note_frequencies(classes)
        self._sums: dict[str, float] = {}
        self._count = self._pitched = 0

    def pictures(self, batches: Iterable[Mapping[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
        """Yield what `as_pictures` makes of batches with "audio" [n, C, T], and look at each."""
        for batch in batches:
            self.add(batch["audio"], batch.get("label"))
            yield as_pictures(batch, self.sample_rate)

    def add(self, audio: Tensor, label: Tensor | None = None) -> None:
        """Look at sounds [n, C, T]; their pitch is compared where classes are notes ("A4 reed") and labels known.

        Not where it could not be found: notes too high for the rate, sounds too short for two periods of the lowest.
        """
        each, mono = audio.flatten(1), audio.mean(1)
        self._gather("clipping_share", clipping_share(each))
        self._gather("silence_share", silence_share(mono, self.sample_rate))
        self._gather("rms", rms(each))
        self._count += len(audio)
        if label is None or self._notes is None:
            return
        low, high = around(self._notes, self.sample_rate)
        if low < high and mono.shape[-1] >= two_periods(low, self.sample_rate):
            found = pitch(mono, self.sample_rate, low=low, high=high)
            self._gather("pitch_accuracy", within(found, self._notes[label.cpu()]).float())
            self._pitched += len(audio)

    def values(self) -> dict[str, float]:
        """Return the means over all sounds seen: clipping_share, silence_share, rms, pitch_accuracy if there is one."""
        counts = {"pitch_accuracy": self._pitched}
        return {name: total / max(counts.get(name, self._count), 1) for name, total in self._sums.items()}

    def _gather(self, name: str, values: Tensor) -> None:
        self._sums[name] = self._sums.get(name, 0.0) + float(values.double().sum())


def note_frequencies(classes: Sequence[str]) -> Tensor | None:
    """Return the frequencies [K] in Hz of classes whose names begin with a note ("C#5 flute"), None if one does not.

    Equal temperament, A4 = 440 Hz.
    """
    notes = [_NOTE.match(name) for name in classes]
    if not notes or not all(notes):
        return None
    steps = [_STEPS[n[1]] + len(n[2]) + 12 * (int(n[3]) - 4) for n in notes if n is not None]
    return 440 * 2 ** (torch.tensor(steps, dtype=torch.float64) / 12)
