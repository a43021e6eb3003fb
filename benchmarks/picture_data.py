"""What the benchmarks of pictures into pictures share: real pictures, trainings that resume, the command.

Pictures are arrays [H, W, C]: uint8 as files hold them, or floats in [0, 1] as the floors take them. GANTLET_DATA names
the folder with superres, pairs, style, fewshot and mnist; what is made of them lies below --runs and nowhere else.
"""

from __future__ import annotations

import argparse
import ast
import io
import math
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

import gantlet
import slices
from gantlet.errors import RunFailed, UserError
from gantlet.media.image import write_image
from slices import Row, Rows, budget_of, count_processor_seconds, parameters

Pixels = NDArray[Any]
Named = dict[str, Pixels]


def shared(*parts: str) -> Path:
    """Return the place of shared data."""
    folder = os.environ.get("GANTLET_DATA")
    if not folder:
        raise SystemExit("Set GANTLET_DATA to the folder that holds superres, pairs, style, fewshot and mnist.")
    return Path(folder).joinpath(*parts)


def archived(path: Path, mode: str | None = None) -> Named:
    """Return the pictures of a zip by name, [H, W, C] uint8; `mode` L or RGB converts, None keeps grey and colour."""
    found: Named = {}
    with zipfile.ZipFile(path) as opened:
        for name in sorted(name for name in opened.namelist() if name.lower().endswith((".png", ".jpg"))):
            image = Image.open(io.BytesIO(opened.read(name)))
            found[name.rpartition(".")[0]] = pixels(image.convert(mode) if mode else image)
    return found


def pixels(image: Image.Image) -> Pixels:
    """Return a picture of Pillow as [H, W, C]."""
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def set5(mode: str = "RGB") -> Named:
    return archived(shared("superres", "set5.zip"), mode)


def set14(mode: str | None = "L") -> Named:
    return archived(shared("superres", "set14.zip"), mode)


def sample_photographs(mode: str) -> Named:
    """Return the two photographs that scikit-learn ships."""
    from sklearn.datasets import load_sample_images

    bunch = load_sample_images()
    names = [Path(name).stem for name in bunch.filenames]
    return {n: pixels(Image.fromarray(each).convert(mode)) for n, each in zip(names, bunch.images)}


def grey_photographs() -> Named:
    """Return what restoration is trained on: BSD68, elsewhere a test set, and scikit-learn's two photographs."""
    return {**archived(shared("superres", "bsd68_gray.zip"), "L"), **sample_photographs("L")}


def luma(picture: Pixels) -> Pixels:
    """Return Y of BT.601 from 16 to 235 as [H, W, 1] float64, as MATLAB's rgb2ycbcr gives it, not rounded."""
    if picture.shape[2] == 1:
        return picture.astype(np.float64)
    return 16 + picture.astype(np.float64) @ np.array([[65.481], [128.553], [24.966]]) / 255


def place(folder: Path, named: Named) -> Path:
    """Write pictures as PNG below a folder, once: a mark beside it says that all are there."""
    done = folder.parent / f"{folder.name}.whole"
    if not done.is_file():
        for name, picture in named.items():
            path = folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, picture)
        done.touch()
    return folder


def place_parts(folder: Path, train: Named, test: Named) -> Path:
    """Write a source with both parts."""
    named = {f"train/{name}": each for name, each in train.items()}
    return place(folder, {**named, **{f"test/{name}": each for name, each in test.items()}})


def tensor(picture: Pixels) -> Tensor:
    """Return [H, W, C], uint8 or in [0, 1], as [1, C, H, W] float32 in [-1, 1]."""
    unit = picture.astype(np.float64) / 255 if picture.dtype == np.uint8 else picture
    return torch.from_numpy(np.ascontiguousarray(unit.transpose(2, 0, 1)[None], np.float32)) * 2 - 1


def array(made: Tensor) -> Pixels:
    """Return [1, C, H, W] in [-1, 1] as [H, W, C] in [0, 1], clipped, not rounded."""
    return made[0].permute(1, 2, 0).double().add(1).div(2).clamp(0, 1).numpy()


def to_bytes(picture: Pixels) -> Pixels:
    """Return a picture in [0, 1] as uint8, rounded and clipped."""
    return np.rint(picture * 255).clip(0, 255).astype(np.uint8)


def decibels(made: Pixels, wanted: Pixels) -> float:
    """Return the peak signal-to-noise ratio of pictures in [0, 1], all channels together."""
    return float(-10 * np.log10(max(float(np.square(made - wanted).mean()), 1e-12)))


def train(recipe: str, data: str | Path, out: Path, **options: Any) -> tuple[gantlet.Model, Row]:
    """Train a run, or go on with the one in `out`; return the model, how far it came and what it is."""
    model, facts = slices.train(recipe, data, out, resume=True, **options)
    return model, {**facts, "arguments": model.about["arguments"], "recipe": recipe, "parameters": parameters(model)}


def arguments(doc: str | None, parts: tuple[str, ...], runs: str, seconds: float) -> argparse.ArgumentParser:
    """Return the parser that the scripts share: parts and table, --seconds, --seeds, --runs, --set, --clock."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=(*parts, "table"))
    parser.add_argument("--seconds", type=float, default=seconds, help="of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="the seeds themselves")
    parser.add_argument("--runs", type=Path, default=Path("runs") / runs, help="where trainings and their data lie")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="options of the recipe")
    parser.add_argument("--mark", default="", help="a word for the key of rows made with --set")
    parser.add_argument("--resolution", type=int, help="side of the crops")
    parser.add_argument("--clock", choices=("processor", "wall"), default="processor")
    return parser


def read(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return what was asked: `options` of the recipe, the `budget` for keys, the clock set."""
    given = parser.parse_args()
    if given.set and not given.mark:
        parser.error("--set needs --mark, the word that tells its rows from those of the shipped settings")
    given.options = {name: value(text) for name, _, text in (each.partition("=") for each in given.set)}
    if given.resolution:
        given.options["resolution"] = given.resolution
    given.budget = budget_of(given.seconds, given.clock)
    given.budget += f"-{given.resolution}px" if given.resolution else ""
    given.budget += f"-{given.mark}" if given.mark else ""
    if given.part != "table" and given.clock == "processor":
        count_processor_seconds()
    return given


def value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def measure(rows: Rows, key: str, work: Callable[[], Row]) -> None:
    """Keep a row under its key unless it is there or being measured; say why a training fails and go on."""
    with rows.alone(key) as mine:
        if not mine:
            return
        try:
            rows.keep(key, work())
        except (UserError, RunFailed) as error:
            print(f"{key}: {error}", flush=True)


def averages(rows: list[Row]) -> Row:
    """Return the mean of each number over several pictures."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


# The kernel counts the peak of a process among that of what it starts: a small process between them keeps it clean.
BETWEEN = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def command(*words: str | Path) -> tuple[int, str, float, float]:
    """Run the real `gantlet`; return its exit code, what it wrote to stderr, seconds and peak memory in MiB."""
    began = time.perf_counter()
    line = [sys.executable, "-S", "-c", BETWEEN, sys.executable, "-m", "gantlet", *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    code, peak = map(int, done.stdout.split())
    return code, done.stderr, time.perf_counter() - began, peak / 1024


def cell(rows: list[Row], name: str, digits: int = 2) -> str:
    """Return the mean of a number over seeds with each of them, a dash where a row has none."""
    values = [float(row.get(name, math.nan)) for row in rows]
    if any(math.isnan(each) for each in values):
        return "-"
    average = f"{sum(values) / len(values):.{digits}f}"
    return average if len(values) == 1 else f"{average} ({', '.join(f'{each:.{digits}f}' for each in values)})"


def print_table(rows: Rows, part: str, columns: dict[str, tuple[str, int]]) -> None:
    """Print the rows of a part as Markdown, averaged over seeds: columns {heading: (number, digits)}."""
    groups = {name: each for name, each in rows.groups().items() if name.split("/")[0] == part}
    if not groups:
        return
    print(f"\n| {part} | seeds | {' | '.join(columns)} |")
    print(f"| --- | ---: |{' ---: |' * len(columns)}")
    for name, each in sorted(groups.items()):
        cells = " | ".join(cell(each, number, digits) for number, digits in columns.values())
        print(f"| {name.partition('/')[2]} | {len(each)} | {cells} |")
