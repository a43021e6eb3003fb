"""The built-in data set `tones`: notes of 12 pitches on 4 made-up instruments, each a function of (split, index)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.data.splits import choose_split

SAMPLE_RATE = 8000  # Hz
LENGTH = 8192  # samples: 1.024 s
PITCHES: dict[str, float] = {  # Hz, equal temperament from A4 = 440 Hz
    name: 440.0 * 2 ** (step / 12)
    for step, name in enumerate(("A4", "A#4", "B4", "C5", "C#5", "D5", "D#5", "E5", "F5", "F#5", "G5", "G#5"))
}
TIMBRES: dict[str, tuple[float, ...]] = {  # amplitudes of the harmonics 1, 2, ...; those above `HIGHEST` are left out
    "flute": (1.0, 0.12, 0.04),
    "reed": (1.0, 0.0, 0.75, 0.0, 0.5, 0.0, 0.3),
    "string": (1.0, 0.6, 0.5, 0.4, 0.33, 0.28, 0.22, 0.18),
    "organ": (0.6, 1.0, 0.0, 0.7),
}
HIGHEST = 3700.0  # Hz; a margin to the half of the rate
DETUNE = 20.0  # cents at most, either way; the pitch test forgives 50
CLASSES = tuple(f"{pitch} {timbre}" for pitch in PITCHES for timbre in TIMBRES)
COUNTS = {"train": 4800, "test": 960}  # 100 and 20 of each class

_CHUNK = 16  # notes that are made at a time: they stay in the processor's cache
_DRAWS = 16  # random numbers of a note: 8 phases, then what `_envelope` and `tones` name


def pitch_of(label: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the nominal frequency in Hz of each class [N]."""
    return np.asarray(list(PITCHES.values()))[np.asarray(label) // len(TIMBRES)]


def labels_of(split: str) -> NDArray[np.int64]:
    """Return the class of every note of a split: index mod 48, so that every prefix is balanced."""
    return np.arange(COUNTS[choose_split("tones", split, COUNTS)], dtype=np.int64) % len(CLASSES)


def tones(split: str, indices: NDArray[Any] | None = None) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return notes [n, 8192] float32 in [-1, 1] at 8 kHz and their classes [n] (all of the split without `indices`).

    A note is a sum of harmonics with random phases, an ADSR envelope with random times, a peak between 0.25 and 0.9,
    and a detuning of at most 20 cents. Note i of a split is the same whatever else is asked for.

    Raises NoSuchSplit for a split that is neither train nor test.
    """
    labels = labels_of(split)
    chosen = np.arange(len(labels)) if indices is None else np.asarray(indices)
    key = 1 + list(COUNTS).index(choose_split("tones", split, COUNTS))
    raw = np.random.Philox(key=key).random_raw(len(labels) * _DRAWS).reshape(-1, _DRAWS)[chosen]
    draws = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53  # [0, 1)
    made = [
        _notes(labels[chosen[start : start + _CHUNK]], draws[start : start + _CHUNK])
        for start in range(0, len(chosen), _CHUNK)
    ]
    return np.concatenate(made) if made else np.empty((0, LENGTH), np.float32), labels[chosen]


def _notes(labels: NDArray[np.int64], draws: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return notes [n, LENGTH] of these classes for uniform numbers [n, 16]."""
    timbres = np.zeros((len(TIMBRES), 8))
    for row, amplitudes in zip(timbres, TIMBRES.values()):
        row[: len(amplitudes)] = amplitudes
    frequency = pitch_of(labels) * 2 ** (DETUNE * (2 * draws[:, 8] - 1) / 1200)
    angle = (2 * np.pi / SAMPLE_RATE) * frequency[:, None] * np.arange(LENGTH)
    angle = (angle % (2 * np.pi)).astype(np.float32)
    turn = np.empty(angle.shape, np.complex64)
    np.cos(angle, out=turn.real), np.sin(angle, out=turn.imag)
    power, wave = np.ones_like(turn), np.zeros(angle.shape, np.float32)
    for k in range(8):  # harmonic k + 1 is the (k + 1)-th power of the first
        power *= turn
        amplitude = timbres[labels % len(TIMBRES), k] * (frequency * (k + 1) < HIGHEST)
        start = (amplitude * np.exp(2j * np.pi * draws[:, k])).astype(np.complex64)[:, None]
        wave += power.real * start.real - power.imag * start.imag
    wave *= _envelope(draws[:, 9:])
    peak = (0.25 + 0.65 * draws[:, 15]) / np.abs(wave).max(1)
    return np.asarray(wave * peak[:, None], np.float32)


def _envelope(draws: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return attack, decay, sustain and release [n, LENGTH] for uniform numbers [n, >= 6]; ends in silence."""
    time = np.arange(LENGTH) / SAMPLE_RATE
    onset, attack, decay, level, end, release = (
        low + (high - low) * draws[:, [column]]
        for column, (low, high) in enumerate(
            ((0.0, 0.04), (0.005, 0.06), (0.05, 0.2), (0.5, 0.9), (0.6, 0.8), (0.05, 0.2))
        )
    )
    rise = np.clip((time - onset) / attack, 0, 1)
    fall = 1 - (1 - level) * np.clip((time - onset - attack) / decay, 0, 1)
    return np.asarray(rise * fall * np.clip(1 - (time - end) / release, 0, 1), np.float32)
