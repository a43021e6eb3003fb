"""Few pictures: 1 % of Fashion-MNIST (60 of each class), with and without remedies, in slices that resume.

    python benchmarks/little_data.py run --seconds 120 --seeds 3      every arm; GANTLET_DATA names the original files
    python benchmarks/little_data.py table

The recipe that `train` picks (labels used), quick. FID of 10,000 samples against the test split, on the features of a
classifier of the whole training split, as a multiple of the floor between 10,000 other training pictures and the same
test pictures. Seconds are those that one core computes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import gantlet
from gantlet.data import open_images
from slices import Rows, begin, budget_of, mean, spread, train

ROWS = Rows("little_data")
ARMS: dict[str, list[str]] = {
    "none": [],
    "little_data": ["little_data"],  # automatic: DiffAugment with a probability from the number of pictures
    "diffaugment": ["diffaugment:policy=color,translation"],
    "ada": ["ada:speed=50000"],
    "apa": ["apa:speed=50000"],
    "lecam": ["lecam"],
}


def subset(folder: Path, per_class: int, seed: int) -> Path:
    """Write `per_class` training pictures of each class as .npz and return its path."""
    path = folder / f"fashion-{per_class}-{seed}.npz"
    if not path.is_file():
        images = open_images("fashion_mnist")
        assert images.labels is not None
        rng = np.random.default_rng(seed)
        classes = range(len(images.classes))
        chosen = np.concatenate(
            [rng.choice(np.flatnonzero(images.labels == c), per_class, replace=False) for c in classes]
        )
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, images=np.asarray(images.pixels[chosen]), labels=images.labels[chosen])
    return path


def one(key: str, arm: str, seed: int, seconds: float, per_class: int, runs: Path) -> None:
    """Train and judge one run."""
    few = subset(runs, per_class, seed)
    model, facts = train(None, few, runs / f"{arm}-{seed}", seconds=seconds, seed=seed, remedies=ARMS[arm])
    judgement = gantlet.evaluate(model, "fashion_mnist", num=10_000)
    values = judgement.values
    ROWS.keep(key, {
        **facts, **{name: model.about[name] for name in ("recipe", "arguments", "remedies")},
        "fid_over_floor": judgement.fid_over_floor, "coverage": values["coverage"], "recall": values["recall"],
        "classes": values["classes_covered"], "protocol": judgement.to_json()["protocol"],
    })  # fmt: skip


def table() -> None:
    groups = ROWS.groups()
    print("| data, budget | remedy | FID x floor (seeds) | of that without | coverage | recall |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name, rows in groups.items():
        data, arm, seconds = name.split("/")
        without = groups.get(f"{data}/none/{seconds}", rows)
        share = mean([r["fid_over_floor"] for r in rows]) / mean([r["fid_over_floor"] for r in without])
        print(f"| {data} {seconds} | `{arm}` | {spread([r['fid_over_floor'] for r in rows])} | {share:.2f} "
              f"| {mean([r['coverage'] for r in rows]):.2f} | {mean([r['recall'] for r in rows]):.2f} |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--per-class", type=int, default=60)
    parser.add_argument("--runs", type=Path, default=Path("runs/little_data"))
    given = parser.parse_args()
    if given.part == "table":
        table()
        return
    budget = budget_of(given.seconds, "processor")
    seconds = begin(budget)
    for seed in range(given.seeds):
        for arm in given.arms:
            with ROWS.alone(key := f"fashion_mnist-{given.per_class}/{arm}/{budget}/seed{seed}") as mine:
                if mine:
                    one(key, arm, seed, seconds, given.per_class, given.runs)


if __name__ == "__main__":
    main()
