"""The recordings that the benchmarks of sound share, from $GANTLET_DATA/audio, unpacked and split below a folder.

Digits: the Free Spoken Digit Dataset, its own test part. LJ Speech: clips 1-16 train, 17-20 test. Noise: the first 15 s
of each recording train, the last 5 s test. VoiceBank-DEMAND pairs are never trained on.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gantlet.layers.resample import resample
from gantlet.media.audio import read_sound, write_sound

LJ_TRAINED = 16  # clips
NOISE_TRAINED = 15  # seconds


def audio(name: str) -> Path:
    """Return the place of one of the shared archives."""
    folder = os.environ.get("GANTLET_DATA")
    if not folder:
        raise SystemExit("Set GANTLET_DATA to a folder with the archives in audio: see benchmarks/README.md.")
    return Path(folder) / "audio" / name


def recordings(archive: str) -> Iterator[tuple[str, Tensor, int]]:
    """Yield (name, wave [C, T], samples per second) of the wavs of an archive, in the order of their names."""
    with zipfile.ZipFile(audio(archive)) as opened:
        for name in sorted(name for name in opened.namelist() if name.endswith(".wav")):
            wave, rate = read_sound(opened.read(name), name)
            yield Path(name).name, torch.from_numpy(np.ascontiguousarray(wave)), rate


def place(folder: Path, name: str) -> Path:
    """Return where a model finds "digits", "lj", "drums" or "noise" to train on, unpacking them if need be."""
    if name in ("digits", "drums"):
        return audio({"digits": "fsdd_wav.zip", "drums": "drums_16k.zip"}[name])
    where = folder / f"data-{name}"
    done = folder / f"data-{name}.whole"
    if not done.is_file():
        archive = {"lj": "ljspeech_20.zip", "noise": "speech_commands_noise.zip"}[name]
        for number, (file, wave, rate) in enumerate(recordings(archive)):
            if name == "lj":
                write_sound(where / ("train" if number < LJ_TRAINED else "test") / file, wave.numpy(), rate)
            else:
                write_sound(where / "train" / file, wave[:, : NOISE_TRAINED * rate].numpy(), rate)
                write_sound(where / "test" / file, wave[:, NOISE_TRAINED * rate :].numpy(), rate)
        done.touch()
    return where


def held_out(name: str, rate: int) -> list[Tensor]:
    """Return the test recordings [T] of "digits" or "lj" at this rate."""
    if name == "lj":
        waves = [(wave, own) for _, wave, own in recordings("ljspeech_20.zip")][LJ_TRAINED:]
    else:
        names = re.compile(r"\d_[a-z]+_([0-4])\.wav")
        waves = [(wave, own) for file, wave, own in recordings("fsdd_wav.zip") if names.fullmatch(file)]
    return [at_rate(wave, own, rate)[0] for wave, own in waves]


def utterances(name: str, rate: int) -> list[Tensor]:
    """Return test speech [T] of some seconds each at this rate: LJ Speech clips, or ten digits of one speaker in a row.

    Single digits are too short for STOI, which looks at 0.4 s at a time.
    """
    if name == "lj":
        return held_out("lj", rate)
    names = re.compile(r"(\d)_([a-z]+)_([0-4])\.wav")
    rows: dict[tuple[str, str], list[tuple[str, Tensor]]] = {}
    for file, wave, own in recordings("fsdd_wav.zip"):
        found = names.fullmatch(file)
        if found is not None:
            rows.setdefault((found[2], found[3]), []).append((found[1], at_rate(wave, own, rate)[0]))
    return [torch.cat([wave for _, wave in sorted(row, key=lambda item: item[0])]) for _, row in sorted(rows.items())]


def test_noises(rate: int) -> dict[str, Tensor]:
    """Return the last 5 s of each noise [T] at this rate."""
    found = recordings("speech_commands_noise.zip")
    return {Path(name).stem: at_rate(wave[:, NOISE_TRAINED * own :], own, rate)[0] for name, wave, own in found}


def demand_pairs(rate: int) -> list[tuple[Tensor, Tensor]]:
    """Return (clean, noisy) [T] of the VoiceBank-DEMAND pairs at this rate."""
    with zipfile.ZipFile(audio("voicebank_demand_6pairs.zip")) as opened:
        sides = []
        for side in ("clean", "noisy"):
            names = sorted(name for name in opened.namelist() if name.startswith(f"{side}/") and name.endswith(".wav"))
            sides.append([read_sound(opened.read(name), name) for name in names])
    pairs = zip(*sides, strict=True)
    return [tuple(at_rate(torch.from_numpy(wave), own, rate)[0] for wave, own in pair) for pair in pairs]  # type: ignore[misc]


def at_rate(wave: Tensor, own: int, rate: int) -> Tensor:
    """Return the mean of the channels [1, T] at another rate."""
    mono = wave.mean(0, keepdim=True)
    return mono if own == rate else resample(mono[None], own, rate)[0]


def mixed(clean: Tensor, noise: Tensor, decibels: float, start: int) -> tuple[Tensor, Tensor]:
    """Return (clean, noisy) [T], the noise from `start` on, going round, so much below the speech; at most full scale.

    Both are made softer together if the sum would clip.
    """
    cut = noise.roll(-start).repeat(-(-len(clean) // len(noise)))[: len(clean)]
    factor = (clean.square().sum() / cut.square().sum() * 10 ** (-decibels / 10)).sqrt()
    noisy = clean + factor * cut
    softer = 1 / max(1.0, float(noisy.abs().max()))
    return clean * softer, noisy * softer
