"""Stacked MNIST: three digits as three colours, 1,000 modes; how many does a model find? In slices that resume.

    python benchmarks/stacked_mnist.py run --seconds 240 --seeds 1     GANTLET_DATA names the original files
    python benchmarks/stacked_mnist.py table

Small protocol: 60,000 stacks drawn from MNIST's training split, quick settings, no labels, equal seconds; 26,000
samples, each colour classified by a classifier of its training split; modes with at least one sample, and KL(p || q)
of the modes' shares p in the samples to those q in the training stacks. The floor is the same for 26,000 other real
stacks. Published rows (Metz 2017, Lin 2018) use other networks and budgets: rows here compare with each other only.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantlet.data import open_images
from gantlet.judging import extractor
from gantlet.metrics import Features
from slices import Rows, mean, spread, train

ROWS = Rows("stacked_mnist")
STACKS, SAMPLES = 60_000, 26_000
GAMES: dict[str, tuple[str, dict[str, Any]]] = {
    "dcgan": ("dcgan", {}),
    "pacdcgan2": ("dcgan", {"remedies": ["packing:samples=2"]}),
    "pacdcgan4": ("dcgan", {"remedies": ["packing:samples=4"]}),
    "r1gan": ("r1gan", {}),
    "r3gan": ("r3gan", {}),
    # Metz's test of collapse: a D of a quarter of G's width
    "dcgan_small_d": ("dcgan", {"d_width": 4}),
    "pacdcgan2_small_d": ("dcgan", {"d_width": 4, "remedies": ["packing:samples=2"]}),
    "pacdcgan4_small_d": ("dcgan", {"d_width": 4, "remedies": ["packing:samples=4"]}),
}


def stacks(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures [count, 28, 28, 3] of 8 bits and the digits [count, 3] they are made of."""
    images = open_images("mnist")
    assert images.labels is not None
    chosen = np.random.default_rng(seed).integers(len(images), size=(count, 3))
    pixels = np.stack([np.asarray(images.pixels[chosen[:, colour]])[..., 0] for colour in range(3)], axis=-1)
    return pixels, images.labels[chosen]


def shares(digits: np.ndarray | Tensor) -> np.ndarray:
    """Return the share of each of the 1,000 modes among rows of three digits."""
    digits = np.asarray(digits)
    return np.bincount(digits @ np.array([100, 10, 1]), minlength=1000) / len(digits)


def scores(found: np.ndarray, known: np.ndarray) -> dict[str, float]:
    """Return modes found, and KL(found || known) in nats."""
    there = found > 0
    return {"modes": int(there.sum()), "kl": float((found[there] * np.log(found[there] / known[there])).sum())}


def classified(pictures: Tensor, classify: Features) -> np.ndarray:
    """Return the digits [N, 3] of pictures [N, 3, 28, 28] in [-1, 1]."""
    answers = []
    for colour in range(3):
        parts = [classify(part)[1] for part in pictures[:, colour : colour + 1].split(2000)]
        answers.append(torch.cat([part for part in parts if part is not None]).argmax(1))
    return torch.stack(answers, 1).numpy()


def one(game: str, seed: int, seconds: float, runs: Path) -> None:
    """Train and judge one run, unless its row is there."""
    key = f"stacked_mnist/{game}/{seconds:g}s/seed{seed}"
    if key in ROWS.read():
        return
    path = runs / "stacked-mnist.npz"
    pixels, digits = stacks(0, STACKS)
    if not path.is_file():
        runs.mkdir(parents=True, exist_ok=True)
        np.savez(path, images=pixels)
    recipe, options = GAMES[game]
    model, facts = train(recipe, path, runs / f"{game}-{seed}", seconds=seconds, seed=seed, **options)
    classify = extractor("auto", open_images("mnist"), note=print)
    samples = torch.cat([model.sample(2000, seed=seed * 1000 + part) for part in range(SAMPLES // 2000)])
    told = {name: model.about[name] for name in ("recipe", "arguments", "remedies")}
    ROWS.keep(key, {**facts, **told, **scores(shares(classified(samples, classify)), shares(digits))})


def floor(runs: Path) -> None:
    """Score as many other real stacks, by the classifier and by their true digits."""
    if "stacked_mnist/real/floor/seed0" in ROWS.read():
        return
    pixels, digits = stacks(1, SAMPLES)
    known = shares(stacks(0, STACKS)[1])
    pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    classify = extractor("auto", open_images("mnist"), note=print)
    by_classifier = scores(shares(classified(pictures, classify)), known)
    ROWS.keep(
        "stacked_mnist/real/floor/seed0",
        {**by_classifier, "kl_by_true_digits": scores(shares(digits), known)["kl"], "samples_per_second": 0.0},
    )


def table() -> None:
    print("| model | seconds | modes of 1,000 (seeds) | KL (seeds) | samples/s |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, rows in ROWS.groups().items():
        _, game, seconds = name.split("/")
        modes, kl = spread([r["modes"] for r in rows], 0), spread([r["kl"] for r in rows], 3)
        print(f"| `{game}` | {seconds} | {modes} | {kl} | {mean([r['samples_per_second'] for r in rows]):.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("--games", nargs="+", choices=list(GAMES), default=list(GAMES))
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/stacked_mnist"))
    given = parser.parse_args()
    if given.part == "table":
        table()
        return
    floor(given.runs)
    for seed in range(given.seeds):
        for game in given.games:
            one(game, seed, given.seconds, given.runs)


if __name__ == "__main__":
    main()
