"""Ten minutes of frames from mocogan at 64x64, one after the other: how fast, in how much memory, and does it move.

    python benchmarks/video_rollout.py [--seconds 600] [--train-seconds 60] [--threads 2]
    python benchmarks/video_rollout.py --data PATH --run RUN      a run that is there already

The clips are bouncing shapes unless another source is named; the rows are in results/video_rollout.json. Speed and
memory do not depend on what was learnt, whether it still moves at the end does. Memory is the resident set after so
many frames; what it grows after the first is what a roll-out leaks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import torch

import gantlet
from slices import Row, Rows, parameters, train

ROWS = Rows("video_rollout")
SIDE = 64
LOOKED_AT = 50  # frames at the beginning and at the end of which the motion is compared


def resident_mb() -> float:
    """Return the memory that this process holds now, in MiB."""
    words = Path("/proc/self/statm").read_text().split()
    return int(words[1]) * 4096 / 2**20


def roll(model: gantlet.Model, frames: int) -> Row:
    """Roll out one clip and throw its frames away; return what was seen on the way."""
    start = model.sample(1, seed=0)[0]
    held: list[float] = []
    changes: list[float] = []
    worst, before = 0.0, None
    began = time.perf_counter()
    for number, frame in enumerate(islice(model.roll(1, frames, seed=0), frames)):
        picture = frame[0]
        if number < start.shape[1]:
            worst = max(worst, float((picture - start[:, number]).abs().max()))
        if before is not None and (number <= LOOKED_AT or number > frames - LOOKED_AT):
            changes.append(float((picture - before).abs().mean()))
        before = picture
        if number in (256, frames // 2, frames - 1):
            held.append(resident_mb())
    seconds = time.perf_counter() - began
    return {
        "frames": frames, "frames_per_second": frames / seconds, "memory_mb": held[0], "grown_mb": held[-1] - held[0],
        "differs_from_sample": worst, "change_at_first": sum(changes[:LOOKED_AT]) / LOOKED_AT,
        "change_at_last": sum(changes[LOOKED_AT:]) / max(len(changes) - LOOKED_AT, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="of film, at 25 frames a second")
    parser.add_argument("--train-seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", default="bouncing_shapes")
    parser.add_argument("--run", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.run is None:
        with tempfile.TemporaryDirectory(prefix="rollout-") as folder:
            options = {"seconds": given.train_seconds, "resolution": SIDE}
            model, facts = train("mocogan", given.data, Path(folder) / "run", **options)
    else:
        model, facts = gantlet.load(given.run), {}
    frames = max(round(25 * given.seconds), 300)
    row = {**facts, **roll(model, frames), "parameters": parameters(model)}
    row["arguments"] = model.about["arguments"]
    name, side = model.about["data"]["name"], row["arguments"]["resolution"]
    ROWS.keep(f"{name}/{side}/{given.seconds:g}s/{given.threads}threads", row)


if __name__ == "__main__":
    sys.exit(main())
