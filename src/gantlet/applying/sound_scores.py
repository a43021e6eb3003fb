"""How near sounds come to references: speech measures of what was cleaned, spectral distances of what was vocoded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from gantlet.errors import UserError
from gantlet.layers.mel import MelSpec
from gantlet.media.audio import Recording
from gantlet.media.foreign import shown
from gantlet.metrics import sound, speech

SPAN = 60.0  # seconds that are compared at once


def of_speech(made: Path, wanted: Path, given: Path) -> dict[str, float]:
    """Return SI-SDR, STOI, segmental SNR (and PESQ) of a file, and by how much they are above those of the input."""

    def numbers(waves: list[Tensor], rate: int) -> Mapping[str, Tensor]:
        result, reference, before = waves
        found = dict(speech.scores(result, reference, rate))
        earlier = speech.scores(before, reference, rate)
        return found | {f"{name}_improvement": found[name] - earlier[name] for name in ("si_sdr", "stoi")}

    return _mean_over_spans([made, wanted, given], wanted, numbers)


def of_waves(made: Path, wanted: Path, facts: Mapping[str, float]) -> dict[str, float]:
    """Return the L1 distance of log-mels, as the model takes them, and the multi-resolution STFT distance."""
    names = {"sample_rate": int, "n_fft": int, "hop": int, "mels": int, "low": float, "high": float, "htk": bool}
    kept = {name: kind(facts[name]) for name, kind in names.items() if name in facts}
    spec = MelSpec(**kept, floor=float(facts.get("floor", 1e-5)))

    def numbers(waves: list[Tensor], rate: int) -> Mapping[str, Tensor]:
        if rate != spec.sample_rate:
            raise UserError(f"Reference {shown(wanted)} has {rate} Hz and the model {spec.sample_rate}; resample it.")
        return {
            "mel_l1": sound.mel_l1(waves[0], waves[1], spec),
            "multi_resolution_stft": sound.multi_resolution_stft(waves[0], waves[1]),
        }

    return _mean_over_spans([made, wanted], wanted, numbers, slack=int(facts.get("n_fft", 0)))


def protocol(vocoded: bool) -> list[str]:
    """Return what the numbers mean."""
    if vocoded:
        return [
            "mel_l1: mean absolute difference of natural log-mels of the model's kind",
            "multi_resolution_stft: Yamamoto 2020, windows of 240, 600 and 1200 samples",
            "of recordings over a minute the mean over minutes",
        ]
    extra = ["pesq: ITU-T P.862.2 from 16 kHz on, else P.862"] if speech.has_pesq() else []
    return [
        "si_sdr: scale-invariant signal-to-distortion ratio in dB; improvement: above that of the input",
        "stoi: Taal 2011, 0 to 1; segmental_snr: dB, frames of 30 ms within -10 to 35",
        *extra,
        "of recordings over a minute the mean over minutes; nan where a measure is not defined (silence, under 0.4 s)",
    ]


def _mean_over_spans(paths: list[Path], wanted: Path, numbers: object, slack: int = 0) -> dict[str, float]:
    """Return numbers of files of one rate and length, meant over channels and minutes where they are finite."""
    assert callable(numbers)
    records = [Recording(path) for path in paths]
    try:
        sizes = [(r.header.sample_rate, r.header.channels, r.header.frames) for r in records]
        length = min(size[2] for size in sizes)
        if len({size[:2] for size in sizes}) > 1 or max(size[2] for size in sizes) - length > slack:
            said = " and ".join(
                f"{rate} Hz, {channels} channels, {frames:,} samples" for rate, channels, frames in sizes[:2]
            )
            raise UserError(f"The result and its reference {shown(wanted)} must be alike, and are {said}.")
        rate, found = sizes[0][0], dict[str, list[float]]()
        span = round(SPAN * rate)
        starts = range(0, max(1, length - span // 2), span)  # a rest below half a minute joins the last
        for start in starts:
            count = length - start if start == starts[-1] else span
            waves = [torch.from_numpy(record.read(start, count)) for record in records]
            for name, values in numbers(waves, rate).items():
                found.setdefault(name, []).extend(float(value) for value in values)
    finally:
        for record in records:
            record.close()
    finite = {name: [v for v in values if not math.isnan(v)] for name, values in found.items()}
    return {name: sum(values) / len(values) if values else math.nan for name, values in finite.items()}
