"""Open 300 damaged data sources and count what happens; anything but a `UserError` or an open data set is a failure.

    python benchmarks/damaged_inputs.py [--seed 0] [--count 300]

Writes benchmarks/results/damaged_inputs.json and exits with 1 on a failure. "Accepted" is no fault by itself: most
formats carry no checksum of their pixels, so a flipped bit there is another picture, not a broken file.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import resource
import signal
import struct
import sys
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
from PIL import Image

from gantlet.data import inspect, open_images
from gantlet.errors import UserError

LIMIT_SECONDS = 5
RESULTS = Path(__file__).parent / "results" / "damaged_inputs.json"


class TimeUp(BaseException):
    """The time limit; no Exception, so that nothing takes it for a damaged file."""


def picture(kind: str, rng: np.random.Generator) -> bytes:
    """Return one 16x16 picture file of noise on a ramp."""
    ramp = np.arange(16, dtype=np.float64)[:, None] * 12 + rng.integers(0, 60, (16, 16))
    grey = ramp.astype(np.uint8)
    image = Image.fromarray(np.stack([grey, grey.T, 255 - grey], axis=2))
    if kind == "png16":
        image, kind = Image.fromarray(ramp.astype(np.uint16) * 257), "png"
    elif kind == "tiff":
        image = Image.fromarray(ramp.astype(np.float32))
    buffer = io.BytesIO()
    image.save(buffer, {"ppm": "PPM", "gif": "GIF"}.get(kind, kind.upper()))
    return buffer.getvalue()


def zipped(rng: np.random.Generator) -> bytes:
    """Return a zip of six PNG pictures in two class folders."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(6):
            archive.writestr(f"{'ab'[index % 2]}/{index}.png", picture("png", rng))
    return buffer.getvalue()


def tarred(rng: np.random.Generator, mode: str) -> bytes:
    """Return a tar of six BMP pictures in two class folders."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for index in range(6):
            data = picture("bmp", rng)
            info = tarfile.TarInfo(f"{'ab'[index % 2]}/{index}.bmp")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def array(rng: np.random.Generator, packed: bool) -> bytes:
    """Return an .npy of 8 pictures, or an .npz of them with labels."""
    buffer, pixels = io.BytesIO(), rng.integers(0, 256, (8, 12, 12, 3), dtype=np.uint8)
    if packed:
        np.savez_compressed(buffer, images=pixels, labels=np.arange(8) % 3)
    else:
        np.save(buffer, pixels)
    return buffer.getvalue()


def idx(rng: np.random.Generator) -> bytes:
    """Return an idx file of 20 pictures."""
    return struct.pack(">IIII", 0x803, 20, 9, 9) + rng.integers(0, 256, 20 * 81, dtype=np.uint8).tobytes()


def cifar(rng: np.random.Generator) -> bytes:
    """Return a CIFAR-10 batch of 4 pictures."""
    table = rng.integers(0, 256, (4, 3073), dtype=np.uint8)
    table[:, 0] %= 10
    return table.tobytes()


def table(rng: np.random.Generator) -> bytes:
    """Return a label table for the pictures 0.png to 7.png."""
    return b"file,label\n" + b"".join(b"%d.png,class %d\n" % (i, rng.integers(0, 3)) for i in range(8))


def in_folder(name: str) -> Callable[[Path, bytes, np.random.Generator], Path]:
    """Return what puts a file into a folder beside sound pictures of its kind, and gives the folder as source."""

    def place(folder: Path, data: bytes, rng: np.random.Generator) -> Path:
        (folder / name).write_bytes(data)
        if not name.endswith(("ubyte", ".gz", ".bin")):
            kind = "tiff" if name.endswith(".tif") else "png"
            for index in range(8 if name == "labels.csv" else 2):
                (folder / f"{index}{'.tif' if kind == 'tiff' else '.png'}").write_bytes(picture(kind, rng))
        return folder

    return place


def as_file(name: str) -> Callable[[Path, bytes, np.random.Generator], Path]:
    """Return what writes a file that is the source itself."""

    def place(folder: Path, data: bytes, rng: np.random.Generator) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return place


Maker = Callable[[np.random.Generator], bytes]
Placer = Callable[[Path, bytes, np.random.Generator], Path]


def formats() -> dict[str, tuple[Maker, Placer]]:
    """Return every format: how a sound file of it is made, and how it becomes a source."""
    kinds = {"png": "png", "png16": "png", "jpeg": "jpg", "webp": "webp", "bmp": "bmp", "tiff": "tif", "gif": "gif"}
    found: dict[str, tuple[Maker, Placer]] = {}
    for kind, suffix in {**kinds, "ppm": "ppm"}.items():
        found[kind] = (lambda rng, kind=kind: picture(kind, rng)), in_folder(f"damaged.{suffix}")  # type: ignore[misc]
    found["zip"] = zipped, as_file("set.zip")
    found["tar"] = (lambda rng: tarred(rng, "w")), as_file("set.tar")
    found["tar.gz"] = (lambda rng: tarred(rng, "w:gz")), as_file("set.tar.gz")
    found["npy"] = (lambda rng: array(rng, False)), as_file("set.npy")
    found["npz"] = (lambda rng: array(rng, True)), as_file("set.npz")
    found["idx"] = idx, in_folder("train-images-idx3-ubyte")
    found["idx.gz"] = (lambda rng: gzip.compress(idx(rng), mtime=0)), in_folder("train-images-idx3-ubyte.gz")
    found["cifar"] = cifar, in_folder("data_batch_1.bin")
    found["labels.csv"] = table, in_folder("labels.csv")
    return found


def damage(data: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """Return the name of what was done and the damaged bytes."""
    way = ("flip", "flip in head", "truncate", "splice", "zero", "extend", "foreign", "empty")[
        rng.choice(8, p=[0.2, 0.25, 0.2, 0.15, 0.08, 0.05, 0.05, 0.02])
    ]
    raw = bytearray(data)
    at = int(rng.integers(0, min(len(raw), 64) if way == "flip in head" else len(raw)))
    if way.startswith("flip"):
        raw[at] ^= 1 << int(rng.integers(0, 8))
    elif way == "truncate":
        del raw[at:]
    elif way == "splice":
        raw[at : at + 64] = rng.integers(0, 256, 64, dtype=np.uint8).tobytes()[: len(raw) - at]
    elif way == "zero":
        raw[at : at + 512] = bytes(len(raw[at : at + 512]))
    elif way == "extend":
        raw += rng.integers(0, 256, 300, dtype=np.uint8).tobytes()
    elif way == "foreign":
        raw = bytearray(rng.integers(0, 256, len(raw), dtype=np.uint8).tobytes())
    else:
        raw.clear()
    return way, bytes(raw)


def attempt(source: Path, cache: Path) -> tuple[str, str]:
    """Open and inspect a source under the time limit; return the outcome and what was said."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeUp

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(LIMIT_SECONDS)
    try:
        try:
            data = open_images(source, cache=cache)
            data.batch(np.arange(min(len(data), 4)))
            outcome, said = "accepted", f"{list(data.pixels.shape)} {data.pixels.dtype}"
        except UserError as error:
            outcome, said = "UserError", str(error)
            if not said.isprintable() or source.name not in said:
                outcome = "failure: not one line that names the source"
        with contextlib.suppress(UserError):
            inspect(source, cache=cache).lines()
        return outcome, said
    except TimeUp:
        return "failure: time", f"more than {LIMIT_SECONDS} s"
    except Exception as error:  # the very thing that is counted
        return f"failure: {type(error).__name__}", str(error)
    finally:
        signal.alarm(0)


def main() -> int:
    """Run, print the table, write the JSON; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=300)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    makers = formats()
    rows: list[dict[str, object]] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as top:
        for index in range(options.count):
            kind = list(makers)[index % len(makers)]
            make, place = makers[kind]
            way, data = damage(make(rng), rng)
            folder = Path(top, f"{index:05d}")
            folder.mkdir()
            source = place(folder, data, rng)
            start = time.perf_counter()
            outcome, said = attempt(source, Path(top, "cache"))
            seconds = time.perf_counter() - start
            row = {"format": kind, "damage": way, "outcome": outcome, "said": said.replace(top, ""), "s": seconds}
            rows.append(row)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return report(rows, options.seed, grown)


def report(rows: list[dict[str, object]], seed: int, grown: float) -> int:
    """Print the counts by format, write them with the failures, and return the exit code."""
    outcomes = ("UserError", "accepted", "failure")
    tally = Counter((str(row["format"]), str(row["outcome"]).partition(":")[0]) for row in rows)
    print(f"{'format':12}{'count':>7}" + "".join(f"{outcome:>11}" for outcome in outcomes))
    for kind in dict.fromkeys(str(row["format"]) for row in rows):
        counts = [tally[kind, outcome] for outcome in outcomes]
        print(f"{kind:12}{sum(counts):7}" + "".join(f"{count:11}" for count in counts))
    totals = {outcome: sum(tally[kind, outcome] for kind in formats()) for outcome in outcomes}
    print(f"{'all':12}{len(rows):7}" + "".join(f"{totals[outcome]:11}" for outcome in outcomes))
    slowest = max(float(str(row["s"])) for row in rows)
    print(f"slowest {slowest:.2f} s, memory grew by {grown:.0f} MB; accepted: a flipped pixel is just another picture")
    failures = [row for row in rows if str(row["outcome"]).startswith("failure")]
    for row in failures:
        print("FAILURE", row)
    facts = {"seed": seed, "count": len(rows), **totals, "slowest_seconds": round(slowest, 3), "grown_mb": round(grown)}
    by_format = {kind: {outcome: tally[kind, outcome] for outcome in outcomes} for kind in formats()}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({**facts, "by_format": by_format, "failures": failures}, indent=1) + "\n", "utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
