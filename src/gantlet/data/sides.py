"""The two sides of a translation: which pictures are sources, which are targets, which are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantlet.data.arrays import Npz, as_indices, as_label_names, as_pictures
from gantlet.data.folders import Layout
from gantlet.data.naming import compiled, stem
from gantlet.data.pictures import Progress
from gantlet.data.sources import Arrays, Pictures, opened
from gantlet.data.splits import NoSuchSplit, class_order, listing
from gantlet.data.wholes import Wholes, of_array, open_wholes
from gantlet.errors import UserError
from gantlet.media.foreign import shown

# Names of folders that hold sources and targets, in lower case.
FOLDERS = (("source", "target"), ("input", "output"), ("a", "b"), ("x", "y"), ("noisy", "clean"))
_OF_CYCLEGAN = {"traina": ("train", 0), "trainb": ("train", 1), "testa": ("test", 0), "testb": ("test", 1)}
HELD_OUT, MOST_HELD_OUT = 0.1, 50  # share of the pictures that is held out where there is no test part, and at most


@dataclass(frozen=True)
class Side:
    """The pictures of one side, by part, and the class of each where they lie in class folders."""

    train: Wholes
    test: Wholes | None
    train_labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    inside: Mapping[str, str] = field(default_factory=dict)  # name of a file -> its path below the folder of the side

    def paths(self, pictures: Wholes) -> list[str]:
        """Return the paths of pictures of this side below its folder."""
        return [self.inside.get(name, name) for name in pictures.names]


@dataclass(frozen=True)
class Opening:
    """How pictures are opened."""

    skip_broken: bool = False
    cache: Path | None = None
    progress: Progress | None = None
    group: str | None = None  # pattern whose first group says which pictures belong together (a patient)


def open_side(source: str | Path, how: Opening) -> Side:
    """Return all pictures of a source; its test part if it has one, else pictures held out of it by name.

    Raises UserError for what cannot be opened.
    """
    with opened(source, None, how.cache, how.progress) as found:
        if isinstance(found, Pictures):
            return _of_pictures(found, how)
        return _of_arrays(found, how)


def _of_pictures(found: Pictures, how: Opening) -> Side:
    layout = found.layout
    parts = {
        name: open_wholes(
            found.files, part.entries, skip_broken=how.skip_broken, cache=how.cache, progress=how.progress
        )
        for name, part in layout.parts.items()
    }
    train, test = parts["train"], parts.get("test", parts.get("val"))
    by_name = dict(
        zip((e.name for e in layout.parts["train"].entries), layout.parts["train"].labels or (), strict=False)
    )
    labels = as_indices(tuple(by_name[name] for name in train.names), layout.classes) if by_name else None
    classes = () if labels is None else layout.classes
    inside = {name: layout.inside(name) for wholes in parts.values() for name in wholes.names}
    return held_out(Side(train, test, labels, classes, layout.notes, inside), how.group)


def _of_arrays(found: Arrays, how: Opening) -> Side:
    table = found.load("train")
    train = of_array(table.pixels, table.intensity)
    try:
        test = of_array(found.load("test").pixels, train.intensity)
    except NoSuchSplit:
        test = None
    return held_out(Side(train, test, table.labels, table.classes, found.notes), how.group)


def open_sides(source: str | Path, target: str | Path | None, how: Opening) -> tuple[Side, Side]:
    """Return sources and targets: of two places, or of one that holds both.

    One place is a folder or archive with the folders source and target (or input and output, A and B, trainA and
    trainB), or an .npz with the arrays source and target (and test_source, test_target, target_labels).
    Raises UserError where the two sides cannot be told apart.
    """
    if target is not None:
        return open_side(source, how), open_side(target, how)
    if str(source).endswith(".npz") and Path(source).is_file():
        return _sides_of_npz(Path(source), how.group)
    with opened(source, None, how.cache, how.progress) as found:
        if not isinstance(found, Pictures):
            raise UserError(f"{shown(source)}: holds one kind of pictures; name the other with --target.")
        sides = [_of_pictures(replace(found, layout=layout), how) for layout in divided(found.layout, str(source))]
        return sides[0], sides[1]


def divided(layout: Layout, where: str) -> tuple[Layout, Layout]:
    """Return the layouts of sources and targets of a place that holds both in folders of their own."""
    folders = {name.lower(): name for name in layout.classes}
    if set(folders) >= {"traina", "trainb"}:
        return _chosen(layout, _OF_CYCLEGAN, 0, where), _chosen(layout, _OF_CYCLEGAN, 1, where)
    for pair in FOLDERS:
        if set(folders) == set(pair):
            sides = [{pair[side]: ("", 0)} for side in (0, 1)]
            return _chosen(layout, sides[0], 0, where), _chosen(layout, sides[1], 0, where)
    there = listing([f"'{name}'" for name in layout.classes]) or "no folders"
    raise UserError(
        f"{shown(where)}: no folders that say what is source and what target, but {there}; name them source and target "
        "(or A and B), give the second place with --target, or say --side-by-side for pictures that hold both halves."
    )


def _chosen(layout: Layout, folders: dict[str, tuple[str, int]], side: int, where: str) -> Layout:
    """Return a layout with the pictures of some folders; the name of a folder may say which part it is.

    Raises UserError if none of them is for training.
    """
    parts: dict[str, list[int]] = {}
    from_part = {}
    for part, its in layout.parts.items():
        for index, label in enumerate(its.labels or ()):
            into, wanted = folders.get(label.lower(), ("", -1))
            if wanted == side:
                parts.setdefault(into or part, []).append(index)
                from_part[into or part] = part
    if "train" not in parts:
        names = " or ".join(name for name, (_, wanted) in folders.items() if wanted == side)
        raise UserError(f"{shown(where)}: the training part has no folder {names}; both sides need one.")
    chosen, inside = {}, layout.below(folders)
    for name, indices in parts.items():
        its = layout.parts[from_part[name]]
        entries = tuple(its.entries[index] for index in indices)
        paths = [inside(entry.name) for entry in entries]
        below = tuple(path.partition("/")[0] if "/" in path else "" for path in paths)
        chosen[name] = replace(its, entries=entries, labels=below if all(below) else None)
    classes = class_order(label for its in chosen.values() for label in its.labels or ())
    return Layout(chosen, classes, layout.notes, inside)


def _sides_of_npz(path: Path, group: str | None) -> tuple[Side, Side]:
    arrays = Npz(path)
    sides = []
    for name in ("source", "target"):
        if name not in arrays.names:
            there = ", ".join(shown(n) for n in arrays.names[:6]) or "nothing"
            raise UserError(f"{shown(path)}: a translation needs the arrays source and target; it holds {there}.")
        train = of_array(as_pictures(arrays[name], f"{path.name}/{name}"))
        test_name, labels_name = f"test_{name}", f"{name}_labels"
        test = None
        if test_name in arrays.names:
            test = of_array(as_pictures(arrays[test_name], f"{path.name}/{test_name}"), train.intensity)
        labels: NDArray[np.int64] | None = None
        classes: tuple[str, ...] = ()
        if labels_name in arrays.names:
            words = as_label_names(arrays[labels_name], len(train), f"{path.name}/{labels_name}")
            classes = class_order(words)
            labels = as_indices(words, classes)
        sides.append(held_out(Side(train, test, labels, classes), group))
    return sides[0], sides[1]


def held_out(side: Side, group: str | None = None) -> Side:
    """Return a side with a test part: its own, without pictures of the training part, or a tenth chosen by name.

    Pictures of one group stay together. A side of fewer than five pictures holds none out.
    """
    if side.test is not None:
        return without_leaks(side)
    count = len(side.train)
    chosen = (
        set(choose(side.train.names, min(int(count * HELD_OUT + 0.5), MOST_HELD_OUT), group)) if count > 4 else set()
    )
    if not chosen:
        return replace(side, notes=(*side.notes, "nothing is held out: too few pictures"))
    kept = [index for index in range(count) if index not in chosen]
    test = side.train.subset(sorted(chosen))
    labels = None if side.train_labels is None else side.train_labels[kept]
    note = f"{len(chosen):,} of {count:,} pictures are held out ({listing(test.names)})"
    return without_leaks(replace(side, train=side.train.subset(kept), test=test, train_labels=labels,
                                 notes=(*side.notes, note)))  # fmt: skip


def choose(names: Sequence[str], most: int, group: str | None) -> list[int]:
    """Return the positions of about `most` names, whole groups, chosen by the hash of the group and nothing else."""
    pattern = compiled("--group", group, "what belongs together") if group else None
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        match = pattern.search(name) if pattern else None
        found = None if match is None else match[1]
        groups.setdefault(stem(name) if found is None else found, []).append(index)
    chosen: list[int] = []
    for key in sorted(groups, key=lambda key: hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()):
        if len(groups) > 1 and len(chosen) + len(groups[key]) <= max(most, 1):
            chosen += groups[key]
    return chosen


def without_leaks(side: Side) -> Side:
    """Return the side without held-out pictures that are, pixel for pixel, in the training part as well."""
    assert side.test is not None
    seen = set(side.train.marks)
    clean = [index for index, mark in enumerate(side.test.marks) if mark not in seen]
    if len(clean) == len(side.test):
        return side
    note = f"{len(side.test) - len(clean):,} held-out pictures are in the training part too and are left out"
    return replace(side, test=side.test.subset(clean) if clean else None, notes=(*side.notes, note))
