"""What training is fed: rows of the data in the order of the run, and of pictures held out beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from gantlet.data import ImageData, Opening, Order, Translation, balanced_weights, open_images, open_translation
from gantlet.errors import UserError
from gantlet.remedies.holdout import split

Data = ImageData | Translation
Rows = Callable[[int, int], Mapping[str, Tensor]]

OF_IMAGES = ("labels", "unconditional")  # options that mean something only for one kind of pictures with labels
OF_TWO = ("target", "side_by_side")  # and those for two kinds of pictures


def open_data(kind: str, source: str | Path, resolution: int | tuple[int, int] | None, **given: Any) -> Data:
    """Open what a recipe is fed: "images", "patches", "pairs" or "unpaired". `given` are options of `train`.

    Raises UserError for options that mean nothing for this kind, and whatever is wrong with the data.
    """
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


def feed(data: Data, seed: int, balance: float, holdout: Mapping[str, Any] | None) -> Rows:
    """Return the rows of training by position. Raises UserError for options the data cannot follow."""
    if isinstance(data, ImageData):
        if balance and data.labels is None:
            raise UserError("--balance needs labels and the data has none; leave it out.")
        return Feed(data, seed, balance, holdout).rows
    if balance or holdout:
        name = "--balance" if balance else "--remedy holdout (or one that brings it)"
        raise UserError(f"{name} is for recipes that are fed images with or without labels; leave it out.")
    return data.feed(seed)


def describe_data(data: Data, kind: str, source: str, balance: float) -> dict[str, Any]:
    """Return what a record keeps of the data."""
    about = {"name": data.name, "source": source, "split": data.split, "facts": data.facts(), "balance": balance}
    return {**about, **data.describe()} if kind == "images" else {**about, "kind": kind, **data.describe()}


class Feed:
    """Batches by position; with `holdout`, the arguments of that remedy, a part of the data is never trained on."""

    def __init__(self, images: ImageData, seed: int, balance: float, holdout: Mapping[str, Any] | None) -> None:
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
