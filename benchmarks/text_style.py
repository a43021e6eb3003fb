"""Transfer of style on a grammar with exact checks and on Yelp reviews, in slices that resume.

    python benchmarks/text_style.py run --seconds 600 --seeds 3                 both sets
    python benchmarks/text_style.py run --data grammar --seconds 300
    python benchmarks/text_style.py table

A row per (data, seconds, seed) in results/text_style.json; what is there is not repeated. Grammar (grammar.py): 20,000
sentences, judged on 2,000 others, word by word. Yelp ($GANTLET_DATA/text; its terms allow academic use): trained on the
published test files, the large training files being absent here, judged on 2,000 lines of the dev files, so the
published 78.4 % (Shen 2017) and 84.9 % (its code) stand beside and not above. Accuracy, content and fluency are to be
read together: they trade off.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import tempfile
from pathlib import Path

import gantlet
import grammar
from gantlet.metrics.text import novelty
from slices import Row, Rows, budget_of, count_processor_seconds, mean, spread, train

ROWS = Rows("text_style")
DATA = ("grammar", "yelp")
JUDGED, SENTENCES = 2000, 10_000  # sentences judged; of the grammar trained on, of each style
OPTIONS: dict[str, dict[str, object]] = {
    "grammar": {"level": "word"},
    "yelp": {"level": "word", "warm_up": 40_000},  # samples; an epoch has 126,670 (docs/lab-log.md, 2026-11-22)
}


def yelp(folder: Path) -> Path:
    """Unpack the reviews below a folder: the test files to train on, the dev files to judge with."""
    root = os.environ.get("GANTLET_DATA")
    if not root:
        raise SystemExit("Set GANTLET_DATA to a folder with the reviews in text: see benchmarks/README.md.")
    for split, published in (("train", "test"), ("test", "dev")):
        (folder / split).mkdir(parents=True, exist_ok=True)
        for style, name in enumerate(grammar.NAMES):
            packed = Path(root) / "text" / f"yelp_sentiment.{published}.{style}.txt.gz"
            (folder / split / f"{name}.txt").write_bytes(gzip.decompress(packed.read_bytes()))
    return folder


def rewritten(model: gantlet.Model, folder: Path) -> list[tuple[list[str], list[str]]]:
    """Return test sentences of each style and what the model makes of them in the other one."""
    found = []
    for style, name in enumerate(grammar.NAMES):
        sources = (folder / "test" / f"{name}.txt").read_text().splitlines()[: JUDGED // 2]
        found.append((sources, model.rewrite(sources, to=grammar.NAMES[1 - style])))
    return found


def exactly(pairs: list[tuple[list[str], list[str]]], folder: Path) -> Row:
    """Return what the grammar says of sentences rewritten both ways, means over the two ways."""
    rows: list[dict[str, float]] = []
    for style, (sources, written) in enumerate(pairs):
        rows.append(grammar.check(sources, written, 1 - style))
        trained = (folder / "train" / f"{grammar.NAMES[1 - style]}.txt").read_text().splitlines()
        rows[-1]["copied"] = novelty(written, trained)["copied_share"]
    return {key: mean([row[key] for row in rows]) for key in rows[0]}


def one(data: str, seed: int, seconds: float) -> Row:
    """Train and judge one run."""
    out = Path(tempfile.mkdtemp(prefix="style-"))
    try:
        folder = grammar.write(out / "data", SENTENCES) if data == "grammar" else yelp(out / "data")
        model, facts = train("text_style", folder, out / "run", seconds=seconds, seed=seed, **OPTIONS[data])
        judgement = gantlet.evaluate(model, folder, num=JUDGED)
        pairs = rewritten(model, folder)
        shown = [both for sources, written in pairs for both in zip(sources[:5], written[:5], strict=True)]
        checked = exactly(pairs, folder) if data == "grammar" else {}
    finally:
        shutil.rmtree(out, ignore_errors=True)
    values = {name: value for name, value in judgement.values.items() if isinstance(value, int | float)}
    return {
        **facts, **values, **checked, "floor": dict(judgement.floor), "protocol": dict(judgement.protocol),
        "arguments": model.about["arguments"],
        "examples": [f"{before} -> {after}" for before, after in shown],
    }  # fmt: skip


def table() -> None:
    """Print all rows, grouped over seeds, as Markdown."""
    print("| data, budget | style (classifier) | BLEU-4 to the source | perplexity (real) | style, content, grammar |")
    print("| --- | ---: | ---: | ---: | --- |")
    for name, rows in ROWS.groups().items():
        exact = "-"
        if "grammatical" in rows[0]:
            shares = [f"{mean([row[key] for row in rows]):.1%}" for key in ("style", "content", "grammatical", "exact")]
            exact = f"{', '.join(shares[:3])}; all at once {shares[3]}"
        print(
            f"| {name.replace('/', ' ')} | {spread([100 * row['style_accuracy'] for row in rows])} % "
            f"| {mean([row['content_bleu4'] for row in rows]):.3f} "
            f"| {mean([row['perplexity'] for row in rows]):.1f} ({rows[0]['floor']['perplexity']:.1f}) | {exact} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clock", choices=("processor", "wall"), default="processor")
    given = parser.parse_args()
    if given.part == "table":
        table()
        return
    if given.clock == "processor":
        count_processor_seconds()
    budget = budget_of(given.seconds, given.clock)
    for seed in range(given.seeds):
        for data in given.data:
            with ROWS.alone(key := f"{data}/{budget}/seed{seed}") as mine:
                if mine:
                    ROWS.keep(key, one(data, seed, given.seconds))


if __name__ == "__main__":
    main()
