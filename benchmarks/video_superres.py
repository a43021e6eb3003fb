"""Clips enlarged twofold, with the temporal term and frame by frame: does it flicker less at equal PSNR?

    python benchmarks/video_superres.py run --seconds 1200 --seeds 3 --weights 0 0.1 0.3 1
    python benchmarks/video_superres.py table

GANTLET_DATA names the folder whose sub-folder video holds the Weizmann clips (36 of 9 people, 64x64): seven people are
trained on, two are tested on and never seen. Inputs are made smaller by antialiased bicubic, with Gaussian noise of
--sigma grey levels, fresh in every frame, and rounded to 8 bits, as noisy footage is. PSNR is that of each frame, on
average, after rounding; flicker is the mean of |(y_t - y_t-1) - (x_t - x_t-1)| in grey levels of 255; "still" is the
flicker where nothing moves in the truth (changes below 2 grey levels), which is what one sees. The seconds are those
that one core computes, or with `--clock wall` those of the clock; the falling rate is set to them by a short training
that measures the speed. Rows are in results/video_superres.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gantlet
import picture_data as pictures
from gantlet.data import open_clips
from gantlet.layers.clips import as_clips, frames_of
from gantlet.layers.degradations import downscale, upscale
from gantlet.metrics.clips import flicker_error
from slices import Row, Rows, begin, budget_of, in_a_process, mean, parameters, peak_memory_mb, spread, train

ROWS = Rows("video_superres")
PEOPLE, TESTED = 9, 2  # who do every action, in the order of the numbers of their clips, eight apart
STILL = 2 / 127.5  # change from frame to frame, in [-1, 1], below which nothing moves


def place(folder: Path) -> Path:
    """Unpack the clips, two of nine people to the test part; return where they are."""
    where = folder / "weizmann-people"
    done = folder / "weizmann-people.whole"
    if not done.is_file():
        with zipfile.ZipFile(pictures.shared("video", "weizmann_actions_64.zip")) as opened:
            names = sorted(name for name in opened.namelist() if name.endswith(".jpg"))
            for name in names:
                part = "test" if person(name) >= PEOPLE - TESTED else "train"
                path = where / part / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(opened.read(name))
        done.touch()
    return where


def person(name: str) -> int:
    """Return who is seen in a clip, "<action>/<number>.jpg": 0 to 8."""
    return int(Path(name).stem) // 8


def one(weight: float, sigma: float, seed: int, seconds: float) -> Row:
    """Train and judge one model in this process; return its row."""
    out = Path(tempfile.mkdtemp(prefix="superres-"))
    try:
        data = place(out)
        options: dict[str, Any] = {"temporal_weight": weight, "sigma": sigma, "seed": seed}
        model, facts = train("clip_superres", data, out / "run", seconds=seconds, **options)
        return {
            **facts, **judged(model, data, sigma), "arguments": model.about["arguments"],
            "parameters": parameters(model), "peak_memory_mb": peak_memory_mb(),
        }  # fmt: skip
    finally:
        shutil.rmtree(out, ignore_errors=True)


def judged(model: gantlet.Model, data: Path, sigma: float) -> Row:
    """Return what a model and bicubic make of the test clips, on average over them."""
    rows = []
    for number, shot in enumerate(open_clips(data, split="test", num_frames=16).shots):
        true = torch.from_numpy(shot).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
        small = noisy(true, sigma, number)
        large = as_clips(upscale(frames_of(small), 2), 1)
        row = {}
        for name, made in (("", model.apply(small)), ("bicubic_", large)):
            row |= {f"{name}{key}": value for key, value in numbers(grey_levels(made), true).items()}
        rows.append(row)
    return {key: mean([row[key] for row in rows]) for key in rows[0]} | {"clips": len(rows)}


def noisy(true: Tensor, sigma: float, number: int) -> Tensor:
    """Return clips [1, C, T, H / 2, W / 2], worn as noisy footage of 8 bits is."""
    small = as_clips(downscale(frames_of(true), 2), 1)
    noise = torch.randn(small.shape, generator=torch.Generator().manual_seed(number))
    return grey_levels(small + sigma / 127.5 * noise)


def grey_levels(clips: Tensor) -> Tensor:
    """Return clips in [-1, 1] as a file of 8 bits keeps them."""
    return ((clips + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1


def numbers(made: Tensor, true: Tensor) -> Row:
    """Return PSNR in dB, and flicker everywhere and where nothing moves in grey levels."""
    error = (made - true).square().mean((1, 3, 4))
    change = (made.diff(dim=2) - true.diff(dim=2)).abs()
    still = true.diff(dim=2).abs() < STILL
    return {
        "psnr": float((10 * torch.log10(4 / error.clamp_min(1e-10))).mean()),
        "flicker": 127.5 * float(flicker_error(made, true).mean()),
        "still": 127.5 * float(change[still].mean()),
    }


def table() -> None:
    """Print all rows, grouped over seeds, as Markdown."""
    print("| budget, noise | temporal weight | PSNR, dB (seeds) | flicker, grey levels (seeds) | where still "
          "| bicubic: PSNR, flicker |")  # fmt: skip
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, rows in ROWS.groups().items():
        noise, weight, budget = name.split("/")
        print(
            f"| {budget}, {noise} | {weight.removeprefix('weight')} | {spread([row['psnr'] for row in rows], 2)} "
            f"| {spread([row['flicker'] for row in rows], 2)} | {mean([row['still'] for row in rows]):.2f} "
            f"| {rows[0]['bicubic_psnr']:.2f}, {rows[0]['bicubic_flicker']:.2f} |"
        )


def main() -> None:
    if sys.argv[1:2] == ["one"]:
        weight, sigma, seed, budget = sys.argv[2:]
        print(json.dumps(one(float(weight), float(sigma), int(seed), begin(budget))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("--weights", nargs="+", type=float, default=[0.0, 0.1, 0.3, 1.0])
    parser.add_argument("--sigma", type=float, default=10.0, help="of the noise on small frames, in grey levels")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--clock", choices=("processor", "wall"), default="processor")
    given = parser.parse_args()
    if given.part == "table":
        table()
        return
    budget = budget_of(given.seconds, given.clock)
    for seed in range(given.seeds):
        for weight in given.weights:
            key = f"sigma{given.sigma:g}/weight{weight:g}/{budget}/seed{seed}"
            in_a_process(ROWS, key, __file__, str(weight), str(given.sigma), str(seed), budget)


if __name__ == "__main__":
    sys.exit(main())
