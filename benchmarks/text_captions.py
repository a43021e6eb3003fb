"""Language models on 10,000 COCO captions, on Shakespeare by characters, for the same time, in slices that resume.

    python benchmarks/text_captions.py run --seconds 600 --seeds 3 --runs runs/captions
    python benchmarks/text_captions.py run --data shakespeare --recipes text_mle --seconds 600
    python benchmarks/text_captions.py curve --seconds 600 --seeds 3 --runs runs/captions     temperature-swept pictures
    python benchmarks/text_captions.py table

A row per (data, recipe, seconds, seed) in results/text_captions.json; what is there is not repeated, and the runs stay
where --runs says; `curve` adds a row per seed, with all points and the gaps to text_mle at equal Self-BLEU. Captions:
image_coco and image_coco_test of Texygen ($GANTLET_DATA/text), BLEU-n of 2,000 samples against the test captions,
Self-BLEU-n by leaving each out, as `gantlet evaluate` states them. Published rows (Texygen, Zhu 2018) have other
samples, references and definitions of Self-BLEU: they stand in the table for orientation, the comparison is that of
our rows. Shakespeare: the last tenth of the text is the test part.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
from pathlib import Path

import gantlet
from gantlet.quality_diversity import BASELINE, gap_at_equal_diversity
from gantlet.quality_diversity import curve as swept
from slices import Row, Rows, budget_of, count_processor_seconds, mean, spread, train

ROWS = Rows("text_captions")
RECIPES = ("text_mle", "seqgan", "relgan")
OPTIONS: dict[str, dict[str, object]] = {"captions": {"level": "word"}, "shakespeare": {"level": "char", "window": 64}}
SAMPLES = 2000
PUBLISHED = {  # Texygen (Zhu 2018): BLEU-2..5 on the test captions, Self-BLEU-2..5
    "MLE": ((0.731, 0.497, 0.305, 0.189), (0.916, 0.769, 0.583, 0.408)),
    "SeqGAN": ((0.745, 0.498, 0.294, 0.180), (0.950, 0.840, 0.670, 0.489)),
    "MaliGAN": ((0.673, 0.432, 0.257, 0.159), None),
    "LeakGAN": ((0.746, 0.528, 0.355, 0.230), (0.966, 0.913, 0.848, 0.780)),
}
NUMBERS = [f"{name}{order}" for name in ("bleu", "self_bleu") for order in (2, 3, 4, 5)]


def place(folder: Path, data: str) -> Path:
    """Write a set below a folder as train and test parts; return where."""
    root = os.environ.get("GANTLET_DATA")
    if not root:
        raise SystemExit("Set GANTLET_DATA to a folder with the texts in text: see benchmarks/README.md.")
    texts, where = Path(root) / "text", folder / f"data-{data}"
    parts: dict[str, bytes]
    if data == "captions":
        names = {"train": "image_coco.txt.gz", "test": "image_coco_test.txt.gz"}
        parts = {split: gzip.decompress((texts / name).read_bytes()) for split, name in names.items()}
    else:
        whole = (texts / "tinyshakespeare.txt").read_bytes()
        cut = whole.rindex(b"\n\n", 0, len(whole) * 9 // 10)
        parts = {"train": whole[:cut], "test": whole[cut + 2 :]}
    for split, content in parts.items():
        (where / split).mkdir(parents=True, exist_ok=True)
        (where / split / f"{data}.txt").write_bytes(content)
    return where


def one(data: str, recipe: str, seed: int, seconds: float, runs: Path, name: str) -> Row:
    """Train and judge one run, which stays."""
    source = place(runs, data)
    model, facts = train(recipe, source, runs / name, seconds=seconds, seed=seed, **OPTIONS[data])
    judgement = gantlet.evaluate(model, source, num=SAMPLES)
    return {
        **facts, **judgement.values, "floor": dict(judgement.floor), "protocol": dict(judgement.protocol),
        "arguments": model.about["arguments"], "lines": model.lines(10, seed=0),
    }  # fmt: skip


def run_name(data: str, recipe: str, budget: str, seed: int) -> str:
    return f"{data}-{recipe}-{budget}-{seed}"


def curve(data: str, recipes: list[str], budget: str, seed: int, runs: Path) -> None:
    """Draw quality against diversity over temperatures for the runs of a seed; keep the gaps to maximum likelihood."""
    found = {recipe: path for recipe in recipes if (path := runs / run_name(data, recipe, budget, seed)).is_dir()}
    if not found:
        raise SystemExit(f"No run of {data} at {budget} is in {runs}; first `run` with the same --runs.")
    drawn = swept(list(found.values()), data=place(runs, data), out=runs / f"{data}-{budget}-{seed}.png", num=SAMPLES)
    print("\n".join(drawn.lines()))
    points = dict(zip(found, drawn.points.values(), strict=True))
    gaps = {
        recipe: {quality: gap_at_equal_diversity(points[recipe], points[BASELINE], quality, drawn.diversity)
                 for quality in (drawn.quality, "fed")}
        for recipe in points if recipe != BASELINE and BASELINE in points
    }  # fmt: skip
    ROWS.keep(f"{data}/curve/{budget}/seed{seed}", {"points": points, "gaps": gaps, "diversity": drawn.diversity})


def table() -> None:
    """Print all rows, grouped over seeds, as Markdown, and what was published."""
    print("| data, budget | model | BLEU-2 | 3 | 4 | 5 | Self-BLEU-2 | 3 | 4 | 5 | FED | copied |")
    print("| --- | --- |" + " ---: |" * 10)
    floors: set[str] = set()
    groups = ROWS.groups()
    for name, rows in groups.items():
        data, recipe, budget = name.split("/")
        if recipe == "curve":
            continue
        cells = [f"{mean([row[key] for row in rows]):.3f}" for key in NUMBERS]
        extra = [
            f"{mean([row[key] for row in rows]):.4g}" if key in rows[0] else "-" for key in ("fed", "copied_share")
        ]
        print(f"| {data} {budget} | `{recipe}` | {' | '.join([*cells, *extra])} |")
        floor = rows[0]["floor"]
        floors.add(f"| {data} | real lines | " + " | ".join(f"{floor[key]:.3f}" for key in NUMBERS) + " | - | - |")
    for line in sorted(floors):
        print(line)
    for name, (bleu, self_bleu) in PUBLISHED.items():
        cells = [*(f"{value:.3f}" for value in bleu), *(f"{value:.3f}" for value in self_bleu or ())]
        print(f"| captions, Texygen | {name} | {' | '.join(cells + ['-'] * (10 - len(cells)))} |")
    for name, rows in groups.items():
        if "/curve/" in name:
            for recipe in rows[0]["gaps"]:
                told = "; ".join(
                    f"{quality} {spread([gap[0] for row in rows if (gap := row['gaps'][recipe][quality])], 4)}"
                    for quality, first in rows[0]["gaps"][recipe].items() if first
                )  # fmt: skip
                print(f"\n{name}: {recipe} less text_mle at equal {rows[0]['diversity']}: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "curve", "table"))
    parser.add_argument("--data", choices=tuple(OPTIONS), default="captions")
    parser.add_argument("--recipes", nargs="+", choices=(*RECIPES, "maligan"), default=list(RECIPES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clock", choices=("processor", "wall"), default="processor")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "text_captions")
    given = parser.parse_args()
    budget = budget_of(given.seconds, given.clock)
    if given.part == "table":
        table()
    elif given.part == "curve":
        for seed in range(given.seeds):
            curve(given.data, given.recipes, budget, seed, given.runs)
    else:
        if given.clock == "processor":
            count_processor_seconds()
        for seed in range(given.seeds):
            for recipe in given.recipes:
                name = run_name(given.data, recipe, budget, seed)
                with ROWS.alone(key := f"{given.data}/{recipe}/{budget}/seed{seed}") as mine:
                    if mine:
                        ROWS.keep(key, one(given.data, recipe, seed, given.seconds, given.runs, name))


if __name__ == "__main__":
    sys.exit(main())
