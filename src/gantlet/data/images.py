"""Pictures as data to train on: one array, its labels, and how it becomes batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.data.arrays import Table
from gantlet.data.cache import Stored, cache_folder
from gantlet.data.intensity import Intensity
from gantlet.data.known import NAMES
from gantlet.data.pictures import Progress, fingerprint, open_pictures
from gantlet.data.remembered import mark_of, recall, remember
from gantlet.data.shape import check_resolution, limited, resize
from gantlet.data.sources import Pictures, opened
from gantlet.data.splits import check_split


@dataclass(frozen=True, eq=False)
class ImageData:
    """Pictures of one size [N, H, W, C] (uint8, uint16 or float32), their labels [N] int64, and what they mean."""

    name: str
    split: str
    pixels: NDArray[Any]  # read-only and memory-mapped when it comes from the cache
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]  # names of the labels 0, 1, ...; () without labels
    intensity: Intensity
    fingerprint: str  # SHA-256 of pixels and labels
    notes: tuple[str, ...] = ()  # what was left out on the way, in plain words
    broken: tuple[int, ...] = ()  # positions among the files of this part of those that were left out

    def __len__(self) -> int:
        return len(self.pixels)

    def facts(self) -> dict[str, Any]:
        """Return what a recipe asks of its data: channels, resolution (H if square, else [H, W]), num_classes."""
        height, width, channels = self.pixels.shape[1:]
        resolution = height if height == width else [height, width]
        return {"channels": channels, "resolution": resolution, "num_classes": len(self.classes)}

    def describe(self) -> dict[str, Any]:
        """Return what a run keeps of its data."""
        return {
            "count": len(self),
            "classes": list(self.classes),
            "class_counts": self.class_counts(),
            "intensity": self.intensity.to_json(),
            "fingerprint": self.fingerprint,
        }

    def class_counts(self) -> list[int]:
        """Return how many pictures each class has; [] without labels."""
        return [] if self.labels is None else np.bincount(self.labels, minlength=len(self.classes)).tolist()

    def batch(self, indices: NDArray[Any]) -> dict[str, Tensor]:
        """Return "image" [n, C, H, W] float32 in [-1, 1] (channels last) and, if labelled, "label" [n] int64."""
        batch = {"image": self.intensity.to_unit(self.pixels[indices]).permute(0, 3, 1, 2)}
        if self.labels is not None:
            batch["label"] = torch.from_numpy(self.labels[indices])
        return batch

    def subset(self, indices: Sequence[int] | NDArray[Any]) -> ImageData:
        """Return the pictures at these positions, copied to memory, with the same classes and intensity."""
        chosen = np.asarray(indices)
        pixels = np.ascontiguousarray(self.pixels[chosen])
        labels = None if self.labels is None else self.labels[chosen]
        mark = fingerprint(pixels, labels)
        return ImageData(self.name, self.split, pixels, labels, self.classes, self.intensity, mark, self.notes)


def open_images(
    source: str | Path,
    *,
    split: str = "train",
    resolution: int | tuple[int, int] | None = None,
    at_most: int | None = None,
    labels: str | Path | None = None,
    cache: Path | None = None,
    skip_broken: bool = False,
    progress: Progress | None = None,
) -> ImageData:
    """Open pictures by the name of a known set or by path.

    Known names are digits, mnist, fashion_mnist, kmnist and cifar10; see `data.known`. A path is a folder, zip or tar
    of pictures (see `data.folders` for splits and labels, `media.image.read_image` for what is read), one picture,
    idx files, binary CIFAR-10 files, .npy or .npz (see `data.arrays`).

    Args:
        source: the name or path; a name goes before a path unless it is given as a `Path`.
        split: "train", "test" (falls back to "val") or "val". Sources without parts are all "train".
        resolution: side, or (height, width), in pixels; without it `data.shape.common_size` chooses for picture
            files. The rule for other sizes is that of `data.shape.resize`: centre crop, antialiased bicubic.
        at_most: pixels of the longer side where there is no `resolution`; what is longer is scaled down, and noted.
        labels: a table (file, label) for picture files, or an .npy of labels [N] for an .npy.
        cache: where decoded pictures and downloads are kept; $GANTLET_CACHE or ~/.cache/gantlet/data by default.
        skip_broken: leave pictures out that cannot be read instead of refusing.
        progress: called with (done, total) while pictures are decoded (counts) or downloaded (bytes).

    Raises:
        NoSuchSplit: the source has no such part of its own.
        UserError: whatever else is wrong, in one sentence.
    """
    check_split(split)
    size = check_resolution(resolution)
    folder = cache_folder(cache)
    own = labels is None and not (isinstance(source, str) and source in NAMES)
    mark = mark_of(source, split, size, at_most, skip_broken) if own else None
    if known := recall(folder, mark):
        stored, facts = known
        return _from_store(facts["name"], split, stored, facts["notes"])
    with opened(source, labels, cache, progress) as found:
        if not isinstance(found, Pictures):
            return _from_table(found.name, split, found.load(split), size, at_most, found.notes)
        how: dict[str, Any] = dict(resolution=size, at_most=at_most, skip_broken=skip_broken, cache=cache)
        stored = open_pictures(found.files, found.layout, split, progress=progress, **how)
        remember(folder, mark, stored.key, found.name, found.layout.notes)
        return _from_store(found.name, split, stored, found.layout.notes)


def _from_store(name: str, split: str, stored: Stored, notes: tuple[str, ...]) -> ImageData:
    meta = stored.meta
    broken = tuple(meta["broken"])
    if broken:
        notes = (*notes, f"{len(broken):,} broken pictures are left out")
    if meta.get("natural"):
        notes = (*notes, scaled_down(meta["natural"], stored.pixels.shape[1:3]))
    intensity = Intensity.from_json(meta["intensity"])
    return ImageData(
        name, split, stored.pixels, stored.labels, tuple(meta["classes"]), intensity, meta["fingerprint"], notes,
        broken,
    )  # fmt: skip


def scaled_down(natural: Sequence[int], size: Sequence[int]) -> str:
    """Return a note on pictures (height, width) that are scaled down though nobody asked for it."""
    (h, w), (height, width) = natural, size
    own = f"{h}" if h == w else f"{h}x{w}"
    return (
        f"pictures {w} pixels wide and {h} high are scaled to {width} x {height} to learn sooner "
        f"(--resolution {own} keeps them as they are: {h * w / (height * width):.3g} times the pixels a step)"
    )


def _from_table(
    name: str, split: str, table: Table, size: tuple[int, int] | None, at_most: int | None, notes: tuple[str, ...]
) -> ImageData:
    pixels = table.pixels
    natural = (pixels.shape[1], pixels.shape[2])
    height, width = size or limited(natural, at_most)
    if size is None and (height, width) != natural:
        notes = (*notes, scaled_down(natural, (height, width)))
    if (height, width) != natural:
        pixels = np.ascontiguousarray(resize(pixels, height, width))
    intensity = table.intensity or Intensity.of(table.pixels)
    mark = fingerprint(pixels, table.labels)
    return ImageData(name, split, pixels, table.labels, table.classes, intensity, mark, notes)
