"""How often a run ends healthy: recipes x data x seeds, at defaults and under stress, with and without `--remedy auto`.

    python benchmarks/stability.py run --seconds 12 --seeds 5      small pictures; slices that resume
    python benchmarks/stability.py table

Quick settings, 8x8 digits and 14x14 Fashion-MNIST; seconds that one core computes. Stress: all learning rates four
times as high, or the batch an eighth. A run is healthy if it was not stopped, its samples cover 9 of 10 classes (no
class below a hundredth) and the FID of 2,000 is at most twice the worst of the same recipe's undisturbed seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gantlet
from gantlet.errors import RunFailed
from gantlet.recipes import catalogue
from slices import Row, Rows, count_processor_seconds, train

ROWS = Rows("stability")
RECIPES = ("dcgan", "wgan_gp", "sngan_cnn", "r1gan", "r3gan", "biggan")
DATA = {"digits": None, "fashion_mnist": 14}
RATES = ("lr", "g_lr", "d_lr")
STRESSES = ("defaults", "rate_x4", "batch_8th")


def stressed(recipe: str, stress: str) -> dict[str, Any]:
    """Return the options that disturb a recipe."""
    quick = {**{p.name: p.default for p in catalogue.parameters(catalogue.find(recipe))},
             **catalogue.quick_settings(recipe)}  # fmt: skip
    if stress == "rate_x4":
        return {name: 4 * quick[name] for name in RATES if name in quick}
    return {"batch_size": max(quick["batch_size"] // 8, 4)} if stress == "batch_8th" else {}


def one(recipe: str, data: str, stress: str, auto: bool, seed: int, seconds: float, runs: Path) -> None:
    """Train and judge one run, unless its row is there."""
    key = f"{data}/{recipe}/{stress}/{'auto' if auto else 'plain'}/{seconds:g}s/seed{seed}"
    if key in ROWS.read():
        return
    options: dict[str, Any] = {"seconds": seconds, "seed": seed, "remedies": ["auto"] if auto else []}
    try:
        model, facts = train(recipe, data, runs / "run", resolution=DATA[data], **options, **stressed(recipe, stress))
    except RunFailed as error:
        ROWS.keep(key, {"stopped": str(error)})
        return
    values = (judged := gantlet.evaluate(model, data, num=2000)).values
    ROWS.keep(key, {**facts, "fid_over_floor": judged.fid_over_floor, "classes": values.get("classes_covered", 0),
                    "coverage": values["coverage"], "arguments": model.about["arguments"]})  # fmt: skip


def healthy(row: Row, reference: float) -> bool:
    return "stopped" not in row and row["classes"] >= 9 and row["fid_over_floor"] <= 2 * reference


def table() -> None:
    groups = ROWS.groups()
    print("| data | recipe | stress | healthy | with auto | worst FID x floor | with auto |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    totals: dict[tuple[str, str], list[bool]] = {}
    for name in groups:
        data, recipe, stress, how, seconds = name.split("/")
        if how != "plain":
            continue
        plain = groups.get(f"{data}/{recipe}/defaults/plain/{seconds}", [])
        reference = max((row.get("fid_over_floor", 0.0) for row in plain), default=0.0)
        cells = []
        for arm in ("plain", "auto"):
            rows = groups.get(f"{data}/{recipe}/{stress}/{arm}/{seconds}", [])
            well = [healthy(row, reference) for row in rows]
            totals.setdefault((stress, arm), []).extend(well)
            cells.append((f"{sum(well)} of {len(well)}", max((r.get("fid_over_floor", 9e9) for r in rows), default=0)))
        (share, worst), (share_auto, worst_auto) = cells
        print(f"| {data} | `{recipe}` | {stress} | {share} | {share_auto} | {worst:.0f} | {worst_auto:.0f} |")
    for (stress, arm), well in sorted(totals.items()):
        print(f"{stress}, {arm}: {sum(well)} of {len(well)} healthy ({sum(well) / max(len(well), 1):.0%})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--data", nargs="+", choices=list(DATA), default=list(DATA))
    parser.add_argument("--stresses", nargs="+", choices=STRESSES, default=list(STRESSES))
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, default=Path("runs/stability"))
    given = parser.parse_args()
    if given.part == "table":
        table()
        return
    count_processor_seconds()
    for seed in range(given.seeds):
        for data in given.data:
            for recipe in given.recipes:
                for stress in given.stresses:
                    for auto in (False, True):
                        one(recipe, data, stress, auto, seed, given.seconds, given.runs)


if __name__ == "__main__":
    main()
