"""The command line's verbs of the latent space; as in cli.py, no default lives here and nothing heavy is imported."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from gantlet.parsing import parse, parser, whole


def encode(words: list[str]) -> int:
    """gantlet encode"""
    verb = parser(
        "encode",
        "RUN INPUT --out z.npz [--num N]",
        "Write the latents of pictures, by the model's own encoder (vae, vae_conv, vae_gan, bigan): arrays z [N, "
        "latent_dim]\nand labels. For models without one there is `gantlet project`.",
    )
    add_model_and_input(verb)
    verb.add_argument("--out", required=True, help="a .npz")
    verb.add_argument("--num", type=whole, help="pictures, from the first on")
    given = parse(verb, words)
    out, source = Path(given.pop("out")), given.pop("input")
    from gantlet.latents.files import encode_file

    count = encode_file(load(given), source, out, **given)
    print(f"Wrote {count:,} latents to {out}")
    return 0


def reconstruct(words: list[str]) -> int:
    """gantlet reconstruct"""
    verb = parser(
        "reconstruct",
        "RUN INPUT --out grid.png [--num N]",
        "Encode pictures and decode them again: rows of pictures, each above the row of their reconstructions.",
    )
    add_model_and_input(verb)
    verb.add_argument("--out", required=True, help="a .png")
    verb.add_argument("--num", type=whole, help="pictures, from the first on")
    given = parse(verb, words)
    out, source = Path(given.pop("out")), given.pop("input")
    from gantlet.latents.files import reconstruct_file

    count = reconstruct_file(load(given), source, out, **given)
    print(f"Wrote {count:,} pictures and their reconstructions to {out}")
    return 0


def project(words: list[str]) -> int:
    """gantlet project"""
    verb = parser(
        "project",
        "RUN INPUT --out FOLDER [--num N] [--steps S] [--restarts R]",
        "Find the latents from which the generator comes closest to pictures. Writes projections.png (each row of\n"
        "pictures above its projections) and latents.npz. A distance of 1 is that to a random sample.",
    )
    add_model_and_input(verb)
    add = verb.add_argument
    add("--out", required=True, help="a folder")
    add("--num", type=whole, help="pictures, from the first on")
    add("--label", help="a class, by name or number; else it is found as well")
    add("--steps", type=whole, help="of the search, per picture")
    add("--restarts", type=whole, help="searches per picture, from the nearest samples")
    add("--pool", type=whole, help="samples to start from the nearest of")
    add("--seed", type=int, help="of the samples to start from")
    given = parse(verb, words)
    out, source = Path(given.pop("out")), given.pop("input")
    from gantlet.latents.files import project_folder

    found = project_folder(load(given), source, out, progress=tell, **given)
    print(
        f"Projected {len(found.points):,} pictures into {found.space}: distance {float(found.distance.mean()):.2f} in "
        f"features, {float(found.pixel_distance.mean()):.2f} in pixels (1: a random sample). See {out}"
    )
    return 0


def explore(words: list[str]) -> int:
    """gantlet explore"""
    verb = parser(
        "explore",
        "RUN --out FOLDER [--num N] [--rows R] [--steps S] [--reach D]",
        "Show what the latent space holds, as strips of pictures: directions found by SeFa and by GANSpace, the\n"
        "truncation sweep (recipes with truncation) and every class turning into the next (models with labels).",
    )
    add_model(verb)
    add = verb.add_argument
    add("--out", required=True, help="a folder")
    add("--num", type=whole, help="directions of each kind")
    add("--rows", type=whole, help="samples per strip")
    add("--steps", type=whole, help="pictures per walk")
    add("--reach", type=float, help="how far a walk goes to either side, in standard deviations")
    add("--seed", type=int, help="of the samples")
    given = parse(verb, words)
    out = Path(given.pop("out"))
    from gantlet.latents.files import explore_folder

    paths = explore_folder(load(given), out, **given)
    print(f"Wrote {', '.join(path.name for path in paths)} to {out}")
    return 0


def add_model(verb: ArgumentParser) -> None:
    """Add what names a model."""
    verb.add_argument("run", metavar="RUN", help="a run folder, or one checkpoint folder")
    verb.add_argument("--checkpoint", help="auto, best or last")
    verb.add_argument("--recipe", help="needed for a model of your own recipe: its module:function")
    verb.add_argument("--device", help="auto, cpu, cuda, mps")


def add_model_and_input(verb: ArgumentParser) -> None:
    """Add what names a model and pictures."""
    add_model(verb)
    verb.add_argument("input", metavar="INPUT", help="pictures, in any form `train --data` takes")
    verb.add_argument("--skip-broken", action="store_true", help="leave damaged pictures out instead of stopping")


def load(given: dict[str, Any]) -> Any:
    """Load the model that was named, taking its arguments out of `given`."""
    from gantlet.cli import load as named
    from gantlet.errors import UserError

    model = named(given)
    others = {"text": model.vocabulary, "sounds": model.sample_rate, "clips": model.frame_rate}
    kind = next((name for name, fact in others.items() if fact is not None), None)
    if kind is not None:
        raise UserError(f"Recipe '{model.about['recipe']}' is one of {kind}, and this verb is for models of pictures.")
    return model


def tell(done: int, total: int) -> None:
    """Say how far a long search is."""
    if done < total:
        print(f"{done:,} of {total:,} pictures", file=sys.stderr)
