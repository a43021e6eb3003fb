"""The spine's quality numbers, in slices that resume: every finished (recipe, seed, seconds) is kept and not repeated.

    python benchmarks/spine.py marks --data mnist          the automatic choice, 60 s and 180 s, seeds 0-2
    python benchmarks/spine.py recipes --data mnist        every recipe at its quick settings, 90 s, seeds 0-2
    python benchmarks/spine.py short --data mnist --seconds 30 90      the automatic choice after so long, seeds 0-2
    python benchmarks/spine.py table                       print what is there as Markdown

FID of 10,000 samples against the test split, on the features of a classifier trained on the training split, as a
multiple of the floor (10,000 training pictures against the same test split). Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

import gantlet
from gantlet.recipes import catalogue
from slices import Rows, parameters, train

ROWS = Rows("spine")
UNCONDITIONAL = "infogan"
RECIPES = (
    "gan",
    "cgan",
    "dcgan",
    "acgan",
    "lsgan",
    "wgan",
    "wgan_gp",
    "dragan",
    "sngan",
    "sngan_cnn",
    "r1gan",
)


def one(recipe: str | None, data: str, seed: int, seconds: float, runs: Path, unconditional: bool = False) -> None:
    """Train (or go on training) and judge one run, unless its row is there."""
    label = f"{recipe or 'auto'}{'-unconditional' if unconditional else ''}"
    key = f"{Path(data).name}/{label}/seed{seed}/{seconds:g}s"
    if key in ROWS.read():
        return
    load = os.getloadavg()[0]
    model, facts = train(
        recipe, data, runs / Path(data).name / f"{label}-{seed}", resume=True, seconds=seconds, seed=seed,
        unconditional=unconditional, save_every=1e9,
    )  # fmt: skip
    began = time.perf_counter()
    judgement = gantlet.evaluate(model, data, num=10_000, note=lambda message: print(message, flush=True))
    about = {name: model.about[name] for name in ("recipe", "settings", "arguments")}
    ROWS.keep(key, {
        **facts, **about, "seed": seed, "seconds": seconds, "fid_over_floor": judgement.fid_over_floor,
        "parameters": parameters(model), "evaluation_seconds": time.perf_counter() - began, "load_before": load,
        "judgement": judgement.to_json(),
    })  # fmt: skip


def marks(data: str, seeds: range, runs: Path) -> None:
    for seed in seeds:
        one(None, data, seed, 60, runs)
        one(None, data, seed, 180, runs)
    for seed in seeds:
        one(UNCONDITIONAL, data, seed, 180, runs, unconditional=True)


def recipes(data: str, seeds: range, runs: Path, seconds: float) -> None:
    for seed in seeds:
        for name in RECIPES:
            one(name, data, seed, seconds, runs)
            shutil.rmtree(runs / Path(data).name / f"{name}-{seed}", ignore_errors=True)


def table() -> None:
    """Print all rows, grouped over seeds, as Markdown."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for key, row in ROWS.read().items():
        data, label, _, seconds = key.split("/")
        groups.setdefault((f"{data} {seconds}", label), []).append(row)
    print("| data, budget | recipe | FID x floor | coverage | precision | classes | least share | samples/s | seeds |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (data, label), rows in sorted(groups.items(), key=lambda item: (item[0][0], mean(item[1], "fid_over_floor"))):
        values = [row["judgement"]["values"] for row in rows]
        fids = ", ".join(f"{row['fid_over_floor']:.1f}" for row in sorted(rows, key=lambda row: row["seed"]))
        print(
            f"| {data} | {label} | {mean(rows, 'fid_over_floor'):.1f} ({fids}) | {mean(values, 'coverage'):.2f} "
            f"| {mean(values, 'precision'):.2f} | {min(v['classes_covered'] for v in values)} "
            f"| {min(min(v['class_shares']) for v in values):.3f} "
            f"| {mean(rows, 'samples_per_second'):.0f} | {len(rows)} |"
        )


def mean(rows: list[dict], name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("marks", "recipes", "short", "table"))
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, nargs="+", default=[90])
    parser.add_argument("--runs", type=Path, default=Path("runs/spine"))
    given = parser.parse_args()
    assert all(catalogue.find(name) for name in RECIPES)
    if given.part == "marks":
        marks(given.data, range(given.seeds), given.runs)
    elif given.part == "recipes":
        recipes(given.data, range(given.seeds), given.runs, given.seconds[0])
    elif given.part == "short":
        for seed in range(given.seeds):
            for seconds in sorted(given.seconds):
                one(None, given.data, seed, seconds, given.runs)
    else:
        table()


if __name__ == "__main__":
    sys.exit(main())
