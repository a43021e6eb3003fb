"""docs/recipes: a page for each recipe, from its docstring, its signature and the rows of the benchmarks.

    python benchmarks/recipe_pages.py write                           all pages and their index
    python benchmarks/recipe_pages.py draw r1gan --seconds 60         train on Fashion-MNIST, and keep its samples
    python benchmarks/recipe_pages.py draw cyclegan --run runs/cyclegan --words "..."     keep the last sheet of a run

What is on a page stands in the recipe's own file; change it there and write the pages again (a test compares them).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from gantlet.recipes import NAMES, catalogue
from slices import PROCESSOR, Row, begin, budget_of, mean, train

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "recipes"
RESULTS = ROOT / "benchmarks" / "results"
SIDE = 512  # pixels of a page's picture, at most
NUMBERS = {  # of a row, in this order, those that it has: what they are called, and their format
    "fid_over_floor": ("FID x floor", ".3g"),
    "coverage": ("coverage", ".2f"),
    "classes": ("classes", ".0f"),
    "label_accuracy": ("right label", ".0%"),
    "pitch_accuracy": ("right pitch", ".1%"),
    "one_object": ("frames with one object", ".1%"),
    "content_constant": ("content constant", ".1%"),
    "residual": ("noise left", ".3f"),
    "residual_of_clean": ("in clean pictures", ".3f"),
    "estimated_sigma": ("sigma found", ".3f"),
    "minus_elbo": ("-ELBO, nats", ".1f"),
    "accuracy_z": ("1-NN accuracy of z", ".1%"),
    "accuracy": ("taken for the style", ".2f"),
    "true_accuracy": ("true styles", ".2f"),
    "psnr": ("PSNR, dB", ".2f"),
    "noisy_psnr": ("noisy", ".2f"),
    "nlm_psnr": ("non-local means", ".2f"),
    "bicubic_psnr": ("bicubic", ".2f"),
    "begun_psnr": ("its beginning", ".2f"),
    "biharmonic_psnr": ("biharmonic", ".2f"),
    "untranslated_psnr": ("untouched", ".2f"),
    "ssim": ("SSIM", ".3f"),
    "flicker": ("flicker, grey levels", ".2f"),
    "bicubic_flicker": ("bicubic", ".2f"),
    "f1": ("F1", ".3f"),
    "table_f1": ("table of intensities", ".3f"),
    "body_hu": ("HU off", ".1f"),
    "table_body_hu": ("table of intensities", ".1f"),
    "forward": ("there, off by", ".1f"),
    "forward_moments": ("moments matched", ".1f"),
    "backward": ("back, off by", ".1f"),
    "backward_moments": ("moments matched", ".1f"),
    "detail": ("detail", ".3f"),
    "features": ("features", ".3f"),
    "model_improvement": ("SI-SDR gain, dB", ".1f"),
    "wiener_improvement": ("Wiener", ".1f"),
    "mel_l1": ("mel L1", ".3f"),
    "floor_mel_l1": ("Griffin-Lim", ".3f"),
    "fine_mel_l1": ("fine mel L1", ".3f"),
    "floor_fine_mel_l1": ("Griffin-Lim", ".3f"),
    "stft": ("STFT", ".3f"),
    "floor_stft": ("Griffin-Lim", ".3f"),
    "times_real_time": ("x real time", ".0f"),
    "speed_threads": ("on threads", ".0f"),
    "bleu4": ("BLEU-4", ".3f"),
    "floor_bleu4": ("real lines", ".3f"),
    "self_bleu4": ("Self-BLEU-4", ".3f"),
    "floor_self_bleu4": ("real lines", ".3f"),
    "nll_oracle": ("NLL-oracle", ".3f"),
    "nll_gen": ("NLL-gen", ".3f"),
    "oracle_entropy": ("the oracle's entropy", ".3f"),
    "style_accuracy": ("the asked style", ".1%"),
    "floor_style_accuracy": ("real lines", ".1%"),
    "content_bleu4": ("BLEU-4 to the source", ".3f"),
    "perplexity": ("perplexity", ".1f"),
    "floor_perplexity": ("real lines", ".1f"),
    "samples_per_second": ("samples/s", ",.0f"),
    "peak_memory_mb": ("MB", ".0f"),
}
SOURCES = ("spine", "zoo", "noisegan", "latents", "sound_generators", "vocoders", "enhancement", "restoration",
           "translation", "text_oracle", "text_captions", "text_style", "video_generators",
           "video_superres")  # fmt: skip
OF_ONE = {"text_style": "text_style", "video_superres": "clip_superres"}  # benchmarks of one recipe: no row names it
BESIDE = {"noisegan": ("r1gan",)}  # what a benchmark measured for comparison, with data that are not for it
BY_OPTIONS = ("text_style",)  # here "-former" marks other options, not code that is gone: they tell
OF_THE_DATA = {"channels", "source_channels", "target_channels", "resolution", "num_classes", "sample_rate", "length",
               "vocab_size", "num_frames", "frame_rate"}  # fmt: skip
OF_THE_TASK = {  # options that a benchmark sets whatever the quick settings are; text_oracle sets all
    "noisegan": ("sigma", "black", "white"),
    "restoration": ("adversarial_weight", "clip", "events", "scale", "sigma"),
    "translation": ("adversarial_weight", "num_styles"),
    "text_style": ("warm_up",),
    "video_superres": ("sigma", "temporal_weight"),
}
SINCE: dict[str, dict[str, Any]] = {  # recipe -> options that it has since, and what held in the rows of before
    "wgan": {"average_halflife": 10_000},
    "speech_enhance": {"clip_norm": 5.0},
    **{name: {"highway_bias": -2.0} for name in ("relgan", "seqgan", "maligan")},
}


def settings(source: str, row: Row) -> str:
    """Return whose settings a row was trained with: quick, faithful, or the benchmark's own."""
    return "its own" if source == "text_oracle" else str(row.get("settings", "quick"))


def changed(name: str, source: str, row: Row) -> dict[str, Any]:
    """Return the options of a row that are others than today's, but those of the data and of the budget."""
    if source == "text_oracle":
        return {}
    today = todays(name, settings(source, row))
    stored = {**SINCE.get(name, {}), **row.get("arguments", today)}
    same = {*OF_THE_DATA, *catalogue.pacing(name).options}
    return {
        option: stored.get(option) for option in {*stored, *today} - same
        if option not in stored or option not in today or plain(stored[option]) != plain(today[option])
    }  # fmt: skip


@cache
def todays(name: str, whose: str) -> dict[str, Any]:
    """Return all options of a recipe, quick or faithful."""
    faithful = {parameter.name: parameter.default for parameter in catalogue.parameters(catalogue.find(name))}
    return faithful | (catalogue.quick_settings(name) if whose == "quick" else {})


@cache
def stored_rows(source: str) -> dict[str, Any]:
    """Return all that a benchmark has kept, in the order of the keys."""
    path = RESULTS / f"{source}.json"
    return dict(sorted(json.loads(path.read_text()).items())) if path.is_file() else {}


def plain(value: Any) -> Any:
    """Return a value as JSON keeps it."""
    return list(value) if isinstance(value, tuple) else value


def flat(row: Row) -> Row:
    """Return a row with its judgement and its floor's numbers beside the others."""
    whole = {**row.get("judgement", {}).get("values", {}), **row}
    beside = {f"floor_{key}": value for key, value in whole.get("floor", {}).items()}
    beside["classes"] = whole.get("classes_covered")
    if "times_real_time" in whole:  # of vocoders on two threads, also where a row does not say so yet
        beside["speed_threads"] = 2 if "floor_times_real_time" in whole else whole["threads"]
    return {**beside, **whole}


def measured(name: str) -> Iterator[tuple[str, str, list[Row]]]:
    """Yield (benchmark, its rows' key without the seed, those rows) wherever a recipe was measured as it is today."""
    for source in SOURCES:
        groups: dict[str, list[Row]] = {}
        for key, row in stored_rows(source).items():
            parts = key.split("/")
            mine = isinstance(row, dict) and (row.get("recipe") == name or name in parts or OF_ONE.get(source) == name)
            old = "-former" in key and source not in BY_OPTIONS
            if not mine or old or name in BESIDE.get(source, ()) or not set(flat(row)) & set(NUMBERS):
                continue
            others = changed(name, source, row)
            if missing := [option for option, value in others.items() if value is None]:
                print(f"{source}: {key} is left out, for it has no {', '.join(missing)} (SINCE?)", file=sys.stderr)
            if set(others) <= set(OF_THE_TASK.get(source, ())):
                told = f", `--warm-up {others['warm_up']}`" if "warm_up" in others else ""
                groups.setdefault(words(name, source, parts, row) + told, []).append(flat(row))
        for what, rows in groups.items():
            yield source, what, rows


def words(name: str, source: str, parts: list[str], row: Row) -> str:
    """Return the parts of a key as a table shows them: without the recipe and the seed, with all of its seconds."""
    found = [part.removeprefix(name).removesuffix("-former").lstrip("-") for part in parts if part[:4] != "seed"]
    told = " ".join(part for part in found if part)
    clock = r" s of one core" if source == "noisegan" or PROCESSOR in told else r" s"
    told = re.sub(r"(\d+)s(-processor)?-?(\w*)$", rf"\1{clock}, \3", told).rstrip(", ")
    budget = re.search(r"(\d+) s of one core", told)
    longer = budget is not None and row.get("seconds", 0) > 1.2 * float(budget[1])  # than the first of two stages
    return f"{told}, {row['seconds']:.0f} s in all" if longer else told


def numbers(name: str) -> list[str]:
    """Return the lines of the table of what was measured; none if nothing was."""
    found = list(measured(name))
    shown = [key for key in NUMBERS if any(row.get(key) is not None for _, _, rows in found for row in rows)]
    if not found:
        return ["Not measured yet."]
    titles = ["data, budget", "settings", "seeds", *(NUMBERS[key][0] for key in shown), "rows"]
    lines = [f"| {' | '.join(titles)} |", f"| --- | --- |{' ---: |' * (len(shown) + 1)} --- |"]
    for source, what, rows in found:
        cells = [what, settings(source, rows[0]), str(len(rows))]
        for key in shown:
            values = [float(row[key]) for row in rows if row.get(key) is not None]
            cells.append(figure(mean(values), NUMBERS[key][1]) if values else "")
        lines.append(f"| {' | '.join(cells)} | [{source}](../../benchmarks/results/{source}.json) |")
    how = "Means over the seeds; a budget of plain seconds is of the clock, with as many cores as the row has threads."
    return [*lines, "", f"{how} Rows of settings that have changed since are left out."]


def figure(value: float, form: str) -> str:
    """Return a number in a format, in full where this would take an exponent."""
    return format(value, form if abs(value) < 1000 else ",.0f")


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
