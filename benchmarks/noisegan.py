"""The NoiseGAN family's acceptance tests, in slices that resume: a row that is there is not measured again.

    python benchmarks/noisegan.py toy                          a ring of 8 modes, with and without instance noise
    python benchmarks/noisegan.py pictures --data mnist        clean pictures from noisy ones; --sigma .098, 3 seeds
    python benchmarks/noisegan.py table                        print what is there as Markdown

The noise: Gaussian, standard deviation 25/255 where black is 0 and white 1, not clipped: the noisy pictures are written
as float32 (intensity + .5) / 2, so that they lie within [0, 1] with five standard deviations to spare on both sides,
black is -.5 and white .5 to the recipes, and a standard deviation is the same number on all scales. Samples are rounded
to the clean data's own levels and judged against the clean data. Residual noise is measured before that, by the median
of the diagonal Haar detail (Donoho & Johnstone 1994), which is 0 for flat pictures and sigma for noise. Nothing else
should run meanwhile.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import gantlet
from gantlet.data import ImageData, open_images
from gantlet.draws import SampleDraws, key
from gantlet.engine import loop
from gantlet.engine.nets import evaluating
from gantlet.engine.run import Run
from gantlet.losses.adversarial import minimax
from gantlet.networks import mlp
from gantlet.recipe import Draws, Nets, Recipe
from gantlet.recipes.image_gan import latents, normal
from gantlet.recipes.images.noisegan import annealed, instance_noise
from gantlet.recipes.noisy_gan import as_it_is, noisy_gan, training
from slices import Row, Rows, count_processor_seconds, train

ROWS = Rows("noisegan")
BLACK, WHITE = -0.5, 0.5  # of the clean picture, where the noisy data spans -1 to 1
NUM = 10_000  # samples judged
RECIPES = ("r1gan", "ambient_gan", "nrgan_si1", "nrgan_si2")

RING, RADIUS, SPREAD = 8, 0.7, 0.01  # modes, distance from the middle, standard deviation of a mode
TOY_BATCH, TOY_STEPS, TOY_UPDATES = 128, 3000, 10  # updates of D per update of G: a good D is what G starves of


def ring(start: int, count: int) -> dict[str, Tensor]:
    """Return points [count, 2, 1, 1] of the ring: a function of the position alone."""
    draws = SampleDraws(0, range(start, start + count))
    angle = (draws.uniform("mode") * RING).floor() * (2 * pi / RING)
    centres = RADIUS * torch.stack([angle.cos(), angle.sin()], 1)
    return {"image": (centres + SPREAD * draws.normal("spread", 2))[:, :, None, None]}


def toy_recipe(sigma: float) -> Recipe:
    """Return the minimax game on two-dimensional points, with instance noise that ends at two thirds.

    No penalty, no norm: ring and G's image never meet, so D is soon right everywhere and G's gradient vanishes
    (Arjovsky & Bottou 2017, theorem 2.4).
    """

    def fakes(nets: Nets, draws: Draws, y: Tensor | None, times: int) -> Tensor:
        points: Tensor = nets.G(latents(draws, normal, 16, times))
        return points

    def sample(nets: Nets, draws: Draws, label: Tensor | None = None) -> Tensor:
        points: Tensor = nets.G(normal(draws, 16))
        return points

    game = noisy_gan(
        G=mlp.Generator(16, 2, 1, (128, 128)),
        D=mlp.Discriminator(2, 1, (128, 128)),
        fakes=fakes,
        sample=sample,
        loss=minimax,
        seen=instance_noise(annealed(sigma, TOY_BATCH * TOY_STEPS * 2 // 3)) if sigma else as_it_is,
        **training(1e-3, None, 0.5, 0.9, TOY_BATCH, 10_000),
    )
    d, g = game.phases
    return replace(game, phases=(replace(d, updates=TOY_UPDATES), g))


def modes(points: Tensor) -> tuple[int, float]:
    """Return how many modes hold a hundredth of the points [N, 2] within 3 standard deviations, and the share there."""
    angle = torch.arange(RING) * (2 * pi / RING)
    centres = RADIUS * torch.stack([angle.cos(), angle.sin()], 1)
    near = (points[:, None] - centres).norm(dim=2) < 3 * SPREAD
    return int((near.float().mean(0) > 0.01).sum()), float(near.any(1).float().mean())


def toy(seed: int, sigma: float, runs: Path) -> None:
    """Train one game on the ring and count modes, unless its row is there."""
    name = f"ring/sigma{sigma:g}/seed{seed}"
    if name in ROWS.read():
        return
    out = runs / name.replace("/", "-")
    shutil.rmtree(out, ignore_errors=True)
    torch.manual_seed(key(seed, "weights"))
    run = Run(out=out, seed=seed, steps=TOY_STEPS, device="cpu", precision="fp32", save_every=1e9)
    game = loop.prepare(toy_recipe(sigma), run, {}, print)
    state = loop.train(game, ring)
    with torch.inference_mode(), evaluating(state.nets.averaged):
        points = game.recipe.sample(state.nets.averaged, SampleDraws(1, range(2500)))  # type: ignore[misc]
    covered, share = modes(points.flatten(1))
    about = {"steps": TOY_STEPS, "batch_size": TOY_BATCH, "radius": RADIUS, "spread": SPREAD}
    ROWS.keep(name, {"modes": covered, "share_near": share, **about})
    shutil.rmtree(out, ignore_errors=True)


def intensities(images: ImageData) -> np.ndarray[Any, Any]:
    """Return pictures [N, H, W, C] with black at 0 and white at 1."""
    low, high = images.intensity.low, images.intensity.high
    return (np.asarray(images.pixels, np.float32) - low) / (high - low)


def write_noisy(data: str, sigma: float, folder: Path) -> Path:
    """Write the noisy training part as .npz and return its path; labels stay as they are."""
    path = folder / f"{Path(data).stem}-gaussian-{sigma:.3f}.npz"
    if path.is_file():
        return path
    images = open_images(data)
    clean = intensities(images)
    noise = np.random.default_rng(0).standard_normal(clean.shape, np.float32)
    noisy = ((clean + sigma * noise + 0.5) / 2).clip(0, 1)  # beyond five standard deviations: nobody
    arrays = {"images": noisy} if images.labels is None else {"images": noisy, "labels": images.labels}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def residual(pictures: np.ndarray[Any, Any] | Tensor) -> float:
    """Return the noise that is left in intensities [N, C, H, W]: median |diagonal Haar detail| / .6745.

    The detail (a - b - c + d) / 2 of each 2x2 block has the standard deviation of white noise and is 0 on planes.
    """
    x = torch.as_tensor(pictures)
    x = x[..., : x.shape[-2] // 2 * 2, : x.shape[-1] // 2 * 2]
    detail = (x[..., ::2, ::2] - x[..., ::2, 1::2] - x[..., 1::2, ::2] + x[..., 1::2, 1::2]) / 2
    return float(np.median(detail.abs().numpy()) / 0.6745)


def options(recipe: str, sigma: float) -> dict[str, Any]:
    """Return what a recipe is told of the noise: AmbientGAN all, the others nothing."""
    return dict(sigma=sigma, black=BLACK, white=WHITE) if recipe == "ambient_gan" else {}


def pictures(recipe: str, data: str, seed: int, seconds: float, sigma: float, runs: Path) -> None:
    """Train one recipe on noisy data and judge its samples against the clean data, unless the row is there."""
    stem = Path(data).stem
    name = f"{stem}/{recipe}/sigma{sigma:.3f}/seed{seed}/{seconds:g}s"
    if name in ROWS.read():
        return
    noisy = write_noisy(data, sigma, runs / "data")
    out = runs / stem / f"{recipe}-{sigma:.3f}-{seed}"
    model, facts = train(recipe, noisy, out, seconds=seconds, seed=seed, **options(recipe, sigma))
    drawn = list(model.batches(NUM))
    found = torch.cat([batch for batch, _ in drawn]) - BLACK  # WHITE - BLACK is 1
    images = open_images(data)
    file = out / "clean.npz"
    raw = images.intensity.to_raw(found.permute(0, 2, 3, 1) * 2 - 1)
    labels = [y for _, y in drawn if y is not None]
    np.savez(file, images=raw, **({"labels": torch.cat(labels).numpy()} if labels else {}))
    judgement = gantlet.evaluate(file, data, num=NUM, note=lambda message: print(message, flush=True))
    clean = intensities(images)[:NUM].transpose(0, 3, 1, 2)
    row: Row = {
        **facts, "sigma": sigma, "seconds": seconds, "arguments": model.about["arguments"],
        "fid_over_floor": judgement.fid_over_floor, "residual": residual(found), "residual_of_clean": residual(clean),
        "judgement": judgement.to_json(),
    }  # fmt: skip
    if recipe.startswith("nrgan"):
        estimated = model.sample(512, sigma=True)
        row["estimated_sigma"] = float(estimated.square().mean().sqrt())
        row["sigma_error"] = row["estimated_sigma"] / sigma - 1
    ROWS.keep(name, row)
    shutil.rmtree(out, ignore_errors=True)


def table() -> None:
    """Print all rows, grouped over seeds, as Markdown."""
    rows = ROWS.read()
    print("| ring of 8, no penalty | modes (seeds) | share of points near a mode |\n| --- | ---: | ---: |")
    for group, members in grouped(rows, lambda name: name.startswith("ring/"), 2):
        print(f"| {group} | {each(members, 'modes', 'g')} | {each(members, 'share_near', '.2f')} |")
    print("\n| noisy data | FID x floor (seeds) | residual noise | estimated sigma |\n| --- | ---: | ---: | ---: |")
    for group, members in grouped(rows, lambda name: not name.startswith("ring/"), 3):
        known = each(members, "estimated_sigma", ".3f") if "estimated_sigma" in members[0] else ""
        budget = f"{members[0]['seconds']:g} s"
        fid, left = each(members, "fid_over_floor", ".1f"), each(members, "residual", ".3f")
        print(f"| {group}, {budget} | {fid} | {left} | {known} |")


def grouped(rows: dict[str, Row], wanted: Callable[[str], bool], parts: int) -> list[tuple[str, list[Row]]]:
    """Return rows that differ in the seed alone, under what they share."""
    groups: dict[str, list[Row]] = {}
    for name in sorted(filter(wanted, rows)):
        split = name.split("/")
        groups.setdefault("/".join(split[:parts] + split[parts + 1 :]), []).append(rows[name])
    return list(groups.items())


def each(rows: list[Row], name: str, form: str) -> str:
    return ", ".join(format(row[name], form) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("toy", "pictures", "table"))
    parser.add_argument("--data", default="mnist", help="a name, or an .npz with train_images and test_images")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--sigma", type=float, default=25 / 255)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--runs", type=Path, default=Path("runs/noisegan"))
    given = parser.parse_args()
    count_processor_seconds()
    for seed in given.seeds if given.part != "table" else ():
        if given.part == "toy":
            for sigma in (0.0, 0.3):
                toy(seed, sigma, given.runs)
        else:
            for recipe in given.recipes:
                pictures(recipe, given.data, seed, given.seconds, given.sigma, given.runs)
    if given.part == "table":
        table()


if __name__ == "__main__":
    sys.exit(main())
