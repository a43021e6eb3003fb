"""Do the detectors of copies find a model that is over-fitted on purpose, and no copy in healthy runs?

    python benchmarks/memorisation.py run                        GANTLET_DATA names the original files
    python benchmarks/memorisation.py table

Positive control: 50 pictures, each a class of its own, so that G is asked for every single one by name and learns them
by heart (a GAN of 50 pictures without names did not in 3,000 epochs: R1 keeps D smooth). Healthy: a quarter of the
training split, its own classes. Both are compared with pictures of the training split that neither saw, as many as
they did see (500 at least), in pixels and in features of a classifier of the whole training split. Rows that are
there are not measured again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from gantlet.data import ImageData, open_images
from gantlet.judging import trained_classifier
from gantlet.media.image import grid, write_image
from gantlet.metrics.memorisation import memorisation, nearest
from slices import Row, Rows, count_processor_seconds, train

ROWS = Rows("memorisation")
KINDS = {"over-fitted": 50, "healthy": 15_000}  # training pictures
MOST = 2000  # samples


def parts(data: str, kind: str, runs: Path, seed: int) -> tuple[Path, ImageData, ImageData]:
    """Return the pictures to train on, as a file and as they are, and others held out."""
    images = open_images(data)
    count = KINDS[kind]
    order = np.random.default_rng(seed).permutation(len(images))
    train_on, held = images.subset(order[:count]), images.subset(order[count : count + max(count, 500)])
    path = runs / f"{data}-{kind}-{seed}.npz"
    if not path.is_file():
        runs.mkdir(parents=True, exist_ok=True)
        labels = np.arange(count) if kind == "over-fitted" else train_on.labels
        np.savez(path, images=train_on.pixels, labels=labels)
    return path, train_on, held


def one(data: str, kind: str, seconds: float, seed: int, runs: Path) -> None:
    """Train one run and let all detectors look, unless its row is there."""
    key = f"{data}/{kind}/{seconds:g}s/seed{seed}"
    with ROWS.alone(key) as free:
        if not free:
            return
        path, seen, held = parts(data, kind, runs, seed)
        model, facts = train(None, path, runs / f"{data}-{kind}-{seed}", seconds=seconds, seed=seed)
        raw = model.to_raw(model.sample(min(MOST, max(500, len(seen))), seed=seed))
        judge = trained_classifier(open_images(data))

        def pixels(values: np.ndarray) -> torch.Tensor:
            return seen.intensity.to_unit(values).flatten(1)

        def features(values: np.ndarray) -> torch.Tensor:
            return judge(seen.intensity.to_unit(values).permute(0, 3, 1, 2))[0]

        found = [
            memorisation(look(raw), look(seen.pixels), look(held.pixels), space=space).to_json()
            for look, space in ((pixels, "pixels"), (features, "classifier features"))
        ]
        fired = sum(each["fires"] for space in found for each in space["detectors"])
        ROWS.keep(key, {**facts, "fired": fired, "of": sum(len(space["detectors"]) for space in found), "found": found})
        _, which = nearest(pixels(raw[:12]), pixels(seen.pixels), count=7)  # k = 7: the gallery of StudioGAN
        rows = [raw[:12], *(seen.pixels[which[:, column].numpy()] for column in range(7))]
        write_image(runs / f"{data}-{kind}-{seed}.png", grid(np.concatenate(rows), columns=12))


def table() -> None:
    print("| data, model | in | detector | samples (control; standard errors), by seed | fires |")
    print("| --- | --- | --- | --- | ---: |")
    for name, rows in ROWS.groups().items():
        for place, space in enumerate(rows[0]["found"]):
            for number, detector in enumerate(space["detectors"]):
                each: list[Row] = [row["found"][place]["detectors"][number] for row in rows]
                values = ", ".join(f"{d['value']:.2f} ({d['control']:.2f}; {d['sigmas']:.0f})" for d in each)
                fires = sum(d["fires"] for d in each)
                print(f"| {name} | {space['space']} | {detector['name']} | {values} | {fires} of {len(each)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("--data", nargs="+", default=["mnist", "fashion_mnist"])
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/memorisation"))
    given = parser.parse_args()
    if given.part == "table":
        table()
        return
    count_processor_seconds()
    for seed in range(given.seeds):
        for data in given.data:
            for kind in KINDS:
                one(data, kind, given.seconds, seed, given.runs)


if __name__ == "__main__":
    main()
