"""Encoders and projection, measured in slices that resume: every finished row is kept and not repeated.

    python benchmarks/latents.py vae --data mnist          -ELBO of the test split, faithful `vae`, 20 epochs, seeds 0-2
    python benchmarks/latents.py bigan --data mnist        1-NN accuracy of E(x) and of the layer before, quick, 600 s
    python benchmarks/latents.py projection --data mnist   r1gan quick, 180 s: distance of projected test pictures
    python benchmarks/latents.py table                     print what is there as Markdown

Projection is searched with its default features, a random network, and judged by a classifier of the training split:
|f(x) - f(G(z))| over the same for a random sample of the model. Seconds are those that one core computes.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import gantlet
from gantlet.data import ImageData, open_images
from gantlet.judging import extractor
from gantlet.latents.files import in_turn, write_grid
from gantlet.losses.likelihood import bernoulli_nll, kl_from_standard_normal
from slices import Row, Rows, count_processor_seconds, train

ROWS = Rows("latents")


def keep(key: str, row: Row, model: gantlet.Model) -> None:
    """Add a row and what the model is."""
    ROWS.keep(key, {**row, **{name: model.about[name] for name in ("arguments", "settings", "step")}})


def pictures(images: ImageData, first: int, count: int) -> Tensor:
    return images.batch(np.arange(first, min(first + count, len(images))))["image"]


@torch.inference_mode()
def bound(model: gantlet.Model, images: ImageData) -> dict[str, float]:
    """Return the mean -ELBO over all pictures in nats, one draw of z each, its two terms, and active units."""
    torch.manual_seed(0)
    likelihood, kl, means = [], [], []
    for start in range(0, len(images), 1000):
        x = pictures(images, start, 1000)
        mean, log_variance = model.nets.E(x)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        likelihood.append(bernoulli_nll(model.nets.G.logits(z), (x + 1) / 2))
        kl.append(kl_from_standard_normal(mean, log_variance))
        means.append(mean)
    first, second = (float(torch.cat(part).double().mean()) for part in (likelihood, kl))
    active = int((torch.cat(means).var(0) > 0.01).sum())  # Burda 2016, section 5.3
    return {"minus_elbo": first + second, "likelihood": first, "kl": second, "active_units": active}


@torch.inference_mode()
def nearest_neighbour_accuracy(known: Tensor, labels: Tensor, asked: Tensor, right: Tensor) -> float:
    """Return the share of `asked` rows whose nearest `known` row has their label."""
    hits = 0
    for rows, answers in zip(torch.split(asked, 500), torch.split(right, 500), strict=True):
        hits += int((labels[torch.cdist(rows, known).argmin(1)] == answers).sum())
    return hits / len(asked)


@torch.inference_mode()
def encoded(model: gantlet.Model, images: ImageData) -> dict[str, Tensor]:
    parts = [pictures(images, start, 2000) for start in range(0, len(images), 2000)]
    E = model.nets.E
    return {
        "z": torch.cat([E(x) for x in parts]),
        "features": torch.cat([E.features(x) for x in parts]),
        "pixels": torch.cat(parts).flatten(1),
    }


def vae(given: argparse.Namespace, seed: int) -> None:
    images, test = open_images(given.data), open_images(given.data, split="test")
    for recipe in given.recipes:
        key = f"{given.data}/{recipe}/{given.epochs}epochs/seed{seed}"
        if key in ROWS.read():
            continue
        samples = given.epochs * len(images)
        model, facts = train(recipe, given.data, given.runs / key, seed=seed, quick=False, samples=samples)
        keep(key, {**facts, **bound(model, test)}, model)
        look(model, test, given.runs / f"{key}.png".replace("/", "-"))


def bigan(given: argparse.Namespace, seed: int) -> None:
    key = f"{given.data}/bigan/{given.seconds:g}s/seed{seed}"
    if key in ROWS.read():
        return
    images, test = open_images(given.data), open_images(given.data, split="test")
    model, facts = train("bigan", given.data, given.runs / f"bigan-{seed}", seed=seed, seconds=given.seconds)
    known, asked = encoded(model, images), encoded(model, test)
    labels, right = torch.from_numpy(images.labels), torch.from_numpy(test.labels)
    row = {f"accuracy_{name}": nearest_neighbour_accuracy(known[name], labels, asked[name], right) for name in known}
    again = model.reconstruct(pictures(test, 0, 1000)).cpu()
    classify = extractor("auto", images, note=print)
    found, judged = classify(again)[1], right[:1000]
    assert found is not None
    row["reconstructions_of_the_same_class"] = float((found.argmax(1) == judged).float().mean())
    keep(key, {**facts, **row}, model)
    look(model, test, given.runs / f"bigan-{seed}-{given.seconds:g}s.png")


def projection(given: argparse.Namespace, seed: int) -> None:
    key = f"{given.data}/projection/{given.seconds:g}s/{given.num}/seed{seed}"
    if key in ROWS.read():
        return
    images, test = open_images(given.data), open_images(given.data, split="test")
    model, facts = train("r1gan", given.data, given.runs / f"r1gan-{seed}", seed=seed, seconds=given.seconds)
    wanted = pictures(test, 0, given.num)
    began = time.perf_counter()
    found = gantlet.project(model, wanted)
    seconds = time.perf_counter() - began
    features = extractor("auto", images, note=print)
    truth, made, random = (features(x)[0] for x in (wanted, found.pictures, model.sample(given.num, seed=99)))
    distance, to_random = (truth - made).norm(dim=1), torch.cdist(truth, random).mean(1)
    row = {
        **facts, "pictures": given.num, "search_seconds": seconds,
        "ratio": float((distance / to_random).mean()), "ratio_median": float((distance / to_random).median()),
        "own_features": float(found.distance.mean()), "pixels": float(found.pixel_distance.mean()),
        "label_found": float((found.labels == torch.from_numpy(test.labels[: given.num])).float().mean()),
        "judge": features.name,
    }  # fmt: skip
    keep(key, row, model)
    write_grid(model, given.runs / f"projection-{seed}.png", *in_turn(wanted[:32], found.pictures[:32].cpu()))


def look(model: gantlet.Model, test: ImageData, out: Path) -> None:
    """Write test pictures above their reconstructions, and samples below."""
    wanted = pictures(test, 0, 16)
    shown, columns = in_turn(wanted, model.reconstruct(wanted).cpu())
    write_grid(model, out, torch.cat([shown, model.sample(24).cpu()]), columns)


def table() -> None:
    """Print all rows as Markdown."""
    print("| what | numbers |")
    print("| --- | --- |")
    for key, row in sorted(ROWS.read().items()):
        numbers = {name: value for name, value in row.items() if isinstance(value, float) and name != "load_before"}
        print(f"| {key} | {', '.join(f'{name} {value:.4g}' for name, value in numbers.items())} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("vae", "bigan", "projection", "table"))
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20, help="of vae")
    parser.add_argument("--recipes", nargs="+", choices=("vae", "vae_conv"), default=["vae", "vae_conv"], help="of vae")
    parser.add_argument("--seconds", type=float, help="of bigan (600 if not given) and of r1gan (180)")
    parser.add_argument("--num", type=int, default=100, help="pictures to project")
    parser.add_argument("--runs", type=Path, default=Path("runs/latents"))
    given = parser.parse_args()
    given.seconds = given.seconds or {"bigan": 600.0}.get(given.part, 180.0)
    if given.part == "table":
        table()
        return
    count_processor_seconds()
    for seed in range(given.seeds):
        {"vae": vae, "bigan": bigan, "projection": projection}[given.part](given, seed)


if __name__ == "__main__":
    sys.exit(main())
