"""Translation against what learns next to nothing, in slices that resume: rows and unfinished trainings are kept.

    python benchmarks/translation.py membranes --seconds 1800               pix2pix, and the same network with L1 alone
    python benchmarks/translation.py phantoms --seconds 1800                MR into CT in Hounsfield units, 16 bits
    python benchmarks/translation.py unpaired --forms thick coloured --seconds 1800
    python benchmarks/translation.py styles --seconds 1800                  three styles made by rule, in one model
    python benchmarks/translation.py paintings --seconds 1800               three paintings: a sheet below --runs
    python benchmarks/translation.py table                                  print what is there as Markdown

GANTLET_DATA names the folder with pairs, mnist, fewshot, superres and style. Seconds are those that one core computes,
or with `--clock wall` those of the clock.

membranes: ISBI 2012, slices 0 to 23 to train on and 24 to 29 to test; membranes are found where the picture is below a
threshold chosen on slices 0 to 3 for each model, and for the look-up table; F1 of thinned membranes within 3 pixels,
and of all their pixels exactly. phantoms: 400 slices to train on, 60 to test, by rule (picture_rules.py); mean
absolute error in HU within the body, and within 2 pixels of a border between tissues; the table is the better of mean
and median of the target per intensity (256 levels). unpaired: MNIST digits 0 to 4999 against the other form of digits
5000 to 9999; 1,000 test digits whose pairs are known; mean absolute error in 1/255, both ways; moments: mean and
deviation of each channel matched. styles: photographs and styles are of different halves of the same pictures (Set14,
scikit-learn's) and of different shoes; tested on Set5 and ten other shoes; a classifier of 64 x 64 crops of photographs
and true styles says what a crop is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.morphology import skeletonize

import floors
import gantlet
import picture_data as pictures
from gantlet.applying.sheet import contact_sheet, thumbnail
from gantlet.data import Intensity, open_images
from gantlet.media.image import read_image, write_image
from gantlet.metrics.similarity import boundary_f1, edge_spectrum_distance
from picture_data import Named, Pixels, array, averages, decibels, measure, tensor, to_bytes
from picture_rules import AIR_HU, FORMS, STYLES, Phantom, phantom
from slices import Row, Rows

ROWS = Rows("translation")
PARTS = ("membranes", "phantoms", "unpaired", "styles", "paintings")
SLICES, TRAINED_SLICES, TUNED_SLICES = 30, 24, 4
PHANTOMS, TESTED_PHANTOMS = 400, 60
DIGITS, TESTED_DIGITS = 5000, 1000
CROP = 64
ARMS: dict[str, dict[str, Any]] = {"pix2pix": {}, "L1": {"adversarial_weight": 0}}
BYTES = Intensity(0, 255, "uint8")


def place_pairs(folder: Path, train: list[tuple[Pixels, Pixels]], test: list[tuple[Pixels, Pixels]]) -> Path:
    """Write pairs into trainA, trainB, testA and testB, A the source."""
    named: Named = {}
    for part, pairs in (("train", train), ("test", test)):
        for number, (source, target) in enumerate(pairs):
            named |= {f"{part}A/{number:04d}": source, f"{part}B/{number:04d}": target}
    return pictures.place(folder, named)


# Membranes


def slices() -> list[tuple[Pixels, Pixels]]:
    """Return all (photograph, map) of ISBI 2012; 0 in a map is membrane."""
    named = pictures.archived(pictures.shared("pairs", "isbi2012_membrane.zip"), "L")
    return [(named[f"image/{number}"], named[f"label/{number}"]) for number in range(SLICES)]


def membranes(given: argparse.Namespace, seed: int) -> None:
    for arm, own in ARMS.items():

        def work(arm: str = arm, own: dict[str, Any] = own) -> Row:
            pairs = slices()
            train, test = pairs[:TRAINED_SLICES], pairs[TRAINED_SLICES:]
            data = place_pairs(given.runs / "data" / "membranes", train, test)
            out = given.runs / f"membranes-{arm}-{given.budget}-{seed}"
            options = {"seed": seed, "flips": "all", **own, **given.options}
            model, facts = pictures.train("pix2pix", data, out, seconds=given.seconds, **options)
            sources, targets = (np.stack([pair[side] for pair in train]) / 255 for side in (0, 1))
            table = floors.LookUpTable.fit(sources, targets)

            def made(pair: tuple[Pixels, Pixels]) -> Pixels:
                return array(model.apply(tensor(pair[0])))

            def looked_up(pair: tuple[Pixels, Pixels]) -> Pixels:
                return table(pair[0] / 255)

            return {**facts, **found(made, train, test, ""), **found(looked_up, train, test, "table_")}

        measure(ROWS, f"membranes/{arm}/{given.budget}/seed{seed}", work)


def found(method: Any, train: list[tuple[Pixels, Pixels]], test: list[tuple[Pixels, Pixels]], name: str) -> Row:
    """Return F1 of the membranes that a method finds in the test slices, and its detail against the true map."""
    tuned = [(method(pair), pair[1]) for pair in train[:TUNED_SLICES]]
    quantiles = np.quantile(np.stack([each for each, _ in tuned]), np.arange(0.1, 0.6, 0.05))
    thresholds = sorted({0.5, *map(float, quantiles)})
    best = max(thresholds, key=lambda threshold: sum(f1(made, wanted, threshold) for made, wanted in tuned))
    made = [(method(pair), pair[1]) for pair in test]
    return {
        f"{name}f1": float(np.mean([f1(each, wanted, best) for each, wanted in made])), f"{name}threshold": best,
        f"{name}f1_at_half": float(np.mean([f1(each, wanted, 0.5) for each, wanted in made])),
        f"{name}pixel_f1": float(np.mean([f1(each, wanted, best, False) for each, wanted in made])),
        f"{name}detail": float(np.mean([detail(each, wanted / 255) for each, wanted in made])),
    }  # fmt: skip


def f1(made: Pixels, wanted: Pixels, threshold: float, thin: bool = True) -> float:
    """Return F1 of thinned membranes within 3 pixels, or of all their pixels exactly."""
    both = [made[..., 0] <= threshold, wanted[..., 0] < 128]
    if thin:
        both = [skeletonize(each) for each in both]
    first, second = (torch.from_numpy(each)[None, None] for each in both)
    return float(boundary_f1(first, second, 3.0 if thin else 0.0))


def detail(made: Pixels, wanted: Pixels) -> float:
    return float(edge_spectrum_distance(tensor(made.astype(float)), tensor(wanted), 2))


# Phantoms


def phantoms(given: argparse.Namespace, seed: int) -> None:
    for arm, own in ARMS.items():

        def work(arm: str = arm, own: dict[str, Any] = own) -> Row:
            made = [phantom(number) for number in range(PHANTOMS + TESTED_PHANTOMS)]
            train, test = made[:PHANTOMS], made[PHANTOMS:]
            data = place_pairs(
                given.runs / "data" / "phantoms", *([(each.mr, each.ct) for each in part] for part in (train, test))
            )
            out = given.runs / f"phantoms-{arm}-{given.budget}-{seed}"
            options = {"seed": seed, **own, **given.options}
            model, facts = pictures.train("pix2pix", data, out, seconds=given.seconds, **options)
            about = model.about["data"]
            maps = [Intensity.from_json(about[f"{side}_intensity"]) for side in ("source", "target")]
            results = [
                maps[1].to_raw(model.apply(maps[0].to_unit(each.mr[None]).permute(0, 3, 1, 2)))[0, 0, :, :, None]
                for each in test
            ]
            hounsfield = [each.astype(np.float64) - AIR_HU for each in results]
            return {
                **facts, **errors(hounsfield, test, ""), **best_table(train, test),
                **round_trip(out, data, results, maps),
            }  # fmt: skip

        measure(ROWS, f"phantoms/{arm}/{given.budget}/seed{seed}", work)


def errors(made: list[Pixels], test: list[Phantom], name: str) -> Row:
    """Return the mean absolute error in HU within the body and at borders, and the distance of fine detail."""
    rows = []
    for each, true in zip(made, test):
        wanted = true.ct.astype(np.float64) - AIR_HU
        off = np.abs(each - wanted)[..., 0]
        first, second = (torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)[None])) for x in (each, wanted))
        rows.append({
            f"{name}body_hu": float(off[true.body].mean()), f"{name}borders_hu": float(off[true.borders].mean()),
            f"{name}detail": float(edge_spectrum_distance(first, second, 3000.0)),
        })  # fmt: skip
    return averages(rows)


def best_table(train: list[Phantom], test: list[Phantom]) -> Row:
    """Return the errors of the better of two tables: the mean of the target of each intensity, and the median."""
    top = max(int(each.mr.max()) for each in train)
    sources, targets = np.stack([each.mr for each in train]) / top, np.stack([each.ct for each in train]).astype(float)
    mean = floors.LookUpTable.fit(sources, targets)
    levels, values = np.rint(sources * 255).astype(int).ravel(), targets.ravel()
    order = np.argsort(levels, kind="stable")
    cuts = np.searchsorted(levels[order], np.arange(1, 256))
    middles = [np.median(part) if len(part) else np.nan for part in np.split(values[order], cuts)]
    seen = np.flatnonzero(~np.isnan(middles))
    median = floors.LookUpTable(np.interp(np.arange(256), seen, np.array(middles)[seen])[:, None])
    both = [errors([t(each.mr / top) - AIR_HU for each in test], test, "table_") for t in (mean, median)]
    return min(both, key=lambda row: row["table_body_hu"])


def round_trip(run: Path, data: Path, results: list[Pixels], maps: list[Intensity]) -> Row:
    """Return how many values are not exactly what they were: raw to [-1, 1] and back, and through 16-bit files."""
    lost = 0
    for each in maps:
        raw = np.arange(int(each.high) + 1, dtype=np.uint16)
        lost += int((each.to_raw(each.to_unit(raw)) != raw).sum())
    made = run.parent / f"{run.name}-made"
    code, said, _, _ = pictures.command("apply", run, data / "testA", "--out", made, "--quiet")
    wrong = 0
    for number, wanted in enumerate(results):
        path = made / f"{number:04d}.png"
        there = read_image(path) if code == 0 and path.is_file() else np.zeros_like(wanted)
        wrong += int((there != wanted).sum()) if there.dtype == np.uint16 else wanted.size
    return {"map_values_lost": lost, "file_values_off": wrong, "command_said": said.strip()}


# Digits, unpaired


def unpaired(given: argparse.Namespace, seed: int) -> None:
    for name in given.forms:

        def work(name: str = name) -> Row:
            form, part = FORMS[name], {}
            for split in ("train", "test"):
                part[split] = np.asarray(open_images("mnist", split=split).pixels)
            arrays = {
                "source": part["train"][:DIGITS], "target": form(part["train"][DIGITS : 2 * DIGITS]),
                "test_source": part["test"][:TESTED_DIGITS], "test_target": form(part["test"][:TESTED_DIGITS]),
            }  # fmt: skip
            data = given.runs / "data" / f"digits-{name}.npz"
            data.parent.mkdir(parents=True, exist_ok=True)
            if not data.is_file():
                np.savez(data.with_suffix(".part.npz"), **arrays)  # type: ignore[arg-type]
                data.with_suffix(".part.npz").rename(data)
            out = given.runs / f"unpaired-{name}-{given.budget}-{seed}"
            options = {"seed": seed, **given.options}
            model, facts = pictures.train("cyclegan", data, out, seconds=given.seconds, **options)
            return {**facts, **both_ways(model, arrays)}

        measure(ROWS, f"unpaired/{name}/{given.budget}/seed{seed}", work)


def both_ways(model: gantlet.Model, arrays: Named) -> Row:
    """Return the error of each direction beside that of no translation and of matched moments, in 1/255."""
    row: Row = {}
    for direction, sides in (("forward", ("source", "target")), ("backward", ("target", "source"))):
        given, wanted = (arrays[f"test_{side}"].astype(np.float64) for side in sides)
        unit = torch.from_numpy((given / 127.5 - 1).astype(np.float32)).permute(0, 3, 1, 2)
        made = [BYTES.to_raw(model.apply(each, direction=direction)) for each in unit.split(100)]
        same, pair = (like(x, wanted.shape[3]) for x in (given, arrays[sides[0]].astype(np.float64)))
        mean, deviation = pair.mean((0, 1, 2)), pair.std((0, 1, 2)) + 1e-9
        target = arrays[sides[1]].astype(np.float64)
        matched = (same - mean) / deviation * target.std((0, 1, 2)) + target.mean((0, 1, 2))
        results = {
            direction: np.concatenate(made).transpose(0, 2, 3, 1), f"{direction}_untranslated": same,
            f"{direction}_moments": matched.clip(0, 255),
        }  # fmt: skip
        row |= {name: float(np.abs(each - wanted).mean()) for name, each in results.items()}
    return row


def like(given: Pixels, channels: int) -> Pixels:
    """Return pictures [N, H, W, C] with so many channels: grey repeated, colour averaged."""
    return np.repeat(given.mean(3, keepdims=True), channels, 3) if given.shape[3] != channels else given


# Styles


def photographs() -> tuple[Named, Named, Named]:
    """Return the photographs to be stylised, those that styles are made of, and those to test on, in [0, 1]."""
    shoes = pictures.archived(pictures.shared("fewshot", "shoes_100_256.zip"), "RGB")
    natural = {n: x for n, x in pictures.set14(None).items() if x.shape[2] == 3 and n != "face"}  # face is Set5's head
    natural |= pictures.sample_photographs("RGB")
    sides: tuple[Named, Named, Named] = ({}, {}, {})
    for name, picture in natural.items():
        middle = picture.shape[1] // 2
        sides[0][name], sides[1][name] = picture[:, :middle] / 255, picture[:, middle:] / 255
    for number, (name, picture) in enumerate(shoes.items()):
        sides[0 if number < 45 else 1 if number < 90 else 2][f"shoe{name}"] = picture / 255
    sides[2].update({name: picture / 255 for name, picture in pictures.set5().items()})
    return sides


def crops(picture: Pixels) -> list[Pixels]:
    """Return crops of 64 x 64, side by side, all that fit."""
    height, width = (side // CROP * CROP for side in picture.shape[:2])
    places = [(top, left) for top in range(0, height, CROP) for left in range(0, width, CROP)]
    return [picture[top : top + CROP, left : left + CROP] for top, left in places]


def styles(given: argparse.Namespace, seed: int) -> None:
    def work() -> Row:
        sources, others, test = photographs()
        data = pictures.place_parts(given.runs / "data" / "photographs", *(
            {name: to_bytes(each) for name, each in part.items()} for part in (sources, test)
        ))  # fmt: skip
        made = {f"{s}/{n}": to_bytes(style(each)) for s, style in STYLES.items() for n, each in others.items()}
        target = pictures.place(given.runs / "data" / "styles", made)
        out = given.runs / f"styles-{given.budget}-{seed}"
        options = {"seed": seed, "resolution": CROP, **given.options}
        model, facts = pictures.train("stylize", data, out, seconds=given.seconds, target=target, **options)
        judge = classifier(given, others, test)
        return {**facts, **judged(model, judge, test)}

    measure(ROWS, f"styles/{given.budget}/seed{seed}", work)


def classifier(given: argparse.Namespace, others: Named, test: Named) -> gantlet.Model:
    """Return what tells photographs and the true styles apart, trained on crops once."""
    data = given.runs / "data" / "styles-crops.npz"
    if not data.is_file():
        arrays: dict[str, Any] = {}
        for part, named in (("train", others), ("test", test)):
            ways = [lambda x: x, *STYLES.values()]
            cut = [[c for each in named.values() for c in crops(to_bytes(way(each)))] for way in ways]
            arrays[f"{part}_images"] = np.stack([crop for each in cut for crop in each])
            arrays[f"{part}_labels"] = np.repeat(np.arange(len(cut)), [len(each) for each in cut])
        np.savez(data.with_suffix(".part.npz"), **arrays)
        data.with_suffix(".part.npz").rename(data)
    seconds = given.classifier_seconds
    options = dict(strides=[2, 2, 2, 2], total_samples=40_000, samples=40_000, seconds=seconds)
    return pictures.train("classifier", data, given.runs / f"styles-classifier-{seconds:g}", **options)[0]


def judged(model: gantlet.Model, judge: gantlet.Model, test: Named) -> Row:
    """Return accuracy of made and of true styles, PSNR to the true ones, and that of the photographs themselves."""
    row: Row = {}
    for number, (name, style) in enumerate(STYLES.items(), 1):
        numbers = []
        for picture in test.values():
            true = to_bytes(style(picture)) / 255
            made = array(model.apply(tensor(picture), style=number))
            numbers.append({
                "accuracy": hits(judge, made, number), "true_accuracy": hits(judge, true, number),
                "psnr": decibels(made, true), "untranslated_psnr": decibels(picture, true),
                "detail": detail(made, true), "untranslated_detail": detail(picture, true),
            })  # fmt: skip
        row |= {f"{name[2:]}_{key}": each for key, each in averages(numbers).items()}
    names = {key.partition("_")[2] for key in row}
    return {**row, **{key: float(np.mean([row[f"{name[2:]}_{key}"] for name in STYLES])) for key in names}}


def hits(judge: gantlet.Model, picture: Pixels, label: int) -> float:
    """Return the share of a picture's crops that are taken for a class."""
    batch = torch.cat([tensor(crop.astype(float)) for crop in crops(picture)])
    assert judge.recipe.apply is not None
    with torch.inference_mode():
        logits = judge.recipe.apply(judge.nets, batch)
    return float((logits.argmax(1) == label).double().mean())


def paintings(given: argparse.Namespace, seed: int) -> None:
    def work() -> Row:
        sources, _, test = photographs()
        data = pictures.place_parts(given.runs / "data" / "photographs", *(
            {name: to_bytes(each) for name, each in part.items()} for part in (sources, test)
        ))  # fmt: skip
        names = sorted(path.stem for path in pictures.shared("style").glob("*.jpg"))
        painted = {f"{name}/{name}": read_image(pictures.shared("style", f"{name}.jpg"))[::2, ::2] for name in names}
        target = pictures.place(given.runs / "data" / "paintings", painted)
        out = given.runs / f"paintings-{given.budget}-{seed}"
        options = {"seed": seed, "resolution": CROP, **given.options}
        model, facts = pictures.train("stylize", data, out, seconds=given.seconds, target=target, **options)
        rows = []
        for picture in list(test.values())[-5:]:
            made = [array(model.apply(tensor(picture), style=1 + number)) for number in range(len(names))]
            rows.append([thumbnail(to_bytes(each), BYTES) for each in (picture, *made)])
        sheet = given.runs / f"{out.name}.png"
        write_image(sheet, contact_sheet(rows))
        return {**facts, "sheet": str(sheet), "styles": names}

    measure(ROWS, f"paintings/{given.budget}/seed{seed}", work)


def table() -> None:
    speed = {"samples/s": ("samples_per_second", 0)}
    pictures.print_table(ROWS, "membranes", {
        "F1": ("f1", 3), "at half": ("f1_at_half", 3), "pixel F1": ("pixel_f1", 3), "detail": ("detail", 3),
        "table F1": ("table_f1", 3), "table pixel F1": ("table_pixel_f1", 3), **speed,
    })  # fmt: skip
    pictures.print_table(ROWS, "phantoms", {
        "HU in body": ("body_hu", 1), "at borders": ("borders_hu", 1), "detail": ("detail", 3),
        "table in body": ("table_body_hu", 1), "table at borders": ("table_borders_hu", 1),
        "values lost": ("map_values_lost", 0), "file values off": ("file_values_off", 0), **speed,
    })  # fmt: skip
    ways = ("forward", "backward")
    columns = {f"{way}{more.replace('_', ', ')}": (f"{way}{more}", 1)
               for way in ways for more in ("", "_untranslated", "_moments")}  # fmt: skip
    pictures.print_table(ROWS, "unpaired", {**columns, **speed})
    names = {"accuracy": 3, "true_accuracy": 3, "psnr": 2, "untranslated_psnr": 2, "detail": 3}
    each = {f"{style[2:]} {name}": (f"{style[2:]}_{name}", names[name])
            for style in STYLES for name in ("accuracy", "psnr")}  # fmt: skip
    means = {name.replace("_", " "): (name, digits) for name, digits in names.items()}
    pictures.print_table(ROWS, "styles", {**means, **each, **speed})
    pictures.print_table(ROWS, "paintings", speed)


def main() -> None:
    parser = pictures.arguments(__doc__, PARTS, "translation", 1200)
    parser.add_argument("--forms", nargs="+", choices=tuple(FORMS), default=["thick", "coloured"])
    parser.add_argument("--classifier-seconds", type=float, default=240, help="styles: of the judge, at most")
    given = pictures.read(parser)
    if given.part == "table":
        table()
        return
    parts = {"membranes": membranes, "phantoms": phantoms, "unpaired": unpaired, "styles": styles}
    for seed in given.seeds:
        {**parts, "paintings": paintings}[given.part](given, seed)


if __name__ == "__main__":
    sys.exit(main())
