"""The pictures to augment: a training part, and a test part that no generator may see."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.data import ImageData, NoSuchSplit, open_images
from gantlet.data.pictures import fingerprint
from gantlet.data.sources import Pictures, opened
from gantlet.errors import UserError

SHARE = 0.2  # of each class that is set aside where the data has no test part


@dataclass(frozen=True, eq=False)
class Source:
    """Labelled pictures in two parts. `names` are those of the training pictures: of their files, or their numbers."""

    given: str
    train: ImageData
    test: ImageData
    names: tuple[str, ...]
    test_names: tuple[str, ...]  # () where the test part is the data's own and stays where it is
    held_out: float  # share set aside by us; 0 where the data has its own test part
    twins: int  # test pictures left out because the training part holds the very same pixels

    @property
    def labels(self) -> NDArray[np.int64]:
        """The classes [N] of the training pictures."""
        assert self.train.labels is not None
        return self.train.labels

    @property
    def counts(self) -> list[int]:
        """Training pictures of each class."""
        return self.train.class_counts()


def open_source(
    data: str | Path,
    *,
    resolution: int | tuple[int, int] | None = None,
    labels: str | Path | None = None,
    hold_out: float | None = None,
    skip_broken: bool = False,
) -> Source:
    """Open labelled pictures and their test part; `hold_out` of each class is set aside where there is none.

    The share is chosen by the pixels of each picture alone: the same pictures whatever else lies beside them. Pictures
    that are pixel for pixel in the training part are left out of the test part.

    Raises UserError for data without labels or with a single class, or a share that is none.
    """
    images = open_images(data, resolution=resolution, labels=labels, skip_broken=skip_broken)
    if images.labels is None or len(images.classes) < 2:
        raise UserError(f"{images.name} needs labels of two or more classes: put the files into one folder per class.")
    if hold_out is not None and not 0 < hold_out < 1:
        raise UserError(f"--hold-out is a share between 0 and 1, not {hold_out}.")
    left_out = set(images.broken)
    names = tuple(name for i, name in enumerate(file_names(data, labels)) if i not in left_out)
    names = names or tuple(f"{number:06d}.png" for number in range(len(images)))
    if len(names) != len(images):
        raise UserError(f"{images.name}: {len(names)} files and {len(images)} pictures; `gantlet inspect` says why.")
    marks = digests(images.pixels)
    kept = np.arange(len(images))
    set_aside, share = np.empty(0, np.int64), 0.0
    test = None
    if hold_out is None:
        try:
            height, width = images.pixels.shape[1:3]
            size = (height, width)
            test = open_images(data, split="test", resolution=size, labels=labels, skip_broken=skip_broken)
        except NoSuchSplit:
            hold_out = SHARE
    if test is None:
        share = float(hold_out or 0)
        kept, set_aside = set_apart(images.labels, marks, share)
        test = images.subset(set_aside)
    if test.labels is None or test.classes != images.classes:
        raise UserError(f"{images.name}: training and test part must have the same classes.")
    train = images if not len(set_aside) else images.subset(kept)
    known = {marks[i] for i in kept}
    fresh = np.asarray([i for i, mark in enumerate(digests(test.pixels)) if mark not in known], np.int64)
    if not len(fresh):
        raise UserError(f"{images.name}: every test picture is in the training part, too; nothing is left to test on.")
    twins = len(test) - len(fresh)
    test_names = tuple(names[i] for i in set_aside[fresh]) if share else ()
    return Source(
        str(data), train, test.subset(fresh) if twins else test, tuple(names[i] for i in kept), test_names, share, twins
    )


def file_names(data: str | Path, labels: str | Path | None = None) -> tuple[str, ...]:
    """Return the names of the files of the training part, in order; () if the pictures are no files."""
    with opened(data, labels) as found:
        if not isinstance(found, Pictures):
            return ()
        return tuple(entry.name for entry in found.layout.parts["train"].entries)


def digests(pixels: NDArray[Any]) -> list[bytes]:
    """Return a SHA-256 of the pixels of each picture."""
    return [hashlib.sha256(np.ascontiguousarray(picture).tobytes()).digest() for picture in pixels]


def set_apart(
    labels: NDArray[np.int64], marks: Sequence[bytes], share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the pictures to train on, and of those set aside: of each class those of lowest digest.

    Every class keeps at least one picture; equal pictures fall on the same side.
    """
    aside: list[int] = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        most = min(int(len(rows) * share), len(rows) - 1)
        order = sorted(rows.tolist(), key=lambda row: marks[row])
        while most and marks[order[most - 1]] == marks[order[most]]:
            most -= 1
        aside += order[:most]
    chosen = np.sort(np.asarray(aside, np.int64))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen


def of_class(images: ImageData, label: int) -> ImageData:
    """Return the pictures of one class, unlabelled."""
    assert images.labels is not None
    part = images.subset(np.flatnonzero(images.labels == label))
    return replace(part, labels=None, classes=(), fingerprint=fingerprint(part.pixels, None))


def leaf(name: str) -> str:
    """Return the name of a file without its folders, safe to be one inside a class folder."""
    return PurePosixPath(name).name
