"""Every image recipe on the same data for the same time, a process each, in slices that resume.

    python benchmarks/zoo.py run --data mnist fashion_mnist --seconds 60 --seeds 1       quick settings, all recipes
    python benchmarks/zoo.py run --data mnist --recipes r3gan biggan --seeds 3           some of them
    python benchmarks/zoo.py table                                                       print what is there as Markdown

A row per (data, recipe, with or without labels, seed, seconds) in results/zoo.json; what is there is not repeated.
FID of 10,000 samples against the test split on the features of a classifier of the training split, as a multiple of
the floor between as many real training pictures and the same test pictures; peak memory is that of the training
process. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "zoo.json"
NOT_HERE = ("classifier", "gan_2014", "cgan_2014")  # no GAN; lessons
NOISY_DATA = ("ambient_gan", "nrgan_si1", "nrgan_si2", "nrgan_sd1", "nrgan_sd2")  # see noisegan.py


def read() -> dict[str, dict[str, Any]]:
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}


def keep(key: str, row: dict[str, Any]) -> None:
    """Add a row to the results."""
    from gantlet.engine.storage import replace_file

    RESULTS.parent.mkdir(exist_ok=True)
    replace_file(RESULTS, json.dumps({**read(), key: row}, indent=1, sort_keys=True).encode())


def one(recipe: str, data: str, seed: int, seconds: float, unconditional: bool) -> dict[str, Any]:
    """Train and judge one run in this process; return its row."""
    import torch

    import gantlet
    from gantlet.engine.precision import describe

    out, load = Path(tempfile.mkdtemp(prefix="zoo-")), os.getloadavg()[0]
    try:
        model = gantlet.train(
            recipe, data=data, out=out / "run", seconds=seconds, seed=seed, quick=True, unconditional=unconditional,
            evaluate_every=0, sample_every=1e9, save_every=1e9, quiet=True,
        )  # fmt: skip
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        folders = sorted((out / "run" / "checkpoints").glob("step-*/state.json"), key=os.path.getmtime)
        state = json.loads(folders[-1].read_text())
        judgement = gantlet.evaluate(model, data, num=10_000)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    counters = state["counters"]
    parameters = {name: sum(p.numel() for p in module.parameters()) for name, module in model.nets.modules.items()}
    return {
        "recipe": recipe, "settings": model.about["settings"], "arguments": model.about["arguments"], "seed": seed,
        "seconds": seconds, "conditional": model.conditional, "steps": counters["step"], "samples": counters["samples"],
        "samples_per_second": counters["samples"] / counters["seconds"], "rollbacks": len(state["rollbacks"]),
        "parameters": parameters, "peak_memory_mb": peak, "fid_over_floor": judgement.fid_over_floor,
        "load_before": load, "device": describe(model.device), "torch": torch.__version__,
        "python": platform.python_version(), "judgement": judgement.to_json(),
    }  # fmt: skip


def run(data: list[str], recipes: list[str], seeds: int, seconds: float, labels: list[str]) -> None:
    """Fill in all rows that are missing, seed by seed, so that an early stop leaves whole tables."""
    for seed in range(seeds):
        for source in data:
            for recipe in recipes:
                for how in labels:
                    slice_of(recipe, source, seed, seconds, how == "without")


def slice_of(recipe: str, data: str, seed: int, seconds: float, unconditional: bool) -> None:
    """Measure one row in a process of its own, unless it is there."""
    key = f"{Path(data).name}/{recipe}{'-unconditional' if unconditional else ''}/seed{seed}/{seconds:g}s"
    if key in read() or (unconditional and not labels_are_optional(recipe)):
        return
    words = ["one", recipe, data, str(seed), str(seconds), str(int(unconditional))]
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True)
    if done.returncode:
        print(f"{key}: {done.stderr.strip().splitlines()[-1]}", flush=True)
        return
    row = json.loads(done.stdout.strip().splitlines()[-1])
    keep(key, row)
    print(f"{key}: {row['fid_over_floor']:.1f} x floor, {row['judgement']['values']['classes_covered']} classes, "
          f"{row['samples_per_second']:.0f} samples/s", flush=True)  # fmt: skip


def labels_are_optional(recipe: str) -> bool:
    """Tell whether a recipe has a form with labels and one without: only then are there two rows."""
    from gantlet.recipes import catalogue

    return any(p.name == "num_classes" and p.default == 0 for p in catalogue.parameters(catalogue.find(recipe)))


def table() -> None:
    """Print all rows, grouped over seeds, as Markdown."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for key, row in read().items():
        data, label, _, seconds = key.split("/")
        groups.setdefault((f"{data} {seconds}", "labels" if row["conditional"] else "none", label), []).append(row)
    print("| data, budget | labels | recipe | FID x floor (seeds) | coverage | classes | samples/s | G + D | peak MB |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (data, labels, label), rows in sorted(groups.items(), key=lambda g: (*g[0][:2], mean(g[1], "fid_over_floor"))):
        values = [row["judgement"]["values"] for row in rows]
        fids = ", ".join(f"{row['fid_over_floor']:.1f}" for row in sorted(rows, key=lambda row: row["seed"]))
        print(
            f"| {data} | {labels} | `{label.removesuffix('-unconditional')}` | {mean(rows, 'fid_over_floor'):.1f} "
            f"({fids}) | {mean(values, 'coverage'):.2f} | {min(v['classes_covered'] for v in values)} "
            f"| {mean(rows, 'samples_per_second'):.0f} | {sum(rows[0]['parameters'].values()) / 1e6:.2f} M "
            f"| {mean(rows, 'peak_memory_mb'):.0f} |"
        )


def mean(rows: list[dict[str, Any]], name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)


def all_recipes() -> list[str]:
    from gantlet.recipes import NAMES

    return [name for name in NAMES if name not in (*NOT_HERE, *NOISY_DATA)]


def main() -> None:
    if sys.argv[1:2] == ["one"]:
        recipe, data, seed, seconds, unconditional = sys.argv[2:]
        print(json.dumps(one(recipe, data, int(seed), float(seconds), bool(int(unconditional)))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("--data", nargs="+", default=["mnist"])
    parser.add_argument("--recipes", nargs="+")
    parser.add_argument("--labels", nargs="+", choices=("with", "without"), default=["with"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    if given.part == "table":
        table()
    else:
        run(given.data, given.recipes or all_recipes(), given.seeds, given.seconds, given.labels)


if __name__ == "__main__":
    sys.exit(main())
