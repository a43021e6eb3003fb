"""What training is fed: rows of the data in the order of the run, and of pictures held out beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from gantlet.data import (
    Excerpts,
    ImageData,
    Mixtures,
    Opening,
    Order,
    Sounds,
    Translation,
    balanced_weights,
    open_excerpts,
    open_images,
    open_mixtures,
    open_sounds,
    open_translation,
)
from gantlet.data.recordings import holds_sounds
from gantlet.errors import UserError
from gantlet.recipes import catalogue
from gantlet.remedies.holdout import split

Data = ImageData | Translation | Sounds | Excerpts | Mixtures
Rows = Callable[[int, int], Mapping[str, Tensor]]

OF_IMAGES = ("labels", "unconditional")  # options that mean something only for one kind of pictures with labels
OF_TWO = ("target", "side_by_side")  # and those for two kinds of pictures
OF_SOUND = ("sample_rate", "duration", "noise", "label_pattern")  # and those for sounds
SOUND = {  # kind of data of a recipe that hears -> the options it knows
    "sounds": ("sample_rate", "duration", "labels", "label_pattern", "unconditional"),
    "excerpts": ("sample_rate", "duration", "group"),
    "mixtures": ("sample_rate", "duration", "noise", "target", "group"),
}


def kind_of(recipe: str | None, source: str | Path) -> str:
    """Return what a recipe is fed; without a recipe "sounds" or "images", whichever the source holds."""
    if recipe is not None:
        return catalogue.data_kind(recipe)
    return "sounds" if holds_sounds(source) else "images"


def open_data(
    kind: str,
    source: str | Path,
    resolution: int | tuple[int, int] | None,
    options: dict[str, Any],
    recipe: str | None = None,
    **given: Any,
) -> Data:
    """Open what a recipe is fed. `given` are options of `train`, `options` those of the recipe.

    An option for sounds that the recipe has itself, and is fed no sounds, becomes one of the recipe's.

    Raises UserError for options that mean nothing for this kind, and whatever is wrong with the data.
    """
    if kind in SOUND:
        return open_sound_data(kind, source, resolution, options, given)
    own = [] if recipe is None else [parameter.name for parameter in catalogue.parameters(catalogue.find(recipe))]
    for name in OF_SOUND:
        if given[name] is not None and name in own:
            options[name] = given[name]
        elif given[name] is not None:
            raise UserError(f"--{name.replace('_', '-')} is for recipes of sounds; leave it out.")
    for name in (*(OF_TWO if kind in ("images", "patches") else ()), *(() if kind == "images" else OF_IMAGES)):
        if given[name]:
            raise UserError(f"--{name.replace('_', '-')} means nothing for a recipe that is fed {kind}; leave it out.")
    if kind == "images":
        for name in ("flips", "group"):
            if given[name]:
                raise UserError(f"--{name} is for recipes that are fed patches or two kinds of pictures; leave it out.")
        images = open_images(source, resolution=resolution, labels=given["labels"], skip_broken=given["skip_broken"])
        return replace(images, labels=None, classes=()) if given["unconditional"] else images
    return open_translation(
        kind, source, given["target"], resolution=resolution, flips=given["flips"], side_by_side=given["side_by_side"],
        how=Opening(skip_broken=given["skip_broken"], group=given["group"]),
    )  # fmt: skip


def open_sound_data(
    kind: str,
    source: str | Path,
    resolution: int | tuple[int, int] | None,
    options: Mapping[str, Any],
    given: Mapping[str, Any],
) -> Sounds | Excerpts | Mixtures:
    """Open "sounds", "excerpts" or "mixtures"; raises UserError as `open_data` does."""
    everything = {**given, "resolution": resolution}
    for name, value in everything.items():
        if value and name != "skip_broken" and name not in SOUND[kind]:
            raise UserError(f"--{name.replace('_', '-')} means nothing for a recipe that is fed {kind}; leave it out.")
    how = {name: given[name] for name in SOUND[kind]}
    try:
        channels = None if "channels" not in options else int(options["channels"])
    except ValueError as error:
        raise UserError(f"--channels is a whole number, not '{options['channels']}'.") from error
    how.update(channels=channels, skip_broken=given["skip_broken"])
    if kind == "sounds":
        return open_sounds(source, **how)
    return open_excerpts(source, **how) if kind == "excerpts" else open_mixtures(source, **how)


def as_the_recipe_says(data: Data, arguments: Mapping[str, Any]) -> Data:
    """Return the data with excerpts as long as the recipe's arguments say.

    Raises UserError for arguments that contradict the sounds.
    """
    if isinstance(data, Excerpts | Mixtures):
        data = data.of_length(arguments.get("length"))
    if isinstance(data, Sounds | Excerpts | Mixtures):
        for name, there in (("length", data.length), ("sample_rate", data.sample_rate), ("channels", data.channels)):
            if arguments.get(name, there) != there:
                rule = "give --duration in seconds instead" if name == "length" else f"give --{name.replace('_', '-')}"
                raise UserError(f"The recipe is told {name} {arguments[name]} and the sounds have {there}; {rule}.")
    return data


def feed(data: Data, seed: int, balance: float, holdout: Mapping[str, Any] | None) -> Rows:
    """Return the rows of training by position. Raises UserError for options the data cannot follow."""
    if isinstance(data, ImageData | Sounds):
        if balance and data.labels is None:
            raise UserError("--balance needs labels and the data has none; leave it out.")
        return Feed(data, seed, balance, holdout).rows
    if balance or holdout:
        name = "--balance" if balance else "--remedy holdout (or one that brings it)"
        raise UserError(f"{name} is for recipes that are fed images or sounds with or without labels; leave it out.")
    return data.feed(seed)


def describe_data(data: Data, kind: str, source: str, balance: float) -> dict[str, Any]:
    """Return what a record keeps of the data."""
    about = {"name": data.name, "source": source, "split": data.split, "facts": data.facts(), "balance": balance}
    return {**about, **data.describe()} if kind == "images" else {**about, "kind": kind, **data.describe()}


class Feed:
    """Batches by position; with `holdout`, the arguments of that remedy, a part of the data is never trained on."""

    def __init__(
        self, images: ImageData | Sounds, seed: int, balance: float, holdout: Mapping[str, Any] | None
    ) -> None:
        share, most = (0.0, 0) if holdout is None else (float(holdout["share"]), int(holdout["most"]))
        kept, held = (part.numpy() for part in split(len(images), share, most))
        self._images, self._kept, self._held = images, kept, held
        labels = None if images.labels is None else images.labels[kept]
        weights = balanced_weights(labels, balance) if balance and labels is not None else None
        self._order = Order(len(kept), seed, weights)
        self._held_order = Order(max(len(held), 1), seed)

    def rows(self, start: int, count: int) -> dict[str, Tensor]:
        """Return `count` rows from a position on: "image", "label", and "holdout_image", "holdout_label" if any."""
        batch = self._images.batch(self._kept[self._order.indices(start, count)])
        if len(self._held):
            held = self._images.batch(self._held[self._held_order.indices(start, count)])
            batch.update({f"holdout_{name}": rows for name, rows in held.items()})
        return batch
