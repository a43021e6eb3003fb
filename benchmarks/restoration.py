"""Restoration against what learns nothing, in slices that resume: rows, and trainings that are not finished, are kept.

    python benchmarks/restoration.py superres --scale 4 2 --seconds 2400 --adversarial-seconds 1200
    python benchmarks/restoration.py denoise --seconds 1800                  sigma 25, Set14
    python benchmarks/restoration.py unpaired --noise poisson --seconds 1800 signal-dependent noise, no clean twins
    python benchmarks/restoration.py inpaint --data textures photographs --seconds 1800
    python benchmarks/restoration.py table                                   print what is there as Markdown

GANTLET_DATA names the folder that holds superres. Trained on grey photographs: BSD68, which is a test set elsewhere,
and the two that scikit-learn ships; numbers on BSD68 itself are therefore not given. Tested on Set5 and Set14, of which
nothing is trained on (one photograph is in both). Seconds are those that one core computes, or with `--clock wall`
those of the clock, and rates fall within them (src/gantlet/pacing.py); srgan's two stages have a budget each.

superres: Y of BT.601 (16 to 235) of Set5, made smaller by bicubic (a = -.5, antialiased) and rounded to 8 bits; PSNR
and SSIM of Y, results rounded to 8 bits too, a border of `scale` pixels left out; "detail" is the distance of the
power spectra of fine detail (metrics/similarity.py); "features" is the mean distance between features of 32 x 32 tiles
as a share of that between two tiles of the truth, on a classifier trained on the labelled photographs of --judge.
denoise: Gaussian noise of sigma 25 on 8-bit grey, not clipped.
unpaired: half of the photographs are noisy, the others clean; "poisson" is counts of 30 at white and sigma 5,
"speckle" is intensity times (1 + .25 n) and sigma 5, clipped and rounded to 8 bits; "paired" is the same network
trained with the true noise, "white" with Gaussian noise of the same mean variance. inpaint: crops of 96 x 96 (textures
of two waves, made by rule) or 128 x 128, half of the holes rectangles, half strokes; PSNR in the hole, beside the
biharmonic equation's and that of what the quick settings begin with, which learns nothing (layers/shift_fill.py).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import floors
import gantlet
import picture_data as pictures
from gantlet.data import open_images
from gantlet.judging import extractor
from gantlet.layers import corruption, masks
from gantlet.layers.degradations import downscale
from gantlet.layers.shift_fill import self_fill
from gantlet.media.image import read_image, write_image
from gantlet.metrics.similarity import crop_border, edge_spectrum_distance, hole_psnr, psnr, ssim
from picture_data import Named, Pixels, array, averages, decibels, measure, tensor, to_bytes
from slices import Row, Rows

ROWS = Rows("restoration")
PARTS = ("superres", "denoise", "unpaired", "inpaint")
SIGMA = 25.0
TILE = 32  # side of what the judge of features sees
NOISES: dict[str, dict[str, float]] = {
    "poisson": {"events": 30.0, "sigma": 5.0}, "speckle": {"multiplicative": 0.25, "sigma": 5.0},
}  # fmt: skip
DENOISERS: dict[str, dict[str, Any]] = {"sigma25": {}, "sigma25_no_adversary": {"adversarial_weight": 0}}
TEXTURES, TEXTURE_SIDE, PHOTOGRAPH_SIDE = 600, 96, 128
TESTED = 30  # textures that are filled


def photographs(runs: Path, name: str = "photographs", half: slice = slice(None)) -> Path:
    """Return the folder of the grey photographs, or of some of them; Set5 as their test part is only looked at."""
    chosen = dict(list(pictures.grey_photographs().items())[half])
    return pictures.place_parts(runs / "data" / name, chosen, pictures.set5("L"))


# Super-resolution


def superres(given: argparse.Namespace, seed: int) -> None:
    for scale in given.scale:
        key = f"superres/x{scale}"
        stages = [f"{key}/{stage}/{given.budget}/seed{seed}" for stage in ("L1", "adversarial")]
        if all(stage in ROWS.read() for stage in stages):
            continue
        data = photographs(given.runs)
        out = given.runs / f"superres-x{scale}-{given.budget}-{seed}"
        options: dict[str, Any] = {"scale": scale, "seed": seed, **given.options}
        options.setdefault("warm_up", first_stage(data, out, given.seconds, options))

        def first(options: dict[str, Any] = options, data: Path = data, out: Path = out, scale: int = scale) -> Row:
            model, facts = pictures.train("srgan", data, out, samples=options["warm_up"], **options)
            return {**facts, **enlarged(model, scale, given.judge)}

        measure(ROWS, stages[0], first)
        if stages[0] not in ROWS.read():  # it is being measured beside, and this run is its run
            continue

        def second(options: dict[str, Any] = options, data: Path = data, out: Path = out, scale: int = scale) -> Row:
            both = given.seconds + given.adversarial_seconds
            model, facts = pictures.train("srgan", data, out, seconds=both, **options)
            return {**facts, **enlarged(model, scale, given.judge)}

        measure(ROWS, stages[1], second)


def first_stage(data: Path, out: Path, seconds: float, options: dict[str, Any]) -> int:
    """Return the samples of the L1 stage that `seconds` hold, by a short training; kept, so that the run resumes."""
    kept = out.parent / f"{out.name}.pace.json"
    if not kept.is_file():
        probe = out.parent / f"{out.name}.probe-{os.getpid()}"
        endless = {**options, "warm_up": 10**12}
        _, facts = pictures.train("srgan", data, probe, seconds=min(0.04 * seconds, 15.0), **endless)
        shutil.rmtree(probe)
        kept.write_text(json.dumps(max(int(facts["samples_per_second"] * seconds), 1)))
    return int(json.loads(kept.read_text()))


def enlarged(model: gantlet.Model, scale: int, judge: str) -> Row:
    """Return what a model and bicubic make of Set5."""
    rows: list[Row] = []
    crops: dict[str, list[Tensor]] = {"": [], "bicubic_": [], "true": []}
    for picture in pictures.set5().values():
        height, width = (side // scale * scale for side in picture.shape[:2])
        wanted = pictures.luma(picture[:height, :width])
        small = to_bytes(array(downscale(tensor(wanted / 255), scale)))
        made = {"": array(model.apply(tensor(small))), "bicubic_": floors.bicubic(small / 255, scale)}
        row: Row = {}
        for name, each in made.items():
            first, second = (crop_border(as_grey(x), scale) for x in (np.rint(each * 255), wanted))
            row[f"{name}psnr"] = float(psnr(first, second, 255))
            row[f"{name}ssim"] = float(ssim(first, second, 255))
            row[f"{name}detail"] = float(edge_spectrum_distance(first, second, 255))
            crops[name].append(tiles(first))
        crops["true"].append(tiles(second))
        rows.append(row)
    features = extractor("classifier", open_images(judge), note=print)
    found = {name: features(torch.cat(each))[0].double() for name, each in crops.items()}
    apart = torch.pdist(found["true"]).mean()
    distances = {f"{name}features": float((found[name] - found["true"]).norm(dim=1).mean() / apart)
                 for name in ("", "bicubic_")}  # fmt: skip
    return {**averages(rows), **distances, "judge": features.name, "each_psnr": [row["psnr"] for row in rows]}


def tiles(picture: Tensor) -> Tensor:
    """Return all whole tiles of a grey picture [1, 1, H, W] in [0, 255], [N, 1, 32, 32] in [-1, 1]."""
    cut = picture.unfold(2, TILE, TILE).unfold(3, TILE, TILE).reshape(-1, 1, TILE, TILE)
    return (cut / 127.5 - 1).float()


def as_grey(picture: Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float64))


# Denoising


def denoise(given: argparse.Namespace, seed: int) -> None:
    """Measure the recipe, and the same network without its adversary."""
    for arm, own in DENOISERS.items():
        denoise_arm(given, seed, arm, own)


def denoise_arm(given: argparse.Namespace, seed: int, arm: str, own: dict[str, Any]) -> None:
    def work() -> Row:
        data, out = photographs(given.runs), given.runs / f"denoise-{arm}-{given.budget}-{seed}"
        options = {"sigma": SIGMA, "seed": seed, **own, **given.options}
        model, facts = pictures.train("denoise", data, out, seconds=given.seconds, **options)
        noisy = {
            name: clean / 255 + SIGMA / 255 * np.random.default_rng(number).standard_normal(clean.shape)
            for number, (name, clean) in enumerate(pictures.set14().items())
        }
        return {**facts, **cleaned(model, noisy, SIGMA / 255)}

    measure(ROWS, f"denoise/{arm}/{given.budget}/seed{seed}", work)


def cleaned(model: gantlet.Model, noisy: Named, sigma: float) -> Row:
    """Return PSNR and detail of a model, of non-local means with the mean sigma, and of doing nothing, over Set14."""
    rows = []
    for name, clean in pictures.set14().items():
        wanted, given = clean / 255, noisy[name]
        made = {"": array(model.apply(tensor(given))), "nlm_": floors.non_local_means(given, sigma).clip(0, 1),
                "noisy_": given}  # fmt: skip
        row: Row = {}
        for method, each in made.items():
            row[f"{method}psnr"] = decibels(each, wanted)
            row[f"{method}detail"] = float(edge_spectrum_distance(as_grey(each), as_grey(wanted), 1))
        rows.append(row)
    return {**averages(rows), "each_psnr": [row["psnr"] for row in rows]}


def worn(clean: Pixels, noise: dict[str, float], number: int) -> Pixels:
    """Return an 8-bit picture with signal-dependent noise, by the very functions that the recipe has."""
    rng = np.random.default_rng(number)
    x = torch.from_numpy(clean.astype(np.float32) / 255)
    if "multiplicative" in noise:
        x = corruption.multiplicative(x, noise["multiplicative"], normal(rng, clean))
    if "events" in noise:
        x = corruption.poisson(x, noise["events"], normal(rng, clean))
    return to_bytes(corruption.gaussian(x, noise["sigma"] / 255, normal(rng, clean)).double().numpy())


def normal(rng: np.random.Generator, like: Pixels) -> Tensor:
    return torch.from_numpy(rng.standard_normal(like.shape).astype(np.float32))


def mean_sigma(named: Named, noise: dict[str, float]) -> float:
    """Return the root of the mean variance that a noise has on pictures, in grey levels, before clipping."""
    x = np.concatenate([each.ravel() for each in named.values()]) / 255
    variance = (noise["sigma"] / 255) ** 2 + np.zeros_like(x)
    variance += x / noise["events"] if "events" in noise else 0
    variance += (x * noise["multiplicative"]) ** 2 if "multiplicative" in noise else 0
    return float(255 * np.sqrt(variance.mean()))


def unpaired(given: argparse.Namespace, seed: int) -> None:
    """Measure the three arms of each noise: unpaired, the paired oracle, and white noise."""
    for kind in given.noise:
        noise, named = NOISES[kind], pictures.grey_photographs()
        names = list(named)
        clean = photographs(given.runs, "photographs-clean", slice(0, None, 2))
        tested = {n: worn(each, noise, 1000 + i) for i, (n, each) in enumerate(pictures.set5("L").items())}
        noisy = {n: worn(named[n], noise, i) for i, n in enumerate(names[1::2])}
        dirty = pictures.place_parts(given.runs / "data" / f"photographs-{kind}", noisy, tested)
        sigma = mean_sigma({n: named[n] for n in names[::2]}, noise)
        bare = {"adversarial_weight": 0, "clip": True}
        arms: dict[str, tuple[str, Path, dict[str, Any]]] = {
            "unpaired": ("denoise_unpaired", dirty, {"target": clean}),
            "paired": ("denoise", clean, {**bare, **noise}),
            "white": ("denoise", clean, {**bare, "sigma": sigma}),
        }
        for arm, (recipe, data, options) in arms.items():

            def work(
                recipe: str = recipe, data: Path = data, own: dict[str, Any] = options, arm: str = arm,
                kind: str = kind, noise: dict[str, float] = noise, sigma: float = sigma,
            ) -> Row:  # fmt: skip
                out = given.runs / f"unpaired-{kind}-{arm}-{given.budget}-{seed}"
                options = {**own, "seed": seed, **given.options}
                model, facts = pictures.train(recipe, data, out, seconds=given.seconds, **options)
                worn14 = {
                    name: worn(each, noise, 2000 + number) / 255
                    for number, (name, each) in enumerate(pictures.set14().items())
                }
                return {**facts, "noise": noise, "sigma": sigma, **cleaned(model, worn14, sigma / 255)}

            measure(ROWS, f"unpaired/{kind}/{arm}/{given.budget}/seed{seed}", work)


# Inpainting


def texture(number: int) -> Pixels:
    """Return a periodic texture [S, S, 3] uint8: two waves of any direction, a random profile, two colours."""
    rng = np.random.default_rng(70_000 + number)
    down, across = np.mgrid[:TEXTURE_SIDE, :TEXTURE_SIDE]
    turn = rng.uniform(0, np.pi)
    total = np.zeros((TEXTURE_SIDE, TEXTURE_SIDE))
    for angle in (turn, turn + np.pi / 2 * rng.uniform(0.7, 1.3)):
        phase = (np.cos(angle) * across + np.sin(angle) * down) / rng.uniform(6, 16) + rng.uniform()
        wave = np.sin(2 * np.pi * phase)
        total += np.tanh(rng.uniform(0.5, 4) * wave) * rng.uniform(0.4, 1)
    share = ((total - total.min()) / (np.ptp(total) + 1e-9))[..., None]
    first, second = rng.uniform(0, 1, (2, 3))
    return to_bytes(first + share * (second - first))


def holes(number: int, side: int) -> Tensor:
    """Return a hole [1, 1, S, S], 1 inside: rectangles for even numbers, strokes for odd ones; always the same."""
    made = torch.Generator().manual_seed(number)
    if number % 2 == 0:
        return masks.rectangles(torch.rand(1, 1, masks.RECTANGLE_NUMBERS, generator=made), side, side)
    return masks.strokes(torch.rand(1, 4, 10, masks.STROKE_NUMBERS, generator=made), side, side)


def middle(picture: Pixels, side: int) -> Pixels:
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def inpaint(given: argparse.Namespace, seed: int) -> None:
    for kind in given.data:

        def work(kind: str = kind) -> Row:
            if kind == "textures":
                made = {f"{number:04d}": texture(number) for number in range(TEXTURES + TESTED)}
                train, test = (dict(list(made.items())[part]) for part in (slice(TEXTURES), slice(TEXTURES, None)))
                data = pictures.place_parts(given.runs / "data" / "textures", train, test)
            else:
                data, whole = photographs(given.runs), {**pictures.set14(), **pictures.set5("L")}
                test = {name: middle(each, PHOTOGRAPH_SIDE) for name, each in whole.items()}
            out = given.runs / f"inpaint-{kind}-{given.budget}-{seed}"
            options = {"seed": seed, **given.options}
            model, facts = pictures.train("inpaint", data, out, seconds=given.seconds, **options)
            return {**facts, **filled(model, out, test)}

        measure(ROWS, f"inpaint/{kind}/{given.budget}/seed{seed}", work)


def filled(model: gantlet.Model, run: Path, test: Named) -> Row:
    """Return PSNR in the holes of a model and of what learns nothing, and how many known values changed."""
    rows, changed = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, picture) in enumerate(test.items()):
            hole = holes(number, picture.shape[0])
            inside = hole[0, 0].numpy() > 0.5
            # What is in the hole is nowhere in what the model is given.
            blank = np.where(inside[..., None], np.uint8(128), picture)
            made, wanted = model.apply(tensor(blank), mask=hole), tensor(picture)
            changed += int((made != tensor(blank))[(hole < 0.5).expand_as(made)].sum())
            floor = tensor(floors.biharmonic(blank / 255, inside))
            begun = self_fill(tensor(blank), hole)
            numbers = {"psnr": made, "begun_psnr": begun, "biharmonic_psnr": floor, "grey_psnr": tensor(blank)}
            rows.append({key: float(hole_psnr(each, wanted, hole, 2)) for key, each in numbers.items()})
            write_image(Path(folder, "given", f"{name}.png"), blank)
            write_image(Path(folder, "mask", f"{name}.png"), (inside * 255).astype(np.uint8))
        files = files_changed(Path(folder), run, test)
    return {**averages(rows), "known_values_changed": changed, **files}


def files_changed(folder: Path, run: Path, test: Named) -> Row:
    """Return what the real command changed outside the holes of PNG files."""
    words = ("apply", run, folder / "given", "--mask", folder / "mask", "--out", folder / "made", "--quiet")
    code, said, _, _ = pictures.command(*words)
    changed = missing = 0
    for name in test:
        path = folder / "made" / f"{name}.png"
        if code or not path.is_file():
            missing += 1
            continue
        known = read_image(folder / "mask" / f"{name}.png")[..., 0] == 0
        changed += int((read_image(path)[known] != read_image(folder / "given" / f"{name}.png")[known]).sum())
    return {"files_known_values_changed": changed, "files_missing": missing, "command_said": said.strip()}


def table() -> None:
    common = {"samples/s": ("samples_per_second", 0)}
    names = {"psnr": "PSNR Y", "ssim": "SSIM Y", "detail": "detail", "features": "features"}
    ours = {heading: (name, 3 if name != "psnr" else 2) for name, heading in names.items()}
    bicubic = {f"bicubic {heading}": (f"bicubic_{name}", digits) for heading, (name, digits) in ours.items()}
    pictures.print_table(ROWS, "superres", {**ours, **bicubic, **common})
    methods = {"": "", "nlm_": "non-local means ", "noisy_": "noisy "}
    noise = {f"{said}PSNR": (f"{name}psnr", 2) for name, said in methods.items()}
    noise |= {f"{said}detail": (f"{name}detail", 3) for name, said in methods.items()} | common
    pictures.print_table(ROWS, "denoise", noise)
    pictures.print_table(ROWS, "unpaired", noise)
    hole = {"PSNR in holes": ("psnr", 2), "begun with": ("begun_psnr", 2)}
    hole |= {"biharmonic": ("biharmonic_psnr", 2), "grey": ("grey_psnr", 2)}
    kept = {"known values changed": ("known_values_changed", 0), "in files": ("files_known_values_changed", 0)}
    pictures.print_table(ROWS, "inpaint", {**hole, **kept, "files missing": ("files_missing", 0), **common})


def main() -> None:
    parser = pictures.arguments(__doc__, PARTS, "restoration", 1200)
    parser.add_argument("--adversarial-seconds", type=float, default=600, help="superres: of the second stage")
    parser.add_argument("--judge", default="cifar10", help="superres: labelled photographs of 32 x 32")
    parser.add_argument("--scale", type=int, nargs="+", default=[4, 2])
    parser.add_argument("--noise", nargs="+", choices=tuple(NOISES), default=["poisson"])
    parser.add_argument("--data", nargs="+", choices=("textures", "photographs"), default=["textures", "photographs"])
    given = pictures.read(parser)
    if given.part == "table":
        table()
        return
    for seed in given.seeds:
        {"superres": superres, "denoise": denoise, "unpaired": unpaired, "inpaint": inpaint}[given.part](given, seed)


if __name__ == "__main__":
    sys.exit(main())
