"""A power cut at any moment of a save: what was not synced may be lost, in any combination; a finished save never."""

from __future__ import annotations

import builtins
import itertools
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from engine_toys import silent, state_of, value_in

from gantlet.engine import storage
from gantlet.engine.checkpoint import Checkpoints


@dataclass
class Node:
    """A file or folder of the model: what it holds, and how much of that is on the disk."""

    entries: dict[str, Node] | None = None  # of a folder
    content: bytes = b""
    durable: bytes = b""  # what a sync has written of a file


@dataclass
class Change:
    """A change of a folder's entries that no sync has made durable yet."""

    folder: Node
    removed: tuple[str, ...]
    added: dict[str, Node]


@dataclass
class Disk:
    """What a power cut would leave of everything below `top`, as the calls that change files are watched.

    `durable` maps folders to the entries that are on the disk; `pending` are changes that may be there or not.
    """

    top: Path
    root: Node = field(default_factory=lambda: Node({}))
    durable: dict[int, dict[str, Node]] = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)

    def node(self, path: Path) -> Node:
        found = self.root
        for part in Path(path).relative_to(self.top).parts:
            assert found.entries is not None
            found = found.entries[part]
        return found

    def change(self, folder: Path, removed: tuple[str, ...], added: dict[str, Node]) -> None:
        where = self.node(folder)
        assert where.entries is not None
        for name in removed:
            where.entries.pop(name)
        where.entries |= added
        self.pending.append(Change(where, removed, added))

    def sync(self, path: Path) -> None:
        node = self.node(path)
        if node.entries is None:
            node.durable = node.content
        else:
            self.durable[id(node)] = dict(node.entries)
            self.pending = [change for change in self.pending if change.folder is not node]

    def left(self, kept: tuple[Change, ...]) -> dict[str, bytes]:
        """Return the files, by path, that are there after the cut if these pending changes reached the disk."""
        entries = {key: dict(names) for key, names in self.durable.items()}
        for change in kept:
            of = entries.setdefault(id(change.folder), {})
            for name in change.removed:
                of.pop(name, None)
            of |= change.added
        found: dict[str, bytes] = {}

        def walk(node: Node, path: str) -> None:
            for name, inner in entries.get(id(node), {}).items():
                if inner.entries is None:
                    found[f"{path}/{name}"] = inner.durable
                else:
                    walk(inner, f"{path}/{name}")

        walk(self.root, "")
        return found

    def outcomes(self, rng: random.Random) -> list[dict[str, bytes]]:
        """Return what may be left: every prefix of what is pending, each change alone, and some other choices."""
        pending = self.pending
        choices = [tuple(pending[:count]) for count in range(len(pending) + 1)]
        choices += [(change,) for change in pending]
        subsets = itertools.chain.from_iterable(itertools.combinations(pending, n) for n in range(2, len(pending)))
        choices += rng.sample(some := list(itertools.islice(subsets, 400)), min(8, len(some)))
        return [self.left(choice) for choice in choices]


class File:
    """A file opened for writing, whose writes the model sees."""

    def __init__(self, path: Path, disk: Disk, after: Callable[[], None]) -> None:
        self.path, self.disk, self.after = path, disk, after
        self.file = builtins.open(path, "wb")  # noqa: SIM115
        disk.change(path.parent, (), {path.name: Node()})

    def __enter__(self) -> File:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def write(self, content: bytes) -> None:
        self.file.write(content)
        self.disk.node(self.path).content = content
        self.after()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def rmtree(path: Path, ignore_errors: bool = False) -> None:
    """Delete a folder by calls that take whole paths."""
    if path.is_dir():
        for inner in sorted(path.iterdir()):
            rmtree(inner) if inner.is_dir() else os.unlink(inner)
        os.rmdir(path)


def watch(monkeypatch: pytest.MonkeyPatch, disk: Disk, after: Callable[[], None]) -> None:
    """Let every call of storage.py that changes files change the model, too, and call `after` then."""
    real_mkdir, real_rename, real_fsync, real_unlink, real_rmdir = (
        os.mkdir, os.rename, os.fsync, os.unlink, os.rmdir,
    )  # fmt: skip

    def mkdir(path: Any, *rest: Any, **named: Any) -> None:
        real_mkdir(path, *rest, **named)
        disk.change(Path(path).parent, (), {Path(path).name: Node({})})
        after()

    def rename(source: Any, target: Any) -> None:
        real_rename(source, target)
        disk.change(Path(source).parent, (Path(source).name,), {Path(target).name: disk.node(Path(source))})
        after()

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        disk.sync(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        after()

    def gone(real: Callable[[Any], None]) -> Callable[[Any], None]:
        def remove(path: Any) -> None:
            real(path)
            disk.change(Path(path).parent, (Path(path).name,), {})
            after()

        return remove

    monkeypatch.setattr(os, "mkdir", mkdir)
    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(os, "replace", rename)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "unlink", gone(real_unlink))
    monkeypatch.setattr(os, "rmdir", gone(real_rmdir))
    monkeypatch.setattr(shutil, "rmtree", rmtree)

    def opened(path: Path, mode: str = "r") -> Any:
        return File(path, disk, after) if "w" in mode else builtins.open(path, mode)

    monkeypatch.setattr(storage, "open", opened, raising=False)


def saves(folder: Path, keep: int, acknowledge: Callable[[float], None]) -> None:
    """Save three steps, one of them twice, marking the best; tell each value once its save has returned."""
    checkpoints = Checkpoints(folder, {"recipe": "toy"}, keep)
    for value, step in ((1.0, 1), (2.0, 2), (2.5, 2), (3.0, 3)):
        checkpoints.save(state_of(value, step))
        acknowledge(value)
        checkpoints.mark_best(step, "fid", 9 - value)


@pytest.mark.parametrize("keep", [1, 2])
def test_a_power_cut_loses_no_finished_save(keep: int, tmp_path: Path) -> None:
    top, disk, rng = tmp_path / "run", Disk(tmp_path / "run"), random.Random(0)
    top.mkdir()
    left: dict[tuple[tuple[str, bytes], ...], float] = {}  # files after a cut -> the last value that was acknowledged
    acknowledged = 0.0

    def after() -> None:
        for files in disk.outcomes(rng):
            key = tuple(sorted(files.items()))
            left[key] = max(left.get(key, 0.0), acknowledged)

    def acknowledge(value: float) -> None:
        nonlocal acknowledged
        acknowledged = value
        after()

    with pytest.MonkeyPatch.context() as patch:
        watch(patch, disk, after)
        saves(top / "checkpoints", keep, acknowledge)
    assert len(left) > 50
    for number, (files, value) in enumerate(left.items()):
        cut = tmp_path / f"cut-{number}"
        for name, content in files:
            path = Path(f"{cut}{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        checkpoints = Checkpoints(cut / "checkpoints", {}, keep)
        newest = checkpoints.newest(silent)
        found = 0.0 if newest is None else value_in(checkpoints, newest)
        assert found >= value, f"{value} was saved, {found} is left of {[name for name, _ in files]}"
        shutil.rmtree(cut, ignore_errors=True)


def test_the_model_finds_a_save_that_does_not_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above can fail: without the sync of the parent folder a finished save may be lost."""
    top = tmp_path / "run"
    top.mkdir()
    disk = Disk(top)
    with monkeypatch.context() as patch:
        watch(patch, disk, lambda: None)
        patch.setattr(storage, "sync_folder", lambda folder: None)
        storage.write_folder(top / "step-1", {"a": b"1"})
    assert disk.left(()) == {}
    assert disk.left(tuple(disk.pending))["/step-1/a"] == b"1"
