"""Speech enhancement on digits and LJ Speech with real noise, beside methods that learn nothing, in slices that resume.

    python benchmarks/enhancement.py run --seconds 1200 --seeds 3                     all recipes on both sets
    python benchmarks/enhancement.py run --data lj --recipes speech_enhance           some of them
    python benchmarks/enhancement.py long --minutes 30                                one long recording
    python benchmarks/enhancement.py table                                            print what is there as Markdown

A row per (data, recipe, seconds, seed) in results/enhancement.json; what is there is not repeated. Trained on clean
training recordings and the first 15 s of four noises, judged on test speech with the last 5 s of each at 0, 5, 10 and
15 dB, every noise at every level: SI-SDR improvement and STOI, also of spectral subtraction and Wiener filters, and of
six pairs of VoiceBank-DEMAND, of which nothing was trained on. Digits are at 8 kHz, LJ Speech is at 16. The seconds of
training are those that one core computes, or with `--clock wall` those of the clock with all cores.

`long` trains for a minute and cleans recordings of one and of 30 minutes in a process each: seconds of sound per
second, peak memory, and the largest step from value to value where pieces were joined beside the largest elsewhere.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

import sound_data
import sound_floors
from gantlet.applying.hearer import hearer
from gantlet.applying.sounds import apply_sounds
from gantlet.media.audio import read_sound
from gantlet.media.wav import WavWriter
from gantlet.metrics.speech import si_sdr, si_sdr_improvement, stoi
from slices import Row, Rows, begin, budget_of, machine, mean, parameters, peak_memory_mb, spread, sweep, train

if TYPE_CHECKING:
    import gantlet

ROWS = Rows("enhancement")
DATA = {"digits": 8000, "lj": 16_000}  # Hz
RECIPES = ("speech_enhance", "segan", "speech_enhance_stoi")
FLOORS = ("boll", "berouti", "wiener")
LEVELS = (0, 5, 10, 15)  # dB
UTTERANCES = 12  # of the test speech, evenly chosen: with every noise at every level
Method = Callable[[Tensor], Tensor]  # noisy [T] -> clean [T]


def judged(methods: dict[str, Method], pairs: list[tuple[Tensor, Tensor]], rate: int) -> dict[str, Row]:
    """Return, by method, the mean numbers over pairs (clean, noisy) of waves [T]; "noisy" is doing nothing."""
    found: dict[str, dict[str, list[float]]] = {}
    for clean, noisy in pairs:
        for name, method in {"noisy": lambda wave: wave, **methods}.items():
            made, truth, given = (wave[None] for wave in (method(noisy), clean, noisy))
            numbers = {"si_sdr": si_sdr(made, truth), "stoi": stoi(made, truth, rate)}
            if name != "noisy":
                numbers["improvement"] = si_sdr_improvement(made, given, truth)
            for number, value in numbers.items():
                found.setdefault(name, {}).setdefault(number, []).append(float(value))
    return {name: {number: mean(values) for number, values in row.items()} for name, row in found.items()}


def judge(model: gantlet.Model, data: str) -> Row:
    """Return the numbers of a model and of the floors at each level, over all levels, and on VoiceBank-DEMAND."""
    rate = DATA[data]
    methods: dict[str, Method] = {
        "model": hearer(model).waves,
        "boll": lambda wave: sound_floors.boll(wave, rate),
        "berouti": lambda wave: sound_floors.berouti(wave, rate),
        "wiener": lambda wave: sound_floors.wiener(wave, rate),
    }
    speech = sound_data.utterances(data, rate)
    speech = speech[:: max(len(speech) // UTTERANCES, 1)][:UTTERANCES]
    rng = np.random.default_rng(0)
    row: Row = {"utterances": len(speech)}
    levels = {}
    for level in LEVELS:
        pairs = []
        for clean in speech:
            for noise in sound_data.test_noises(rate).values():
                pairs.append(sound_data.mixed(clean, noise, level, int(rng.integers(len(noise)))))
        levels[str(level)] = judged(methods, pairs, rate)
    row["levels"], row["demand"] = levels, judged(methods, sound_data.demand_pairs(rate), rate)
    for name in methods:
        row[f"{name}_improvement"] = mean([levels[str(level)][name]["improvement"] for level in LEVELS])
    best = max(row[f"{name}_improvement"] for name in methods if name != "model")
    row["above_the_best_floor"] = row["model_improvement"] - best
    row["above_wiener"] = row["model_improvement"] - row["wiener_improvement"]
    gains = [levels[str(level)]["model"]["stoi"] - levels[str(level)]["noisy"]["stoi"] for level in LEVELS]
    return {**row, "least_stoi_gain": min(gains)}


def one(recipe: str, data: str, seed: int, seconds: float) -> Row:
    """Train and judge one run in this process; return its row."""
    out = Path(tempfile.mkdtemp(prefix="enhancement-"))
    try:
        model, facts = trained(recipe, data, out, seconds, seed)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    peak = peak_memory_mb()
    return {
        **facts, **judge(model, data), "recipe": recipe, "settings": model.about["settings"],
        "arguments": model.about["arguments"], "parameters": parameters(model), "peak_memory_mb": peak, **machine(),
    }  # fmt: skip


def trained(recipe: str, data: str, out: Path, seconds: float, seed: int) -> tuple[gantlet.Model, Row]:
    """Train a run in out/run on clean training recordings and the first part of the noises."""
    noise = sound_data.place(out, "noise") / "train"
    options = {"noise": noise, "sample_rate": DATA[data], "seconds": seconds, "seed": seed}
    return train(recipe, sound_data.place(out, data), out / "run", **options)


def write_long(path: Path, minutes: float) -> None:
    """Write a recording of LJ Speech in a row with noise at 5 dB, clip after clip, 16 kHz."""
    noises = list(sound_data.test_noises(16_000).values())
    clips = sound_data.held_out("lj", 16_000)
    left, number = int(minutes * 60 * 16_000), 0
    with WavWriter(path, 16_000) as writer:
        while left > 0:
            _, noisy = sound_data.mixed(clips[number % len(clips)], noises[number % len(noises)], 5, 1000 * number)
            writer.write(noisy[:left].numpy())
            left, number = left - len(noisy), number + 1


def clean_long(run: Path, source: Path) -> Row:
    """Clean a recording in this process; return speed, memory, and steps at joints and elsewhere."""
    import gantlet

    model = gantlet.load(run)
    made = source.with_name(f"clean-{source.name}")
    done = apply_sounds(model, source, made)
    row: Row = {"times_real_time": done.times_real_time, "seconds": done.seconds}
    row["peak_memory_mb"] = peak_memory_mb()
    cut = hearer(model).cut
    wave, _ = read_sound(made)
    steps = np.abs(np.diff(wave[0]))
    at_joint = np.arange(len(steps)) % cut.step < cut.fade
    at_joint[: cut.step] = False
    return {
        **row, "pieces": cut.count(wave.shape[1]), "largest_step_at_joints": float(steps[at_joint].max(initial=0)),
        "largest_step_elsewhere": float(steps[~at_joint].max()), "mean_step_at_joints": float(steps[at_joint].mean()),
        "mean_step_elsewhere": float(steps[~at_joint].mean()),
    }  # fmt: skip


def long(minutes: float, recipe: str, seconds: float) -> None:
    """Measure the cleaning of a short and of a long recording, each in a process of its own."""
    out = Path(tempfile.mkdtemp(prefix="long-"))
    try:
        trained(recipe, "lj", out, seconds, 0)
        for length in (1.0, minutes):
            source = out / f"{length:g}.wav"
            write_long(source, length)
            words = [sys.executable, __file__, "clean", str(out / "run"), str(source)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            ROWS.keep(f"long/{recipe}/{length:g} min", {**json.loads(done.stdout.splitlines()[-1]), **machine()})
    finally:
        shutil.rmtree(out, ignore_errors=True)


def table() -> None:
    """Print all rows, grouped over seeds, as Markdown."""
    print("| data, budget | recipe | SI-SDR improvement in dB (seeds) | at 0, 5, 10, 15 dB | Boll | Berouti | Wiener "
          "| STOI noisy -> made at 0, 5, 10, 15 dB | VoiceBank-DEMAND | G |")  # fmt: skip
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, rows in sorted(ROWS.groups().items()):
        if name.startswith("long/"):
            continue
        data, recipe, budget = name.split("/")

        def number(who: str, what: str, level: int, rows: list[Row] = rows) -> float:
            return mean([row["levels"][str(level)][who][what] for row in rows])

        each = ", ".join(f"{number('model', 'improvement', level):.1f}" for level in LEVELS)
        heard = ", ".join(f"{number('noisy', 'stoi', x):.3f} -> {number('model', 'stoi', x):.3f}" for x in LEVELS)
        floors = " | ".join(f"{mean([row[f'{who}_improvement'] for row in rows]):.1f}" for who in FLOORS)
        demand = mean([row["demand"]["model"]["improvement"] for row in rows])
        print(
            f"| {data} {budget} | `{recipe}` | {spread([row['model_improvement'] for row in rows], 2)} | {each} "
            f"| {floors} | {heard} | {demand:.1f} | {rows[0]['parameters']['G'] / 1e6:.2f} M |"
        )


def main() -> None:
    if sys.argv[1:2] == ["one"]:
        recipe, data, seed, budget = sys.argv[2:]
        print(json.dumps(one(recipe, data, int(seed), begin(budget))))
        return
    if sys.argv[1:2] == ["clean"]:
        print(json.dumps(clean_long(Path(sys.argv[2]), Path(sys.argv[3]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "long", "table"))
    parser.add_argument("--data", nargs="+", choices=tuple(DATA), default=list(DATA))
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clock", choices=("processor", "wall"), default="processor")
    given = parser.parse_args()
    if given.part == "table":
        table()
    elif given.part == "long":
        long(given.minutes, given.recipes[0], min(given.seconds, 60))
    else:
        budget = budget_of(given.seconds, given.clock)
        sweep(ROWS, __file__, given.data, given.recipes, given.seeds, budget)


if __name__ == "__main__":
    sys.exit(main())
