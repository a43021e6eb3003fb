"""Pictures into pictures: crops of one kind (`Patches`), aligned pairs (`Pairs`), or two unrelated kinds (`Unpaired`).

Each gives its rows by position: row p is a function of the data, the seed and p alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.data.crops import Crops
from gantlet.data.naming import by_key, stems_suffice
from gantlet.data.order import Order
from gantlet.data.shape import SIDES, check_resolution, common_size
from gantlet.data.sides import Opening, Side, open_side, open_sides
from gantlet.data.wholes import Wholes
from gantlet.errors import UserError
from gantlet.media.foreign import shown

Rows = Callable[[int, int], Mapping[str, Tensor]]  # (start, count) -> that many rows of the endless order
SIDE = 96  # of crops, where the pictures are not of one small size


@dataclass(frozen=True)
class Named:
    """A kind of pictures in a batch: the part trained on, the part held out, and the class of each if there are any."""

    train: Wholes
    test: Wholes | None
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Translation:
    """Training data whose batches hold crops of one or two kinds of pictures, by name: image, or source and target."""

    name: str
    kinds: dict[str, Named]
    aligned: bool  # row i of every kind is the same place of the same scene
    size: tuple[int, int]
    flips: str
    notes: tuple[str, ...] = ()
    split: str = "train"

    def __len__(self) -> int:
        return max(len(kind.train) for kind in self.kinds.values())

    def facts(self) -> dict[str, Any]:
        """Return what a recipe asks of its data: resolution, and the channels of each kind."""
        height, width = self.size
        facts: dict[str, Any] = {"resolution": height if height == width else [height, width]}
        for name, kind in self.kinds.items():
            facts["channels" if name == "image" else f"{name}_channels"] = kind.train.channels
            if kind.classes and name == "target":
                facts["num_styles"] = len(kind.classes)
        return facts

    def describe(self) -> dict[str, Any]:
        """Return what a run keeps of its data."""
        last = list(self.kinds.values())[-1]
        about: dict[str, Any] = {"classes": [], "class_counts": [], "intensity": last.train.intensity.to_json()}
        for name, kind in self.kinds.items():
            about[f"{name}_intensity"] = kind.train.intensity.to_json()
            about[f"{name}_held_out"] = [] if kind.test is None else list(kind.test.names)
            if kind.classes:
                about[f"{name}_classes"] = list(kind.classes)
        marks = [kind.train.fingerprint() for kind in self.kinds.values()]
        return {
            "count": len(self),
            "flips": self.flips,
            "aligned": self.aligned,
            "notes": list(self.notes),
            "fingerprint": "-".join(marks),
            **about,
        }

    def feed(self, seed: int) -> Rows:
        """Return the rows of training by position."""
        crops = {name: Crops(*self.size, key, self.flips) for key, name in self._streams(seed)}
        orders = {name: Order(len(self.kinds[name].train), key) for key, name in self._streams(seed)}

        def rows(start: int, count: int) -> dict[str, Tensor]:
            batch: dict[str, Tensor] = {}
            for name, kind in self.kinds.items():
                indices = orders[name].indices(start, count)
                numbers = crops[name].numbers(start, count)
                batch[name] = self._tensor(kind.train, crops[name].cut(kind.train, indices, numbers))
                if kind.labels is not None:
                    batch[f"{name}_label"] = torch.from_numpy(kind.labels[indices])
            return batch

        return rows

    def _streams(self, seed: int) -> list[tuple[int, str]]:
        """Aligned kinds share order and crops; others have their own."""
        return [(seed if self.aligned else seed + 7919 * number, name) for number, name in enumerate(self.kinds)]

    @staticmethod
    def _tensor(pictures: Wholes, crops: NDArray[Any]) -> Tensor:
        return pictures.intensity.to_unit(crops).permute(0, 3, 1, 2)

    def held_out(self, count: int, size: tuple[int, int] | None = None) -> dict[str, Tensor]:
        """Return `count` crops of held-out pictures (of those trained on where none are), always the same ones."""
        height, width = size or self.size
        pictures = {name: kind.test or kind.train for name, kind in self.kinds.items()}
        least = min(len(wholes) for wholes in pictures.values())
        crops = Crops(height, width, 0)
        batch = {}
        for number, (name, wholes) in enumerate(pictures.items()):
            turns = np.arange(count) % (least if self.aligned else len(wholes))
            numbers = crops.numbers(0 if self.aligned else count * number, count)
            batch[name] = self._tensor(wholes, crops.cut(wholes, turns, numbers))
        return batch


def open_translation(
    kind: str,
    source: str | Path,
    target: str | Path | None = None,
    *,
    resolution: int | tuple[int, int] | None = None,
    flips: str | None = None,
    side_by_side: str | None = None,
    how: Opening | None = None,
) -> Translation:
    """Open "patches", "pairs" or "unpaired" pictures.

    Args:
        kind: what the recipe is fed.
        source: a source of pictures; for two kinds without `target`, one that holds both (see `data.sides`).
        target: the other kind of pictures.
        resolution: of the crops; by default the pictures' own size where it is common and small, else 96.
        flips: none, mirror or all; patches are mirrored by default, others not.
        side_by_side: "left" or "right": every picture holds both halves, and this one is the source.
        how: how pictures are opened and held out.

    Raises:
        UserError: whatever is wrong, in one sentence.
    """
    if target is not None and side_by_side is not None:
        raise UserError("Targets come from --target, or beside the sources by --side-by-side; give one of them.")
    asked, how = check_resolution(resolution), how or Opening()
    name = shown(Path(str(source)).name)
    if kind == "patches":
        sides = {"image": open_side(source, how)}
    elif side_by_side is not None:
        sides = dict(zip(("source", "target"), halves(open_side(source, how), side_by_side), strict=True))
    else:
        sides = dict(zip(("source", "target"), open_sides(source, target, how), strict=True))
    if kind == "pairs":
        sides = dict(zip(sides, paired(sides["source"], sides["target"], name), strict=True))
    kinds = {n: Named(s.train, s.test, s.train_labels, s.classes) for n, s in sides.items()}
    size = size_of([s.train for s in sides.values()], asked)
    notes = tuple(dict.fromkeys(note for side in sides.values() for note in side.notes))
    kinds, small = without_small(kinds, size, name)
    flips = flips or ("mirror" if kind == "patches" else "none")
    return Translation(name, kinds, kind == "pairs", size, flips, (*notes, *small))


def size_of(pictures: list[Wholes], asked: tuple[int, int] | None) -> tuple[int, int]:
    """Return the size of the crops."""
    if asked is not None:
        return asked
    size = common_size(Counter((int(h), int(w)) for wholes in pictures for h, w in wholes.sizes))
    if max(size) <= SIDE:
        return size
    least = min(int(np.median(wholes.sizes.min(1))) for wholes in pictures)
    side = max((side for side in SIDES if side <= min(least, SIDE)), default=least)
    return side, side


def without_small(kinds: dict[str, Named], size: tuple[int, int], name: str) -> tuple[dict[str, Named], list[str]]:
    """Leave out pictures that are smaller than a crop. Raises UserError if none is left."""
    # Pairs are of one size, so what is left out of one kind is left out of the other.
    large = {n: (kind.train.sizes >= np.array(size)).all(1) for n, kind in kinds.items()}
    notes, found = [], {}
    for n, kind in kinds.items():
        keep, test = np.flatnonzero(large[n]), kind.test
        if not len(keep):
            raise UserError(
                f"{name}: no picture is as large as a crop of {size[1]}x{size[0]} pixels; lower --resolution."
            )
        if len(keep) < len(kind.train):
            notes.append(f"{len(kind.train) - len(keep):,} pictures are smaller than a crop and are left out")
            labels = None if kind.labels is None else kind.labels[keep]
            kind = replace(kind, train=kind.train.subset(keep), labels=labels)
        if test is not None:
            fitting = np.flatnonzero((test.sizes >= np.array(size)).all(1))
            kind = replace(kind, test=test.subset(fitting) if len(fitting) else None)
        found[n] = kind
    return found, list(dict.fromkeys(notes))


def halves(side: Side, which: str) -> tuple[Side, Side]:
    """Return the halves of pictures that hold source and target side by side; `which` half is the source."""
    if which not in ("left", "right"):
        raise UserError(f"--side-by-side is left or right (the half that is the source), not '{shown(which)}'.")

    def half(wholes: Wholes | None, left: bool) -> Wholes | None:
        if wholes is None:
            return None
        odd = [name for name, (_, width) in zip(wholes.names, wholes.sizes, strict=True) if width % 2]
        if odd:
            raise UserError(f"{shown(odd[0])}: an odd width holds no two halves; leave --side-by-side out.")
        middles = [int(width) // 2 for _, width in wholes.sizes]
        cut = [
            (wholes.picture(i)[:, :m] if left else wholes.picture(i)[:, m:]).reshape(-1, wholes.channels)
            for i, m in enumerate(middles)
        ]
        sizes = np.stack([wholes.sizes[:, 0], np.array(middles)], 1)
        return replace(wholes, flat=np.concatenate(cut), sizes=sizes)

    def of(left: bool) -> Side:
        train = half(side.train, left)
        assert train is not None
        return replace(side, train=train, test=half(side.test, left), train_labels=None, classes=())

    return of(which == "left"), of(which == "right")


def paired(source: Side, target: Side, name: str) -> tuple[Side, Side]:
    """Return both sides in the same order. Raises UserError where a picture has no partner or another size."""
    parts: list[tuple[Wholes | None, Wholes | None]] = []
    labels, stems = [source.train_labels, target.train_labels], True
    for part, a, b in (("training", source.train, target.train), ("held-out", source.test, target.test)):
        if a is None or b is None:
            parts.append((None, None))
            continue
        paths = source.paths(a), target.paths(b)
        stems = stems and stems_suffice(*paths)
        keys = [by_key(its, stems, "pictures", name) for its in paths]
        alone = sorted(keys[0].keys() ^ keys[1].keys())
        if part == "held-out":  # a leak is left out of one side only
            keys = [{n: i for n, i in its.items() if n not in alone} for its in keys]
            alone = []
        if alone:
            side = "target" if alone[0] in keys[0] else "source"
            raise UserError(
                f"{name}: {len(alone):,} {part} pictures have no partner of the same name; '{shown(alone[0])}' has no "
                f"{side}; add it, or leave it out."
            )
        order = sorted(keys[0])
        if not order:
            parts.append((None, None))
            continue
        rows = [[its[n] for n in order] for its in keys]
        a, b = a.subset(rows[0]), b.subset(rows[1])
        if part == "training":
            labels = [None if its is None else its[chosen] for its, chosen in zip(labels, rows)]
        for n, ours, theirs in zip(order, a.sizes, b.sizes, strict=True):
            if (ours != theirs).any():
                raise UserError(
                    f"{name}: '{shown(n)}' is {ours[1]}x{ours[0]} as source and {theirs[1]}x{theirs[0]} as target; "
                    "pairs must be of one size."
                )
        parts.append((a, b))
    (train_a, train_b), (test_a, test_b) = parts
    assert train_a is not None
    assert train_b is not None
    return (
        replace(source, train=train_a, test=test_a, train_labels=labels[0]),
        replace(target, train=train_b, test=test_b, train_labels=labels[1]),
    )
