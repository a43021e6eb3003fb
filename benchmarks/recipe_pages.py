"""docs/recipes: a page for each recipe, from its docstring, its signature and the rows of the benchmarks.

    python benchmarks/recipe_pages.py write                           all pages and their index
    python benchmarks/recipe_pages.py draw r1gan --seconds 60         train on Fashion-MNIST, and keep its samples
    python benchmarks/recipe_pages.py draw cyclegan --run runs/cyclegan --words "..."     keep the last sheet of a run

What is on a page stands in the recipe's own file; change it there and write the pages again (a test compares them).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gantlet.recipes import NAMES, catalogue
from slices import Row, begin, budget_of, mean, train

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "recipes"
RESULTS = ROOT / "benchmarks" / "results"
SIDE = 512  # pixels of a page's picture, at most
NUMBERS = {  # of a row, in this order, those that it has: what they are called, and their format
    "fid_over_floor": ("FID x floor", ".3g"),
    "coverage": ("coverage", ".2f"),
    "classes": ("classes", ".0f"),
    "classes_covered": ("classes", ".0f"),
    "label_accuracy": ("right label", ".0%"),
    "minus_elbo": ("-ELBO, nats", ".1f"),
    "accuracy_z": ("1-NN accuracy of z", ".1%"),
    "psnr": ("PSNR, dB", ".2f"),
    "bicubic_psnr": ("bicubic", ".2f"),
    "ssim": ("SSIM", ".3f"),
    "model_improvement": ("SI-SDR gain, dB", ".1f"),
    "wiener_improvement": ("Wiener", ".1f"),
    "fine_mel_l1": ("mel L1", ".3f"),
    "floor_fine_mel_l1": ("Griffin-Lim", ".3f"),
    "times_real_time": ("x real time", ".0f"),
    "bleu4": ("BLEU-4", ".2f"),
    "self_bleu4": ("Self-BLEU-4", ".2f"),
    "nll_oracle": ("NLL of the oracle", ".2f"),
    "fvd_over_floor": ("FVD x floor", ".3g"),
    "samples_per_second": ("samples/s", ",.0f"),
    "peak_memory_mb": ("MB", ".0f"),
}
SOURCES = ("spine", "zoo", "latents", "sound_generators", "vocoders", "enhancement", "restoration", "translation",
           "text_oracle", "text_captions", "text_style", "video_generators", "video_superres")  # fmt: skip


def measured(name: str) -> Iterator[tuple[str, str, list[Row]]]:
    """Yield (benchmark, its rows' key without the seed, those rows) wherever a recipe was measured."""
    for source in SOURCES:
        path = RESULTS / f"{source}.json"
        groups: dict[str, list[Row]] = {}
        for key, row in sorted(json.loads(path.read_text()).items() if path.is_file() else ()):
            parts = key.split("/")
            if isinstance(row, dict) and (row.get("recipe") == name or name in parts) and set(row) & set(NUMBERS):
                what = " ".join(part for part in parts if part != name and not part.startswith("seed"))
                groups.setdefault(what, []).append(row)
        for what, rows in groups.items():
            yield source, what, rows


def numbers(name: str) -> list[str]:
    """Return the lines of the table of what was measured; none if nothing was."""
    found = list(measured(name))
    shown = [key for key in NUMBERS if any(key in row for _, _, rows in found for row in rows)]
    if not found:
        return ["Not measured yet."]
    titles = ["data, budget", "seeds", *(NUMBERS[key][0] for key in shown), "rows"]
    lines = [f"| {' | '.join(titles)} |", f"| --- |{' ---: |' * (len(shown) + 1)} --- |"]
    for source, what, rows in found:
        cells = [what.replace("s-processor", " s of one core"), str(len(rows))]
        for key in shown:
            values = [float(row[key]) for row in rows if row.get(key) is not None]
            cells.append(format(mean(values), NUMBERS[key][1]) if values else "")
        lines.append(f"| {' | '.join(cells)} | [{source}](../../benchmarks/results/{source}.json) |")
    how = "Means over the seeds; a budget of plain seconds is of the clock, with as many cores as the row has threads."
    return [*lines, "", how]


def page(name: str) -> str:
    """Return the page of a recipe."""
    function, quick = catalogue.find(name), catalogue.quick_settings(name)
    takes = catalogue.TAKES[catalogue.data_kind(name)]
    file = NAMES[name].replace(".", "/")
    lines = [f"# {name}", "", catalogue.description(function).rstrip(), "", f"Learns from {takes}. The code: "
             f"[{file.split('/', 1)[1]}.py](../../src/{file}.py).", ""]  # fmt: skip
    if picture(name).is_file():
        lines += [f"![what it makes]({picture(name).name})", "", (PAGES / f"{name}.txt").read_text().strip(), ""]
    lines += ["## Measured", "", *numbers(name), "", "## Options", ""]
    lines += ["| option | faithful | quick | meaning |", "| --- | --- | --- | --- |"]
    for option in catalogue.parameters(function):
        small = shown(quick[option.name]) if option.name in quick else ""
        small += catalogue.pacing(name).remark(option.name)
        words = [f"`--{option.name.replace('_', '-')}`", shown(option.default), small, option.comment]
        lines.append(f"| {' | '.join(words)} |")
    return "\n".join(lines) + "\n"


def shown(value: Any) -> str:
    return "" if value is None else f"`{value}`"


def index() -> str:
    """Return the page that lists all others, by what they learn from."""
    lines = ["# Recipes", "", "A page each, written by [recipe_pages.py](../../benchmarks/recipe_pages.py) from the "
             "recipe's own file and the rows of the benchmarks; `gantlet show NAME` prints most of it."]  # fmt: skip
    for kind, takes in catalogue.TAKES.items():
        names = [name for name in NAMES if catalogue.data_kind(name) == kind]
        if names:
            lines += ["", f"## From {takes}", ""]
            lines += [f"- [{name}]({name}.md): {catalogue.summary(catalogue.find(name))}" for name in names]
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """Return the text of every page by its file's name."""
    return {"README.md": index(), **{f"{name}.md": page(name) for name in NAMES}}


def picture(name: str) -> Path:
    return PAGES / f"{name}.png"


def write() -> None:
    """Write all pages, and remove those of recipes that are gone."""
    PAGES.mkdir(exist_ok=True)
    wanted = pages()
    for name, text in wanted.items():
        (PAGES / name).write_text(text)
    for path in PAGES.glob("*.md"):
        if path.name not in wanted:
            path.unlink()


def keep(name: str, run: Path, words: str) -> None:
    """Keep the newest sheet of a run as the recipe's picture, no larger than it need be, and what it shows."""
    from PIL import Image

    sheets = sorted((run / "samples").glob("*.png"))
    if not sheets:
        sys.exit(f"{run}/samples holds no picture")
    with Image.open(sheets[-1]) as found:
        image = found.convert("RGB") if found.mode not in ("L", "RGB") else found.copy()
    image.crop((0, 0, min(image.width, SIDE), min(image.height, SIDE))).save(picture(name), optimize=True)
    (PAGES / f"{name}.txt").write_text(f"{words}\n")


def draw(name: str, data: str, seconds: float) -> None:
    """Train a recipe's quick settings and keep its samples."""
    budget = budget_of(seconds, "processor")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        model, facts = train(name, data, run, seconds=begin(budget), seed=0)
        label = "a column per class, " if model.about["arguments"].get("num_classes") else ""
        words = (
            f"Samples after {seconds:g} s of one core on {Path(data).stem.replace('_', ' ')}: {label}quick settings, "
            f"seed 0, {facts['samples']:,} pictures seen."
        )
        keep(name, run, words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("write", "draw"))
    parser.add_argument("recipes", nargs="*", choices=[*NAMES, []], help="of draw")
    parser.add_argument("--data", default="fashion_mnist")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--words", default="", help="what the sheet of --run shows")
    given = parser.parse_args()
    for name in given.recipes if given.part == "draw" else ():
        if given.run is not None:
            keep(name, given.run, given.words)
        else:
            draw(name, given.data, given.seconds)
    write()


if __name__ == "__main__":
    main()
