"""A million pictures: written to the cache once, opened again, read at random, trained on.

    python benchmarks/many_pictures.py run --kind zip --pictures 1000000
    python benchmarks/many_pictures.py run --kind folder
    python benchmarks/many_pictures.py table

Pictures of 32 x 32 in colour, soft blobs made from a seed, of ten classes, packed as PNG files: into a zip, or as files
of a folder. "first" is the time until the pictures are ready for training, decoding included, "again" that in a fresh
process, imports left out; "grown" what the process that reads 2,000 batches of 64 at random gains in memory of its own
(pages of the file that the system holds are not counted: they go when memory is wanted). "with data" is a training step
of quick `r1gan` over the same step with one fixed batch, the median of pairs in alternation, on one core.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gantlet.data import ImageData, open_images
from gantlet.engine import loop
from gantlet.engine.memory import keep_freed_memory
from gantlet.engine.run import Run
from gantlet.feeding import Balance, feed
from gantlet.recipes import catalogue
from slices import Row, Rows

ROWS = Rows("many_pictures")
SIDE, CLASSES, BATCH, BATCHES = 32, 10, 64, 2000
PAIRS, STEPS = 15, 8  # pairs of measurements of so many steps each


def packed(number: int, base: np.ndarray) -> bytes:
    """Return picture `number` as a PNG file: four soft blobs, moved and tinted by the number."""
    rng = np.random.default_rng(number)
    picture = np.roll(base[number % len(base)], tuple(rng.integers(0, SIDE, 2)), (0, 1)) ^ rng.integers(
        0, 16, 3, np.uint8
    )
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def bases() -> np.ndarray:
    """Return 64 pictures [64, SIDE, SIDE, 3] uint8 of soft blobs."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    made = np.zeros((64, SIDE, SIDE, 3))
    for picture in made:
        for _ in range(4):
            y, x, wide = (*rng.uniform(0, SIDE, 2), rng.uniform(2, 8))
            picture += np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / wide**2)[..., None] * rng.uniform(0, 255, 3)
    return made.clip(0, 255).astype(np.uint8)


def make(kind: str, pictures: int, folder: Path) -> Path:
    """Write the pictures; return the zip or the folder."""
    base = bases()
    names = (f"{number % CLASSES}/{number:07d}.png" for number in range(pictures))
    if kind == "zip":
        path = folder / "pictures.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for number, name in enumerate(names):
                archive.writestr(name, packed(number, base))
        return path
    path = folder / "pictures"
    for label in range(CLASSES):
        (path / str(label)).mkdir(parents=True)
    for number, name in enumerate(names):
        (path / name).write_bytes(packed(number, base))
    return path


def own_memory_mb() -> float:
    """Return the memory that is this process's alone, in MiB, without pages of files."""
    fields = Path("/proc/self/status").read_text().split("RssAnon:")[1].split()
    return int(fields[0]) / 1024


def opened(source: Path, cache: Path) -> tuple[ImageData, float]:
    """Return the pictures and the seconds until they were there."""
    began = time.perf_counter()
    data = open_images(source, cache=cache)
    return data, time.perf_counter() - began


def again(source: Path, cache: Path) -> Row:
    """Open, read at random and train, in a process that has decoded nothing."""
    torch.set_num_threads(1)
    keep_freed_memory()
    data, seconds = opened(source, cache)
    rows, rng = feed(data, 0, Balance(), None), np.random.default_rng(0)
    for start in range(100):
        rows(start * BATCH, BATCH)
    before, began = own_memory_mb(), time.perf_counter()
    for number in rng.integers(0, len(data) // BATCH, BATCHES):
        rows(int(number) * BATCH, BATCH)
    reading = (time.perf_counter() - began) / BATCHES
    return {"again_s": seconds, "grown_mb": own_memory_mb() - before, "batch_ms": 1000 * reading,
            "with_data": with_data(data), "own_mb": own_memory_mb()}  # fmt: skip


def with_data(data: ImageData) -> float:
    """Return the time of a training step on the data over that on one fixed batch."""
    arguments = catalogue.resolve("r1gan", data.facts(), True, {})
    with tempfile.TemporaryDirectory() as out:
        training = loop.prepare(catalogue.build("r1gan", arguments), Run(out=Path(out), steps=10**9), {}, print)
        rows, guard = feed(data, 0, Balance(), None), loop.Guard(training.device)
        fixed = rows(0, int(arguments["batch_size"]))
        ratios, times = [], [0.0, 0.0]
        for pair in range(PAIRS + 1):
            for place in (0, 1) if pair % 2 else (1, 0):
                began = time.process_time()
                for _ in range(STEPS):
                    loop.iterate(training, rows if place else lambda start, count: fixed, guard)
                times[place] = time.process_time() - began
            ratios += [times[1] / times[0]] if pair else []
    return statistics.median(ratios)


def measure(kind: str, pictures: int, folder: Path) -> Row:
    """Make the pictures, open them for the first time here and again in a process of its own; return the row."""
    source, cache = make(kind, pictures, folder), folder / "cache"
    data, first = opened(source, cache)
    assert len(data) == pictures
    words = [sys.executable, __file__, "again", str(source), str(cache)]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    size = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    return {"pictures": pictures, "first_s": first, "cache_mb": size / 2**20, **found}


def table() -> None:
    print("| source | first, s | cache, MB | again, s | a batch of 64, ms | grown, MB | with data |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for key, row in ROWS.read().items():
        print(f"| {key} | {row['first_s']:.0f} | {row['cache_mb']:.0f} | {row['again_s']:.2f} | {row['batch_ms']:.2f} "
              f"| {row['grown_mb']:.1f} | {row['with_data']:.3f} |")  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["again"]:
        print(json.dumps(again(Path(sys.argv[2]), Path(sys.argv[3]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("--kind", choices=("zip", "folder"), default="zip")
    parser.add_argument("--pictures", type=int, default=1_000_000)
    given = parser.parse_args()
    if given.part == "table":
        table()
        return
    with tempfile.TemporaryDirectory(prefix="gantlet-many-") as folder:
        ROWS.keep(f"{given.kind}/{given.pictures}", measure(given.kind, given.pictures, Path(folder)))


if __name__ == "__main__":
    main()
