"""`gantlet apply` on a very large picture and on wrong ones, in slices that resume: a row that is there stays.

    python benchmarks/applying.py large --recipes denoise srgan inpaint pix2pix cyclegan stylize
    python benchmarks/applying.py wrong                                      a hundred wrong inputs, a process each
    python benchmarks/applying.py table                                      print what is there as Markdown

GANTLET_DATA names the folder with fewshot and superres; models are trained for --seconds, as it does not matter here
how well. large: a PNG of 4,000 x 3,000 in colour through the real command; peak memory is that of its process. The
difference is between tiles and no tiles on 1,200 x 900 (srgan 400 x 300) of it, in 1/255: where the field of a recipe's
networks ends within the margin of its tiles it must be below rounding; instance norms and deep U-Nets see more. wrong:
every case of wrong_inputs.py; a failure is anything but exit code 2 with one sentence and nothing written, or, where
that is right, results of the input's size. Exits with 1 if there is one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import struct
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gantlet
import picture_data as pictures
from gantlet.errors import UserError
from gantlet.media.image import read_image, write_image
from gantlet.media.picture import read_picture
from picture_data import measure
from slices import Row, Rows, machine
from wrong_inputs import Case, cases

ROWS = Rows("applying")
PARTS = ("large", "wrong", "difference")
HEIGHT, WIDTH = 3000, 4000
PIECE = {"srgan": (300, 400)}  # height and width of what goes through untiled; others 900 x 1200
RECIPES = ("denoise", "srgan", "inpaint", "pix2pix", "cyclegan", "stylize")
LIMIT_MB = 1536


def model_of(recipe: str, given: argparse.Namespace, grey: bool = False) -> Path:
    """Return a run of a recipe on photographs of shoes, or on grey ones, training it if it is not there."""
    out = given.runs / f"{recipe}{'-grey' if grey else ''}-{given.budget}"
    named = pictures.archived(pictures.shared("fewshot", "shoes_100_256.zip"), "L" if grey else "RGB")
    data = pictures.place(given.runs / "data" / ("shoes-grey" if grey else "shoes"), named)
    two = {"target": data} if recipe in ("pix2pix", "cyclegan", "stylize") else {}
    pictures.train(recipe, data, out, seconds=given.seconds, **two, **given.options)
    return out


def large_picture(path: Path) -> Path:
    """Write a picture of waves, edges and noise, by strips, once."""
    if not path.is_file():
        whole = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        rng = np.random.default_rng(0)
        across = np.arange(WIDTH, dtype=np.float32)[None, :, None] / np.array([31.0, 47, 90], np.float32)
        for top in range(0, HEIGHT, 100):
            down = np.arange(top, top + 100, dtype=np.float32)[:, None, None] / np.array([53.0, 29, 70], np.float32)
            strip = 128 + 60 * np.sin(across + down) + 40 * np.sign(np.sin(across * 0.31 - down * 0.7))
            whole[top : top + 100] = (strip + rng.normal(0, 8, strip.shape)).clip(0, 255)
        write_image(path, whole)
    return path


def large(given: argparse.Namespace) -> None:
    """Measure each recipe; the difference, which needs much memory, in a process of its own."""
    given.runs.mkdir(parents=True, exist_ok=True)
    picture = large_picture(given.runs / "large.png")
    for recipe in given.recipes:

        def work(recipe: str = recipe) -> Row:
            itself = [sys.executable, __file__, "difference", "--recipes", recipe, "--runs", given.runs]
            itself += ["--seconds", given.seconds, "--clock", given.clock]
            done = subprocess.run([str(word) for word in itself], capture_output=True, text=True)
            if done.returncode:
                raise UserError((done.stderr.strip() or str(done.returncode)).splitlines()[-1])
            facts = json.loads(done.stdout.strip().splitlines()[-1])
            out, words = given.runs / f"large-{recipe}.png", []
            out.unlink(missing_ok=True)
            if recipe == "inpaint":
                mask = np.zeros((HEIGHT, WIDTH), np.uint8)
                mask[::, 500:700], mask[2000:2080] = 255, 255
                write_image(given.runs / "large-mask.png", mask)
                words = ["--mask", given.runs / "large-mask.png"]
            run = given.runs / f"{recipe}-{given.budget}"
            code, said, seconds, peak = pictures.command("apply", run, picture, "--out", out, "--quiet", *words)
            scale = facts["scale"]
            size = (HEIGHT * scale, WIDTH * scale)
            right = code == 0 and size_of(out) == size
            out.unlink(missing_ok=True)
            return {
                **facts, "exit_code": code, "said": said.strip()[-300:], "right_size": int(right), "seconds": seconds,
                "peak_mb": peak, "within_limit": int(peak <= LIMIT_MB), "threads": torch.get_num_threads(),
            }  # fmt: skip

        measure(ROWS, f"large/{recipe}", work)


def size_of(path: Path) -> tuple[int, int]:
    """Return height and width of a PNG by its header alone: a result may hold more pixels than are read."""
    try:
        with path.open("rb") as file:
            width, height = struct.unpack(">16xII", file.read(24))
    except (OSError, struct.error):
        return 0, 0
    return height, width


def difference(given: argparse.Namespace) -> None:
    """Print how far tiles are from no tiles, as JSON; train the model first."""
    recipe = given.recipes[0]
    model = gantlet.load(model_of(recipe, given))
    height, width = PIECE.get(recipe, (900, 1200))
    piece = read_image(large_picture(given.runs / "large.png"))[1000 : 1000 + height, 1000 : 1000 + width]
    x, tiling = pictures.tensor(piece), model.recipe.tiling
    beside: dict[str, Any] = {}
    if recipe == "inpaint":
        beside["mask"] = torch.zeros(1, 1, height, width)
        beside["mask"][:, :, :, 300:420] = 1
    apply = model.recipe.apply
    assert apply is not None
    assert tiling is not None
    with torch.inference_mode():
        whole = apply(model.nets, x, **beside)
    off = (model.apply(x, **beside).float() - whole.float()).abs() * 127.5
    facts = {"largest_difference": float(off.max()), "mean_difference": float(off.mean())}
    print(json.dumps({**facts, "scale": tiling.scale, "margin": tiling.margin, "multiple": tiling.multiple}))


def wrong(given: argparse.Namespace) -> int:
    """Run every case through the command; return 1 if one fails."""
    runs = {"inpaint": model_of("inpaint", given), "denoise": model_of("denoise", given, grey=True)}
    chosen = {name: case for name, case in cases().items() if not given.only or given.only in name}
    for name, case in list(chosen.items())[: given.most]:
        measure(ROWS, f"wrong/{name.replace('/', ' in ')}", partial(attempt, case, runs[case.model]))
    failures = [row for key, row in ROWS.read().items() if key.startswith("wrong/") and row["outcome"] == "failure"]
    return 1 if failures else 0


def attempt(case: Case, run: Path) -> Row:
    """Return what became of a case: "refused", "made", or "failure" with the reason."""
    folder = Path(tempfile.mkdtemp(prefix="wrong-"))
    try:
        words = case.make(folder)
        before = contents(folder)
        code, said, seconds, peak = pictures.command("apply", run, *words, "--quiet")
        outcome, reason = verdict(case, code, said, words, contents(folder) != before)
    finally:
        shutil.rmtree(folder)
    said = said.replace(str(folder), "").strip()[-400:]
    return {
        "outcome": outcome, "reason": reason, "due": case.due, "exit_code": code, "said": said, "seconds": seconds,
        "peak_mb": peak, **machine(),
    }  # fmt: skip


def verdict(case: Case, code: int, said: str, words: list[str], written: bool) -> tuple[str, str]:
    """Return the outcome and, for a failure, why it is one."""
    lines = said.strip().splitlines()
    if code == 2:
        if len(lines) != 1 or not lines[0].rstrip().endswith((".", "`")):
            return "failure", f"{len(lines)} lines, or no sentence"
        if written:
            return "failure", "something was written"
        return ("refused", "") if case.due != "make" else ("failure", "refused, and could have been made")
    if code != 0:
        return "failure", f"exit code {code}"
    if case.due == "refuse":
        return "failure", "made, and should have been refused"
    given, made = Path(words[0]), Path(words[words.index("--out") + 1])
    try:
        first, second = read_picture(given, 3), read_picture(made, 3)
    except (UserError, OSError) as error:
        return "failure", str(error)
    alike = first.size == second.size and first.frames == second.frames
    depth = first.pixels.dtype == second.pixels.dtype
    return ("made", "") if alike and depth else ("failure", f"{first.pixels.shape} became {second.pixels.shape}")


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder with its bytes, hidden ones too, and the names of its folders."""
    return {str(each.relative_to(folder)): each.read_bytes() if each.is_file() else b"" for each in folder.rglob("*")}


def table() -> None:
    pictures.print_table(ROWS, "large", {
        "largest difference, 1/255": ("largest_difference", 3), "mean": ("mean_difference", 4), "MB": ("peak_mb", 0),
        "seconds": ("seconds", 0), "right size": ("right_size", 0), "margin": ("margin", 0), "scale": ("scale", 0),
    })  # fmt: skip
    rows = {key.partition("/")[2]: row for key, row in ROWS.read().items() if key.startswith("wrong/")}
    outcomes = ("refused", "made", "failure")
    counts = {outcome: sum(row["outcome"] == outcome for row in rows.values()) for outcome in outcomes}
    print(f"\nwrong inputs: {len(rows)} of {len(cases())}; " + ", ".join(f"{n} {o}" for o, n in counts.items()))
    for name, row in rows.items():
        if row["outcome"] == "failure":
            print(f"- {name}: {row['reason']}; it said: {row['said'].splitlines()[-1:] or 'nothing'}")


def main() -> int:
    parser = pictures.arguments(__doc__, PARTS, "applying", 10)
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--most", type=int, default=1000, help="wrong: so many cases at most")
    parser.add_argument("--only", default="", help="wrong: cases whose name holds this")
    given = pictures.read(parser)
    if given.part == "table":
        table()
    elif given.part == "wrong":
        return wrong(given)
    else:
        (large if given.part == "large" else difference)(given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
