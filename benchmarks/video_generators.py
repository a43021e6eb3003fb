"""Generators of clips on bouncing shapes, moving digits and people's actions for the same time, in slices that resume.

    python benchmarks/video_generators.py run --seconds 2400 --seeds 3                  all recipes on the built-in sets
    python benchmarks/video_generators.py run --data bouncing_shapes --recipes mocogan  some of them
    python benchmarks/video_generators.py look --seconds 2400                           actions: samples beside copies
    python benchmarks/video_generators.py table                                          print what is there

A row per (data, recipe, seconds, seed) in results/video_generators.json; what is there is not repeated. The seconds are
those that one core computes, or with `--clock wall` those of the clock with all cores. 1,000 samples are judged: the
Frechet distance in the features of a classifier of the data's clips as a multiple of that between real ones, and where
the truth is known, objects, content, paths and speeds (metrics/clips.py). "mocogan_dense" is mocogan with a judge of
whole clips, 3-D convolutions, and one of frames, in place of the one that sees three frames.

The actions are the 36 Weizmann clips of $GANTLET_DATA/video, all trained on, a class per action, with --remedy
little_data. `look` writes, for each action, film strips of samples, each above the training clip it is nearest to, to
--sheets; the row has how near samples come, beside how near other parts of the same and of other recordings are.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import gantlet
from gantlet.data import Clips, open_clips
from gantlet.media.image import write_image
from gantlet.metrics.clips import nearest_clips
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
    sweep,
    train,
)

ROWS = Rows("video_generators")
DATA = ("bouncing_shapes", "moving_digits")
RECIPES = {
    "mocogan": ("mocogan", {}), "mocogan_dense": ("mocogan", {"sparse_frames": 0}),
    "mocogan_2018": ("mocogan_2018", {}), "vgan": ("vgan", {}), "tgan": ("tgan", {}),
}  # fmt: skip
SAMPLES, LOOKED_AT = 1000, 4  # samples of an evaluation; samples of each action on a sheet
NUMBERS = (
    "fid", "kid", "precision", "recall", "density", "coverage", "classes_covered", "label_accuracy", "one_object",
    "content_constant", "trajectory_residual", "speed_w1",
)  # fmt: skip
AVERAGED = ("trajectory_residual", "speed_w1", "label_accuracy", "samples_per_second", "peak_memory_mb")


def one(recipe: str, data: str, seed: int, seconds: float) -> Row:
    """Train and judge one run in this process; return its row."""
    name, options = RECIPES[recipe]
    out = Path(tempfile.mkdtemp(prefix="video-"))
    try:
        model, facts = train(name, data, out / "run", seconds=seconds, seed=seed, **options)
        peak = peak_memory_mb()
        judgement = gantlet.evaluate(model, data, num=SAMPLES)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    values = {name: judgement.values[name] for name in NUMBERS if name in judgement.values}
    floor = {name: judgement.floor[name] for name in NUMBERS if name in judgement.floor}
    return {
        **facts, **values, "floor": floor, "fid_over_floor": judgement.fid_over_floor, "recipe": recipe,
        "arguments": model.about["arguments"], "conditional": model.conditional, "parameters": parameters(model),
        "peak_memory_mb": peak, **machine(), "protocol": judgement.to_json()["protocol"],
    }  # fmt: skip


# Actions


def actions() -> Path:
    """Return the place of the Weizmann clips."""
    folder = os.environ.get("GANTLET_DATA")
    if not folder:
        raise SystemExit("Set GANTLET_DATA to the folder whose sub-folder video holds weizmann_actions_64.zip.")
    return Path(folder) / "video" / "weizmann_actions_64.zip"


def look(seed: int, seconds: float, side: int, sheets: Path, runs: Path) -> Row:
    """Train on all actions with what few clips ask for; write the sheets; return how near samples come to clips."""
    options = {"resolution": side, "remedies": ["little_data"], "seed": seed, "resume": True}
    model, facts = train("mocogan", actions(), runs / f"actions-{side}-{seconds:g}-{seed}", seconds=seconds, **options)
    data = open_clips(actions(), resolution=side, num_frames=int(model.about["data"]["facts"]["num_frames"]))
    shots, starts = data.windows(np.arange(len(data)), 40 * len(data))
    trained = data.at(shots, starts)["clip"]
    near, copies = [], 0
    for number, action in enumerate(data.classes):
        samples = model.sample(LOOKED_AT * 4, seed=seed, label=number)
        index, distance = nearest_clips(samples, trained)
        near.append(distance)
        rows = [row for i in range(LOOKED_AT) for row in (film(samples[i]), film(trained[index[i]]))]
        write_image(sheets / f"actions-{side}-seed{seed}-{action}.png", np.concatenate(rows))
    distances, (own, other) = torch.cat(near), apart(data, shots, trained)
    copies = int((distances < own.quantile(0.05)).sum())
    return {
        **facts, "samples_looked_at": len(distances), "nearest": float(distances.median()),
        "nearest_least": float(distances.min()), "same_recording": float(own.median()),
        "other_recording": float(other.median()), "nearer_than_a_clip_to_its_neighbour": copies, "side": side,
        "arguments": model.about["arguments"], "parameters": parameters(model), "peak_memory_mb": peak_memory_mb(),
    }  # fmt: skip


def apart(data: Clips, shots: NDArray[np.int64], trained: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance of every training clip to the nearest other one of its own recording, and of others."""
    own, other = [], []
    for shot in range(len(data)):
        mine = torch.from_numpy(shots == shot)
        other.append(nearest_clips(trained[mine], trained[~mine])[1])
        clips = trained[mine]
        for i in range(len(clips) if len(clips) > 1 else 0):
            rest = torch.cat([clips[:i], clips[i + 1 :]])
            own.append(nearest_clips(clips[i : i + 1], rest)[1])
    return torch.cat(own), torch.cat(other)


def film(clip: Tensor) -> NDArray[np.uint8]:
    """Return the frames [H, T W, C] of a clip [C, T, H, W] side by side, every second one."""
    shown = clip[:, ::2].permute(2, 1, 3, 0).flatten(1, 2)
    return np.asarray(((shown + 1) * 127.5).round().clamp(0, 255).byte().numpy())


# Tables


def table() -> None:
    """Print all rows, grouped over seeds, as Markdown."""
    print("| data, budget | recipe | one object | content constant | residual, px | speed W1 | FVD x floor (seeds) "
          "| label accuracy | clips/s | parameters | MB |")  # fmt: skip
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    groups = {name: rows for name, rows in ROWS.groups().items() if not name.startswith("actions")}
    for name, rows in sorted(groups.items(), key=lambda group: group[0].split("/")[::2]):
        data, recipe, budget = name.split("/")
        each = {key: mean([row.get(key, float("nan")) for row in rows]) for key in AVERAGED}
        print(
            f"| {data} {budget} | `{recipe}` | {worst(rows, 'one_object')} | {worst(rows, 'content_constant')} "
            f"| {each['trajectory_residual']:.2f} | {each['speed_w1']:.1%} "
            f"| {spread([row['fid_over_floor'] for row in rows])} | {each['label_accuracy']:.1%} "
            f"| {each['samples_per_second']:.0f} | {sum(rows[0]['parameters'].values()) / 1e6:.2f} M "
            f"| {each['peak_memory_mb']:.0f} |"
        )
    for name, row in ROWS.read().items():
        if name.startswith("actions"):
            print(
                f"\n{name}: samples are {row['nearest']:.3f} from the nearest training clip (median of "
                f"{row['samples_looked_at']}; least {row['nearest_least']:.3f}); clips of one recording are "
                f"{row['same_recording']:.3f} apart, of different ones {row['other_recording']:.3f}."
            )


def worst(rows: list[Row], name: str) -> str:
    """Return the mean over seeds, the least in brackets, and that of real clips."""
    values = [row[name] for row in rows]
    return f"{mean(values):.1%} ({min(values):.1%}; real {rows[0]['floor'][name]:.1%})"


def main() -> None:
    if sys.argv[1:3] == ["one", "look"]:
        seed, budget, side, sheets, runs = sys.argv[3:]
        print(json.dumps(look(int(seed), begin(budget), int(side), Path(sheets), Path(runs))))
        return
    if sys.argv[1:2] == ["one"]:
        recipe, data, seed, budget = sys.argv[2:]
        print(json.dumps(one(recipe, data, int(seed), begin(budget))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "look", "table"))
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--recipes", nargs="+", choices=tuple(RECIPES), default=list(RECIPES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2400)
    parser.add_argument("--clock", choices=("processor", "wall"), default="processor")
    parser.add_argument("--side", type=int, default=64, help="of the actions, in pixels")
    parser.add_argument("--sheets", type=Path, default=Path("sheets"), help="where `look` writes film strips")
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / "gantlet-video")
    given = parser.parse_args()
    budget = budget_of(given.seconds, given.clock)
    if given.part == "table":
        table()
    elif given.part == "run":
        sweep(ROWS, __file__, given.data, given.recipes, given.seeds, budget)
    else:
        given.sheets.mkdir(parents=True, exist_ok=True)
        for seed in range(given.seeds):
            words = ("look", str(seed), budget, str(given.side), str(given.sheets), str(given.runs))
            in_a_process(ROWS, f"actions/mocogan-{given.side}/{budget}/seed{seed}", __file__, *words)


if __name__ == "__main__":
    sys.exit(main())
