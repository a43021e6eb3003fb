"""What training is fed: rows of the data in the order of the run, and of pictures held out beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gantlet.data import ImageData, Order, balanced_weights
from gantlet.remedies.holdout import split


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
