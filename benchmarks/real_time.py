"""How soon a picture is there: one sample of a loaded model, and the whole command, on two threads.

    python benchmarks/real_time.py run                      32 x 32 x 3 and 64 x 64 x 3, quick settings
    python benchmarks/real_time.py run --recipes r1gan --sides 32
    python benchmarks/real_time.py table                    print what is there as Markdown

What is measured does not depend on what was learned: the models are trained for one step on noise. "one" is
`model.sample(1, seed=n)` of a loaded model, median and 99th percentile of so many calls in milliseconds; "many" is
pictures a second with 256 at once; "command" is the median of three times `gantlet sample RUN --num 64 --out FILE`, in
seconds from the start of the process to its end. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import gantlet
from picture_data import command
from slices import Row, Rows, parameters, train

ROWS = Rows("real_time")
RECIPES = ("r1gan", "infogan", "dcgan", "sngan", "biggan", "stylegan2", "r3gan")
CLASSES, PICTURES = 10, 100


def one(recipe: str, side: int, calls: int, folder: Path) -> Row:
    """Return the times of a recipe's quick settings at a size."""
    rng = np.random.default_rng(0)
    data = folder / "noise.npz"
    np.savez(
        data, images=rng.integers(0, 256, (PICTURES, side, side, 3), np.uint8), labels=np.arange(PICTURES) % CLASSES
    )
    out = folder / "run"
    train(recipe, data, out, steps=1)
    model = gantlet.load(out)
    model.sample(1)
    found = []
    for number in range(calls):
        began = time.perf_counter()
        model.sample(1, seed=number)
        found.append(1000 * (time.perf_counter() - began))
    model.sample(256)
    began = time.perf_counter()
    for number in range(4):
        model.sample(256, seed=number)
    rate = 4 * 256 / (time.perf_counter() - began)
    whole = [command("sample", out, "--num", "64", "--out", folder / f"{number}.png") for number in range(3)]
    if failed := [said for code, said, _, _ in whole if code]:
        raise SystemExit(failed[0])
    return {
        "one_p50_ms": statistics.median(found), "one_p99_ms": float(np.quantile(found, 0.99)), "many": rate,
        "command_s": statistics.median(seconds for _, _, seconds, _ in whole), "calls": calls,
        "parameters": parameters(model),
    }  # fmt: skip


def table() -> None:
    print("| recipe, side | G's parameters | one, p50 (p99) ms | pictures/s, 256 at once | command, s |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for key, row in sorted(ROWS.read().items()):
        both = f"{row['one_p50_ms']:.1f} ({row['one_p99_ms']:.1f})"
        print(f"| {key} | {row['parameters']['G']:,} | {both} | {row['many']:,.0f} | {row['command_s']:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    if given.part == "table":
        table()
        return
    torch.set_num_threads(given.threads)
    for side in given.sides:
        for recipe in given.recipes:
            key = f"{recipe}/{side}"
            if key in ROWS.read():
                continue
            with tempfile.TemporaryDirectory(prefix="gantlet-real-time-") as folder:
                ROWS.keep(key, one(recipe, side, given.calls, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
