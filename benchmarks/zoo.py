"""Every image recipe on the same data for the same time, a process each, in slices that resume.

    python benchmarks/zoo.py run --data mnist fashion_mnist --seconds 90 --seeds 1       quick settings, all recipes
    python benchmarks/zoo.py run --data mnist --recipes r3gan biggan --seeds 3           some of them
    python benchmarks/zoo.py table                                                       print what is there as Markdown

A row per (data, recipe, with or without labels, seed, seconds) in results/zoo.json; what is there is not repeated.
The seconds are those that one core computes, so that two shares of the table can be measured side by side, or, with
`--clock wall`, those of the clock with all cores.
FID of 10,000 samples against the test split on the features of a classifier of the training split, as a multiple of
the floor between as many real training pictures and the same test pictures; peak memory is that of the training
process.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from slices import (
    Row,
    Rows,
    begin,
    budget_of,
    in_a_process,
    machine,
    mean,
    parameters,
    peak_memory_mb,
    spread,
    train,
)  # fmt: skip

ROWS = Rows("zoo")
NOT_HERE = ("classifier", "gan_2014", "cgan_2014")  # no GAN; lessons
NOISY_DATA = ("ambient_gan", "nrgan_si1", "nrgan_si2", "nrgan_sd1", "nrgan_sd2")  # see noisegan.py


def one(recipe: str, data: str, seed: int, seconds: float, unconditional: bool) -> Row:
    """Train and judge one run in this process; return its row."""
    import gantlet

    out = Path(tempfile.mkdtemp(prefix="zoo-"))
    try:
        model, facts = train(recipe, data, out / "run", seconds=seconds, seed=seed, unconditional=unconditional)
        peak = peak_memory_mb()
        judgement = gantlet.evaluate(model, data, num=10_000)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    values = judgement.values
    return {
        **facts, "recipe": recipe, "settings": model.about["settings"], "arguments": model.about["arguments"],
        "conditional": model.conditional, "parameters": parameters(model), "peak_memory_mb": peak, **machine(),
        "fid_over_floor": judgement.fid_over_floor, "coverage": values["coverage"], "recall": values["recall"],
        "classes": values.get("classes_covered", 0), "protocol": judgement.to_json()["protocol"],
    }  # fmt: skip


def run(data: list[str], recipes: list[str], seeds: int, labels: list[str], budget: str) -> None:
    """Fill in all rows that are missing, seed by seed, so that an early stop leaves whole tables."""
    for seed in range(seeds):
        for source in data:
            for recipe in recipes:
                for how in labels:
                    slice_of(recipe, source, seed, budget, how == "without")


def slice_of(recipe: str, data: str, seed: int, budget: str, unconditional: bool) -> None:
    """Measure one row in a process of its own, unless it is there or being measured beside."""
    key = f"{Path(data).name}/{recipe}{'-unconditional' if unconditional else ''}/{budget}/seed{seed}"
    if unconditional and not labels_are_optional(recipe):
        return
    in_a_process(ROWS, key, __file__, recipe, data, str(seed), budget, str(int(unconditional)))


def labels_are_optional(recipe: str) -> bool:
    """Tell whether a recipe has a form with labels and one without: only then are there two rows."""
    from gantlet.recipes import catalogue

    return any(p.name == "num_classes" and p.default == 0 for p in catalogue.parameters(catalogue.find(recipe)))


def table() -> None:
    """Print all rows, grouped over seeds, as Markdown."""
    print("| data, budget | labels | recipe | FID x floor (seeds) | coverage | classes | samples/s | parameters | MB |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    groups = sorted(ROWS.groups().items(), key=lambda group: mean([row["fid_over_floor"] for row in group[1]]))
    for name, rows in sorted(groups, key=lambda group: (*group[0].split("/")[::2], group[1][0]["conditional"])):
        data, label, budget = name.split("/")
        with_labels = "with" if rows[0]["conditional"] else "without"
        print(
            f"| {data} {budget} | {with_labels} | `{label.removesuffix('-unconditional')}` "
            f"| {spread([row['fid_over_floor'] for row in rows])} | {mean([row['coverage'] for row in rows]):.2f} "
            f"| {min(row['classes'] for row in rows)} | {mean([row['samples_per_second'] for row in rows]):.0f} "
            f"| {sum(rows[0]['parameters'].values()) / 1e6:.2f} M "
            f"| {mean([row['peak_memory_mb'] for row in rows]):.0f} |"
        )


def all_recipes() -> list[str]:
    from gantlet.recipes import NAMES, catalogue

    images = (name for name in NAMES if catalogue.data_kind(name) == "images")
    return [name for name in images if name not in (*NOT_HERE, *NOISY_DATA)]


def main() -> None:
    if sys.argv[1:2] == ["one"]:
        recipe, data, seed, budget, unconditional = sys.argv[2:]
        print(json.dumps(one(recipe, data, int(seed), begin(budget), bool(int(unconditional)))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("--data", nargs="+", default=["mnist"])
    parser.add_argument("--recipes", nargs="+")
    parser.add_argument("--labels", nargs="+", choices=("with", "without"), default=["with"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--clock", choices=("processor", "wall"), default="processor")
    given = parser.parse_args()
    if given.part == "table":
        table()
    else:
        budget = budget_of(given.seconds, given.clock)
        run(given.data, given.recipes or all_recipes(), given.seeds, given.labels, budget)


if __name__ == "__main__":
    sys.exit(main())
