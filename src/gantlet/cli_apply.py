"""The command line's verb `apply`; as in cli.py, no default lives here and nothing heavy is imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from gantlet.errors import UserError
from gantlet.parsing import Parser, keywords, parse, parser, split_options, whole


def apply(words: list[str]) -> int:
    """gantlet apply"""
    verb = apply_parser()
    words, options, _ = split_options(verb, words)
    given = parse(verb, joined(words, "--window"))
    out, source = Path(given.pop("out")), given.pop("input")
    if ":" in given.get("recipe", ""):
        sys.path.insert(0, os.getcwd())  # typed by the person, so it may lie here
    from gantlet.cli import load

    if out.suffix.lower() == ".csv":
        return classes(given, options, out, source)
    from gantlet.applying.pictures import Extras, apply_pictures

    model = load(given)
    extras = Extras(
        metrics=Path(given.pop("metrics")) if "metrics" in given else None,
        sheet=Path(given.pop("sheet")) if "sheet" in given else None,
        **{name: given.pop(name) for name in ("mask", "references", "window", "luma", "crop") if name in given},
    )
    settings: dict[str, Any] = {"quiet": given.pop("quiet", False), **given, **keywords(options)}
    done = apply_pictures(model, source, out, extras, **settings)
    print(f"Wrote {done.files:,} picture{'s' * (done.files != 1)}{frames(done.files, done.frames)} to {out}")
    for line in done.protocol:
        print(f"  {line}")
    if done.means:
        print("  mean " + "  ".join(f"{name} {value:.4g}" for name, value in done.means.items()))
    return 0


def classes(given: dict[str, Any], options: dict[str, str], out: Path, source: str) -> int:
    """Write a CSV of classes. Raises UserError for options that belong to pictures."""
    from gantlet.applying.classes import apply_file
    from gantlet.cli import load

    model = load(given)
    given.pop("quiet", None)
    for name in (*(f"--{each}" for each in given), *options):
        raise UserError(f"{name} belongs to pictures, and --out {out.name} asks for a table of classes.")
    print(f"Wrote {apply_file(model, source, out):,} rows to {out}")
    return 0


def frames(files: int, count: int) -> str:
    """Return how many frames there are, where these are not the files."""
    return f" ({count:,} frames)" if count != files else ""


def apply_parser() -> Parser:
    """Return what `gantlet apply` understands."""
    verb = parser(
        "apply",
        "RUN INPUT --out OUT [--mask M] [--strength S] [--references FOLDER --metrics M.csv] [--sheet S.png] [options]",
        "Apply a model to pictures of any size: translate, restore, enlarge, fill holes; or classify.\n\n"
        "INPUT: a picture (PNG, JPEG, WebP, BMP, TIFF, GIF, PPM), .npy, an animated GIF, a NIfTI volume or DICOM file\n"
        "(pip install gantlet[medical]), or a folder of these. Large ones go through the networks in tiles. Bit depth\n"
        "and transparency are kept.\n"
        "OUT: a name ending in .png, .tif, .npy, .gif, .nii.gz or .dcm, or a folder; .gif makes a clip of a folder of\n"
        "frames, in the order of their numbers. Ending in .csv: a classifier's classes; INPUT then is anything that\n"
        "`train --data` takes.\n"
        "What the recipe's own `apply` takes follows as --name value.",
    )
    add = verb.add_argument
    add("run", metavar="RUN", help="a run folder, or one checkpoint folder")
    add("input", metavar="INPUT", help="a picture or a folder of pictures")
    add("--out", required=True, help="where to: a file or a folder")
    add("--mask", metavar="FILE|FOLDER", help="white where a hole is to be filled; of the pictures' sizes")
    add("--strength", type=float, help="from 0, the input, to 1, all of the result")
    add("--window", type=window, metavar="LOW,HIGH", help="raw values that are black and white; inverted on export")
    add("--tile", type=whole, help="side of a tile in pixels of the input; smaller takes less memory")
    add("--references", metavar="FOLDER", help="what results should be, by the same names")
    add("--metrics", metavar="FILE.csv", help="PSNR, SSIM and mean absolute error against the references")
    add("--luma", action="store_true", help="PSNR and SSIM of Y (BT.601) instead of all channels")
    add("--crop", type=whole, help="pixels of the border that PSNR and SSIM leave out")
    add("--sheet", metavar="FILE.png", help="before and after, side by side")
    add("--checkpoint", help="auto, best or last")
    add("--recipe", help="needed for a model of your own recipe: its module:function")
    add("--device", help="auto, cpu, cuda, mps")
    add("--quiet", action="store_true", help="no progress")
    return verb


def joined(words: list[str], option: str) -> list[str]:
    """Return the words with an option and its value in one: argparse takes "-1000,1000" for an option of its own."""
    if option not in words[:-1]:
        return words
    at = words.index(option)
    return [*words[:at], f"{option}={words[at + 1]}", *words[at + 2 :]]


def window(text: str) -> tuple[float, float]:
    """Read LOW,HIGH."""
    low, _, high = text.partition(",")
    return float(low), float(high)
