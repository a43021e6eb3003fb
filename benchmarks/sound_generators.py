"""Generators of sound on spoken digits, notes and drum hits for the same time, a process each, in slices that resume.

    python benchmarks/sound_generators.py run --seconds 1200 --seeds 3                       all recipes on all data
    python benchmarks/sound_generators.py run --data tones --recipes specgan --seconds 300   some of them
    python benchmarks/sound_generators.py table                                              print what is there

A row per (data, recipe, seconds, seed) in results/sound_generators.json; what is there is not repeated. The seconds are
those that one core computes, or with `--clock wall` those of the clock with all cores. At most 2,000 samples are judged
as log-mel pictures by a classifier of the training part, against the test part (drums have none: against one half); the
Frechet distance is a multiple of that between as many real sounds and the same reference. `drums_little_data` are the
same 123 recordings, trained with the remedies of that name.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import sound_data
from slices import Row, Rows, begin, budget_of, machine, mean, parameters, peak_memory_mb, spread, sweep, train

ROWS = Rows("sound_generators")
DRUMS = {"label_pattern": "([a-z]+)_"}
DATA: dict[str, dict[str, str]] = {"digits": {}, "tones": {}, "drums": DRUMS, "drums_little_data": DRUMS}
REMEDIES = {"drums_little_data": ("little_data",)}
RECIPES = ("specgan", "wavegan", "wavegan_gp", "specgan_2018")
SAMPLES = 2000
NUMBERS = (
    "fid", "kid", "inception_score", "precision", "recall", "density", "coverage", "classes_covered", "label_accuracy",
    "pitch_accuracy", "clipping_share", "silence_share", "rms",
)  # fmt: skip


def one(recipe: str, data: str, seed: int, seconds: float) -> Row:
    """Train and judge one run in this process; return its row."""
    import gantlet

    out = Path(tempfile.mkdtemp(prefix="sound-"))
    source = "tones" if data == "tones" else str(sound_data.place(out, data.removesuffix("_little_data")))
    try:
        settings = {"remedies": REMEDIES.get(data, ()), **DATA[data]}
        model, facts = train(recipe, source, out / "run", seconds=seconds, seed=seed, **settings)
        peak = peak_memory_mb()
        num = min(SAMPLES, int(model.about["data"]["count"]))
        judgement = gantlet.evaluate(model, source, num=num, **DATA[data])
    finally:
        shutil.rmtree(out, ignore_errors=True)
    values = {name: judgement.values[name] for name in NUMBERS if name in judgement.values}
    floor = {name: judgement.floor[name] for name in NUMBERS if name in judgement.floor}
    return {
        **facts, **values, "floor": floor, "fid_over_floor": judgement.fid_over_floor, "recipe": recipe,
        "settings": model.about["settings"], "arguments": model.about["arguments"], "conditional": model.conditional,
        "num_classes": len(model.classes), "parameters": parameters(model), "peak_memory_mb": peak, **machine(),
        "protocol": judgement.to_json()["protocol"],
    }  # fmt: skip


def table() -> None:
    """Print all rows, grouped over seeds, as Markdown."""
    print("| data, budget | recipe | FAD x floor (seeds) | label accuracy | pitch accuracy | IS (real) | classes "
          "| silent (real) | samples/s | parameters | MB |")  # fmt: skip
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    groups = sorted(ROWS.groups().items(), key=lambda group: mean([row["fid_over_floor"] for row in group[1]]))
    for name, rows in sorted(groups, key=lambda group: group[0].split("/")[::2]):
        data, recipe, budget = name.split("/")
        first = rows[0]
        print(
            f"| {data} {budget} | `{recipe}` | {spread([row['fid_over_floor'] for row in rows])} "
            f"| {averaged(rows, 'label_accuracy')} | {averaged(rows, 'pitch_accuracy')} "
            f"| {averaged(rows, 'inception_score', '{:.2f}')} ({first['floor']['inception_score']:.2f}) "
            f"| {min(row.get('classes_covered', 0) for row in rows)} of {first['num_classes']} "
            f"| {averaged(rows, 'silence_share')} ({first['floor']['silence_share']:.1%}) "
            f"| {mean([row['samples_per_second'] for row in rows]):.0f} "
            f"| {sum(first['parameters'].values()) / 1e6:.2f} M "
            f"| {mean([row['peak_memory_mb'] for row in rows]):.0f} |"
        )


def averaged(rows: list[Row], name: str, form: str = "{:.1%}") -> str:
    """Return the mean of a number over rows in words, a dash if one has none."""
    return form.format(mean([row[name] for row in rows])) if all(name in row for row in rows) else "-"


def main() -> None:
    if sys.argv[1:2] == ["one"]:
        recipe, data, seed, budget = sys.argv[2:]
        print(json.dumps(one(recipe, data, int(seed), begin(budget))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("--data", nargs="+", choices=tuple(DATA), default=list(DATA))
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--clock", choices=("processor", "wall"), default="processor")
    given = parser.parse_args()
    if given.part == "table":
        table()
    else:
        budget = budget_of(given.seconds, given.clock)
        sweep(ROWS, __file__, given.data, given.recipes, given.seeds, budget)


if __name__ == "__main__":
    sys.exit(main())
