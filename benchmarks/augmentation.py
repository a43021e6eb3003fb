"""Does augmenting help? Real sets with rare classes, several generators each, in slices that resume.

    python benchmarks/augmentation.py run --data fashion_mnist     the arms, a generator per seed
    python benchmarks/augmentation.py imbalance --data mnist       FID of the rare classes: sampling, weights, neither
    python benchmarks/augmentation.py speed                        the whole command on a folder of 10,000 pictures
    python benchmarks/augmentation.py table                        print what is there as Markdown

GANTLET_DATA names the original files; medical/pneumoniamnist.npz lies there, too. Of fashion_mnist and mnist three
classes are cut by 97.5 % (the protocol of BAGAN), to 150 pictures; pneumonia is as it is. Every row is one generator,
tested with several classifiers on the whole test split, which no generator sees. Seconds are those of one core's
processor time (slices.count_processor_seconds), so several slices may run side by side, one a core.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from gantlet.augmenting import arms, augment, augment_report
from gantlet.augmenting.folder import read_manifest
from gantlet.augmenting.report import report_folder
from gantlet.data import open_images
from gantlet.judging import trained_classifier
from gantlet.media.image import write_image
from gantlet.metrics import Features, Moments, frechet_distance, precision_recall_density_coverage
from slices import Row, Rows, count_processor_seconds, mean, spread, train

ROWS = Rows("augmentation")
CUT = {"fashion_mnist": (2, 6, 8), "mnist": (3, 5, 8)}  # pullover, shirt, bag; three digits that look alike
KEPT = 0.025
WAYS: dict[str, dict[str, Any]] = {
    "as they come": {},
    "balanced": {"balance": 1.0},
    "balanced discriminator": {"balance": 1.0, "balance_side": "discriminator"},
    "balanced generator": {"balance": 1.0, "balance_side": "generator"},
    "weights": {"class_weights": 0.999},
}
PER_CLASS = 1000  # samples a rare class is judged by


def source(data: str, runs: Path) -> Path:
    """Return the set as a file with both parts, its rare classes cut; always the same pictures."""
    if data == "pneumonia":
        return Path(os.environ["GANTLET_DATA"]) / "medical" / "pneumoniamnist.npz"
    path = runs / f"{data}-cut.npz"
    if not path.is_file():
        parts = {part: open_images(data, split=part) for part in ("train", "test")}
        labels = parts["train"].labels
        assert labels is not None
        rng = np.random.default_rng(0)
        kept = np.ones(len(labels), bool)
        for label in CUT[data]:
            rows = rng.permutation(np.flatnonzero(labels == label))
            kept[rows[int(len(rows) * KEPT) :]] = False
        runs.mkdir(parents=True, exist_ok=True)
        np.savez(
            path, train_images=np.asarray(parts["train"].pixels[kept]), train_labels=labels[kept],
            test_images=np.asarray(parts["test"].pixels), test_labels=parts["test"].labels,
        )  # fmt: skip
    return path


def arms_of(data: str, seed: int, given: argparse.Namespace) -> None:
    """Augment with a generator of this seed and report, unless the row is there."""
    with ROWS.alone(f"{data}/arms/{given.seconds:g}s/seed{seed}") as free:
        if not free:
            return
        began = time.process_time()
        out = given.runs / f"{data}-{given.seconds:g}s-{seed}"
        augment(source(data, given.runs), out, seconds=given.seconds, seed=seed, quiet=True, note=print,
                classifier_samples=given.classifier_samples)  # fmt: skip
        lend(given.runs / f"{data}-{given.seconds:g}s-0", out, given.classifier_samples)
        report = augment_report(out, seeds=given.classifiers, note=print)
        found = {name: report.found[name] for name in ("arms", "effects", "verdict", "classes", "rare", "quality")}
        facts = {
            "verdict_on_copies": report.found["copies"]["finding"],
            "processor_seconds": time.process_time() - began,
        }
        ROWS.keep(f"{data}/arms/{given.seconds:g}s/seed{seed}", {**facts, **found})


def lend(first: Path, out: Path, samples: int) -> None:
    """Hand on what the arms without a GAN came to beside the first generator: they are the same for every one."""
    if first == out or read_manifest(first) is None:
        return
    theirs, ours = (report_folder(each, samples) for each in (first, out))
    ours.mkdir(parents=True, exist_ok=True)
    for arm in (arms.REAL, arms.OVERSAMPLING, arms.CLASSIC):
        for path in theirs.glob(f"{arm}-seed*.npz"):
            shutil.copyfile(path, ours / path.name)


def imbalance(data: str, way: str, seed: int, given: argparse.Namespace) -> None:
    """Train on the cut set in one way and judge each rare class by its test pictures, unless the row is there."""
    key = f"{data}/imbalance/{way}/{given.seconds:g}s/seed{seed}"
    with ROWS.alone(key) as free:
        if not free:
            return
        path = source(data, given.runs)
        out = given.runs / f"imbalance-{data}-{way.replace(' ', '-')}-{seed}"
        model, facts = train(None, path, out, seconds=given.seconds, seed=seed, **WAYS[way])
        whole = open_images(data)  # the judge knows the classes from all of their pictures
        judge = trained_classifier(whole)
        rare: Row = {}
        for label in CUT[data]:
            raw = model.to_raw(model.sample(PER_CLASS, seed=seed, label=label))
            rare[whole.classes[label]] = judged(judge, whole, open_images(data, split="test"), label, raw)
        numbers = {
            f"rare_{name}": mean([row[name] for row in rare.values()]) for name in ("fid_over_floor", "coverage")
        }
        ROWS.keep(key, {**facts, **numbers, "rare": rare})
        shutil.rmtree(out, ignore_errors=True)


def judged(judge: Features, whole: Any, test: Any, label: int, raw: np.ndarray) -> Row:
    """Return FID and coverage of samples of one class, and the FID's floor: as many of its training pictures."""

    def look(images: Any, rows: np.ndarray) -> Any:
        return judge(images.intensity.to_unit(images.pixels[rows]).permute(0, 3, 1, 2))[0]

    reference = look(test, np.flatnonzero(test.labels == label))
    floor = look(whole, np.flatnonzero(whole.labels == label)[:PER_CLASS])
    fake = judge(whole.intensity.to_unit(raw).permute(0, 3, 1, 2))[0]
    fids = [frechet_distance(Moments.of(some), Moments.of(reference)) for some in (fake, floor)]
    coverage = precision_recall_density_coverage(reference, fake)["coverage"]
    return {"fid": fids[0], "floor_fid": fids[1], "fid_over_floor": fids[0] / fids[1], "coverage": coverage}


def speed(given: argparse.Namespace) -> None:
    """Time the whole command on a folder of 10,000 pictures, from PNG files to the report."""
    key = f"folder-10000/speed/{given.seconds:g}s/seed0"
    with ROWS.alone(key) as free:
        if not free:
            return
        folder = given.runs / "folder-10000"
        images = open_images("fashion_mnist")
        assert images.labels is not None
        chosen = np.flatnonzero(np.isin(images.labels, CUT["fashion_mnist"], invert=True))[:9700]
        rare = [np.flatnonzero(images.labels == label)[:100] for label in CUT["fashion_mnist"]]
        for row in np.concatenate([chosen, *rare]):
            path = folder / str(images.labels[row]) / f"{row:05d}.png"
            if not path.is_file():
                write_image(path, np.asarray(images.pixels[row]))
        began = time.time()
        made = augment(folder, given.runs / "folder-10000-augmented", seconds=given.seconds, quiet=True, note=print)
        seconds = time.time() - began
        report = augment_report(made.out, seeds=given.classifiers, note=print)
        ROWS.keep(key, {"seconds": seconds, "with_report": time.time() - began, "added": sum(made.added.values()),
                        "verdict": report.verdict})  # fmt: skip


def table() -> None:
    groups = ROWS.groups()
    print(
        "| data, budget of the generator | arm | macro-F1 (generators) | balanced accuracy | recall of rare classes "
        "| calibration error | effect of the GAN against it |\n| --- | --- | ---: | ---: | ---: | ---: | --- |"
    )
    for name, rows in groups.items():
        if "/arms/" in name:
            for arm, title in arms.NAMES.items():
                if there := [row for row in rows if arm in row["arms"]]:
                    print(arm_line(name, title, arm, there))
    print("\n| data, budget | rare classes | FID x floor (seeds) | coverage |\n| --- | --- | ---: | ---: |")
    for name, rows in groups.items():
        if "/imbalance/" in name:
            data, _, way, seconds = name.split("/")
            fids = spread([row["rare_fid_over_floor"] for row in rows])
            print(f"| {data} {seconds} | {way} | {fids} | {mean([row['rare_coverage'] for row in rows]):.2f} |")
    for name, rows in groups.items():
        for row in rows:
            if "/arms/" in name:
                print(f"\n{name}: {row['verdict']} {row['verdict_on_copies']}")
            elif "/speed/" in name:
                print(f"\n{name}: {row['seconds']:.0f} s, with the report {row['with_report']:.0f} s")


def arm_line(name: str, title: str, arm: str, rows: list[Row]) -> str:
    """Return a row of the table of arms: means over classifiers, then over generators."""
    data, _, seconds = name.split("/")

    def number(key: str) -> str:
        return spread([100 * row["arms"][arm][key]["mean"] for row in rows], 2)

    rare = [100 * mean([row["arms"][arm]["recalls"][y]["mean"] for y in row["rare"]]) for row in rows]
    told = "; ".join(
        f"{row['effects'][arm]['verdict']} {100 * row['effects'][arm]['size']:+.2f}"
        for row in rows
        if arm in row["effects"]
    )
    return (f"| {data} {seconds} | {title} | {number('macro_f1')} | {number('balanced_accuracy')} | {spread(rare, 2)} "
            f"| {number('calibration_error')} | {told} |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "imbalance", "speed", "table"))
    parser.add_argument("--data", nargs="+", choices=(*CUT, "pneumonia"), default=[*CUT, "pneumonia"])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=["as they come", "balanced", "weights"])
    parser.add_argument("--seconds", type=float, default=300, help="of training a generator")
    parser.add_argument("--seeds", type=int, default=3, help="generators")
    parser.add_argument("--classifiers", type=int, default=3, help="seeds of each arm")
    parser.add_argument("--classifier-samples", type=int, default=60_000)
    parser.add_argument("--runs", type=Path, default=Path("runs/augmentation"))
    given = parser.parse_args()
    if given.part == "table":
        table()
        return
    if given.part == "speed":
        speed(given)
        return
    count_processor_seconds()
    for seed in range(given.seeds):
        for data in given.data:
            if given.part == "run":
                arms_of(data, seed, given)
            elif data in CUT:
                for way in given.ways:
                    imbalance(data, way, seed, given)


if __name__ == "__main__":
    main()
