"""Vocoders on LJ Speech and spoken digits beside Griffin-Lim from the same log-mels, in slices that resume.

    python benchmarks/vocoders.py run --seconds 1200 --seeds 3          all recipes on both sets
    python benchmarks/vocoders.py run --data lj --recipes vocos         some of them
    python benchmarks/vocoders.py table                                 print what is there as Markdown

A row per (data, recipe, seconds, seed) in results/vocoders.json; what is there is not repeated. Trained on clips 1-16
of LJ Speech or the training part of the digits, judged on clips 17-20 or the test part (at most 60, evenly chosen): the
multi-resolution STFT distance (metrics/sound.py) and two differences of log-mels, of those the vocoder was given and of
fine ones (a quarter of the window and hop, half the bands). Griffin-Lim: 64 iterations with momentum .99 from the
pseudo-inverse of the same log-mel; it looks for the very magnitudes it was given, so that the first difference flatters
it, and the second, which sees what lies between, does not. Speed: seconds of sound per second of the clock for ten
seconds at once, on two threads. Training seconds are those that one core computes, or with `--clock wall` those of the
clock with all cores.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

import sound_data
from gantlet.layers.griffin_lim import griffin_lim
from gantlet.layers.mel import MelSpec
from gantlet.layers.stft import framed
from gantlet.metrics import mel_l1, multi_resolution_stft, times_real_time
from slices import Row, Rows, begin, budget_of, machine, mean, parameters, peak_memory_mb, spread, sweep, train

if TYPE_CHECKING:
    import gantlet

ROWS = Rows("vocoders")
DATA = ("lj", "digits")
DISTANCES = ("mel_l1", "fine_mel_l1", "stft")
RECIPES = ("vocos", "hifigan")
ITERATIONS = 64  # of Griffin-Lim
JUDGED = 60  # recordings at most
LEAST = 2048  # samples: shorter recordings get silence at their end
TIMED = 10  # seconds of sound
SPEED_THREADS = 2  # whatever the training has


def spec_of(facts: Any) -> MelSpec:
    """Return the log-mel that a model's facts describe."""
    whole = {name: int(facts[name]) for name in ("sample_rate", "n_fft", "hop", "mels")}
    return MelSpec(**whole, low=facts["low"], high=facts["high"], htk=bool(facts["htk"]), floor=facts["floor"])


def floor_of(spec: MelSpec, mel: Tensor, length: int) -> Tensor:
    """Return what Griffin-Lim makes [1, 1, T] of a log-mel [1, mels, frames]."""
    magnitudes = spec.to_magnitudes(mel[:, None])
    return griffin_lim(magnitudes, spec.n_fft, spec.hop, length, ITERATIONS, padding=framed(spec.n_fft, spec.hop))


@torch.inference_mode()
def judge(model: gantlet.Model, waves: list[Tensor]) -> Row:
    """Return the distances of the vocoder and of Griffin-Lim, means over waves [T], and how fast both are."""
    hearing, apply = model.recipe.hearing, model.recipe.apply
    assert hearing is not None
    assert hearing.features is not None
    assert apply is not None
    spec, multiple = spec_of(hearing.facts), hearing.multiple
    fine = replace(spec, n_fft=spec.n_fft // 4, hop=spec.hop // 4, mels=spec.mels // 2)
    found: dict[str, list[float]] = {}
    for wave in waves:
        length = max(-(-len(wave) // multiple) * multiple, -(-LEAST // multiple) * multiple)
        truth = F.pad(wave, (0, length - len(wave)))[None, None]
        mel = hearing.features(truth)
        for name, made in (("", apply(model.nets, mel)), ("floor_", floor_of(spec, mel, length))):
            pair = made[:, 0, :length], truth[:, 0]
            found.setdefault(f"{name}mel_l1", []).append(float(mel_l1(*pair, spec)))
            found.setdefault(f"{name}fine_mel_l1", []).append(float(mel_l1(*pair, fine)))
            found.setdefault(f"{name}stft", []).append(float(multi_resolution_stft(*pair)))
    row: Row = {name: mean(values) for name, values in found.items()}
    for name in DISTANCES:
        row[f"{name}_below_floor"] = 1 - row[name] / row[f"floor_{name}"]
    return {**row, **speeds(model, spec, waves), "recordings": len(waves), "spec": dict(spec.facts())}


def speeds(model: gantlet.Model, spec: MelSpec, waves: list[Tensor]) -> Row:
    """Return seconds of sound per second of the vocoder and of Griffin-Lim, and on how many threads."""
    hearing, apply = model.recipe.hearing, model.recipe.apply
    assert hearing is not None
    assert hearing.features is not None
    assert apply is not None
    samples = TIMED * spec.sample_rate // hearing.multiple * hearing.multiple
    long = torch.cat(waves * (samples // sum(map(len, waves)) + 1))[None, None, :samples]
    mel = hearing.features(long)
    threads = torch.get_num_threads()
    torch.set_num_threads(SPEED_THREADS)
    makers: dict[str, Callable[[], Tensor]] = {
        "times_real_time": lambda: apply(model.nets, mel),
        "floor_times_real_time": lambda: floor_of(spec, mel, samples),
    }
    row: Row = {name: times_real_time(maker, samples / spec.sample_rate) for name, maker in makers.items()}
    torch.set_num_threads(threads)
    return {**row, "speed_threads": SPEED_THREADS}


def one(recipe: str, data: str, seed: int, seconds: float) -> Row:
    """Train and judge one run in this process; return its row."""
    out = Path(tempfile.mkdtemp(prefix="vocoder-"))
    try:
        model, facts = train(recipe, sound_data.place(out, data), out / "run", seconds=seconds, seed=seed)
        peak = peak_memory_mb()
    finally:
        shutil.rmtree(out, ignore_errors=True)
    waves = sound_data.held_out(data, int(model.about["data"]["facts"]["sample_rate"]))
    row = judge(model, waves[:: max(len(waves) // JUDGED, 1)][:JUDGED])
    return {
        **facts, **row, "recipe": recipe, "settings": model.about["settings"], "arguments": model.about["arguments"],
        "parameters": parameters(model), "peak_memory_mb": peak, **machine(),
    }  # fmt: skip


def table() -> None:
    """Print all rows, grouped over seeds, as Markdown."""
    print("| data, budget | recipe | mel L1, Griffin-Lim | below it | fine mel L1, Griffin-Lim | below it "
          "| STFT, Griffin-Lim | below it | x real time (Griffin-Lim) | samples/s | G |")  # fmt: skip
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, rows in sorted(ROWS.groups().items(), key=lambda group: group[0].split("/")[::2]):
        data, recipe, budget = name.split("/")
        cells = []
        for number in DISTANCES:
            cells.append(f"{spread([row[number] for row in rows], 3)}, {rows[0][f'floor_{number}']:.3f}")
            cells.append(f"{mean([row[f'{number}_below_floor'] for row in rows]):.0%}")
        speed, floor = (mean([row[f"{which}times_real_time"] for row in rows]) for which in ("", "floor_"))
        print(
            f"| {data} {budget} | `{recipe}` | {' | '.join(cells)} | {speed:.0f} ({floor:.0f}) "
            f"| {mean([row['samples_per_second'] for row in rows]):.1f} | {rows[0]['parameters']['G'] / 1e6:.2f} M |"
        )


def main() -> None:
    if sys.argv[1:2] == ["one"]:
        recipe, data, seed, budget = sys.argv[2:]
        print(json.dumps(one(recipe, data, int(seed), begin(budget))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clock", choices=("processor", "wall"), default="processor")
    given = parser.parse_args()
    if given.part == "table":
        table()
    else:
        budget = budget_of(given.seconds, given.clock)
        sweep(ROWS, __file__, given.data, given.recipes, given.seeds, budget)


if __name__ == "__main__":
    sys.exit(main())
