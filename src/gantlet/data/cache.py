"""Decoded pictures on disk: written once, in full or not at all, and memory-mapped from then on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from gantlet.errors import UserError
from gantlet.media.foreign import reason, shown

VERSION = 2  # of what is kept: raise it when the same files would give other pixels or other facts


def cache_folder(cache: Path | None) -> Path:
    """Return `cache`, else $GANTLET_CACHE, else ~/.cache/gantlet/data."""
    if cache is not None:
        return Path(cache)
    given = os.environ.get("GANTLET_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "gantlet" / "data"


@dataclass(frozen=True)
class Stored:
    """What the cache holds of one source: pixels [N, H, W, C] (mapped, read-only), labels [N] or None, and the rest."""

    pixels: NDArray[Any]
    labels: NDArray[np.int64] | None
    meta: dict[str, Any]
    key: str


def load(folder: Path, key: str) -> Stored | None:
    """Return what is stored under `key`, or None if it is not there, or not whole by its own sizes and shapes."""
    place = folder / "decoded" / key
    try:
        meta = json.loads((place / "meta.json").read_text("utf-8"))
        if meta["version"] != VERSION:
            return None
        for name, size in meta["sizes"].items():
            if (place / name).stat().st_size != size:
                return None
        pixels = np.load(place / "pixels.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(place / "labels.npy", allow_pickle=False) if "labels.npy" in meta["sizes"] else None
        if list(pixels.shape) != meta["shape"] or pixels.dtype.name != meta["dtype"]:
            return None
    except Exception:  # numpy's parser of headers raises what Python's tokenizer does; an entry is made anew
        return None
    return Stored(np.asarray(pixels), labels, meta, key)


class Writer:
    """A new entry in a temporary folder: `rows` [N, H, W, C] is written in place, and `finish` makes it real."""

    def __init__(self, folder: Path, key: str, shape: tuple[int, int, int, int], dtype: str) -> None:
        self._place = folder / "decoded" / key
        self._temporary = self._place.parent / f".tmp-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(self._place.parent)
        need = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
        free = shutil.disk_usage(self._place.parent).free
        if need > free:
            raise UserError(
                f"{shown(folder)}: {need:,} bytes are needed for the decoded pictures and {free:,} are free; "
                "make room, lower the resolution, or name another cache folder in GANTLET_CACHE."
            )
        self._temporary.mkdir()
        try:
            self.rows = npy.open_memmap(self._temporary / "pixels.npy", "w+", np.dtype(dtype), shape)
            _reserve(self._temporary / "pixels.npy")
        except BaseException:
            shutil.rmtree(self._temporary, ignore_errors=True)
            raise

    def finish(self, keep: NDArray[np.int64], labels: NDArray[np.int64] | None, meta: dict[str, Any]) -> None:
        """Keep the rows at the rising indices `keep`, add labels and facts, and give the folder its final name."""
        rows, path = self.rows, self._temporary / "pixels.npy"
        for new, old in enumerate(keep):
            if new != old:
                rows[new] = rows[old]
        rows.flush()
        shape, dtype, offset = (len(keep), *rows.shape[1:]), rows.dtype, rows.offset
        shorter = len(keep) != len(rows)
        del rows  # Windows renames no folder that holds a mapped file
        self._close()
        if shorter:
            with path.open("r+b") as file:
                npy.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": shape})
                if file.tell() != offset:
                    raise OSError(None, "the header of the decoded pictures changed its size")
                file.truncate(offset + int(np.prod(shape)) * dtype.itemsize)
        if labels is not None:
            np.save(self._temporary / "labels.npy", labels[keep])
        sizes = {file.name: file.stat().st_size for file in self._temporary.iterdir()}
        facts = {**meta, "version": VERSION, "shape": list(shape), "dtype": dtype.name, "sizes": sizes}
        (self._temporary / "meta.json").write_text(json.dumps(facts, indent=1), "utf-8")
        for written in self._temporary.iterdir():
            _sync(written)
        _sync(self._temporary)
        self._rename()

    def _rename(self) -> None:
        try:
            os.rename(self._temporary, self._place)
        except OSError:  # something is there: the same from another process, or a damaged one
            if load(self._place.parent.parent, self._place.name) is None:
                with contextlib.suppress(OSError):
                    os.rename(self._place, self._temporary.with_name(self._temporary.name + "-old"))
                os.rename(self._temporary, self._place)
        _sync(self._place.parent)

    def _close(self) -> None:
        mapped = getattr(self.rows, "_mmap", None)
        self.rows = np.empty((0, *self.rows.shape[1:]), self.rows.dtype)  # type: ignore[assignment]
        del mapped

    def discard(self) -> None:
        """Remove what is left of the temporary folders."""
        self._close()
        for name in (self._temporary, self._temporary.with_name(self._temporary.name + "-old")):
            shutil.rmtree(name, ignore_errors=True)


@contextlib.contextmanager
def writing(folder: Path, key: str, shape: tuple[int, int, int, int], dtype: str) -> Iterator[Writer]:
    """Open a `Writer` and clear it away afterwards; raises `UserError` when the folder cannot be written."""
    writer: Writer | None = None
    try:
        writer = Writer(folder, key, shape, dtype)
        yield writer
    except OSError as error:
        raise UserError(
            f"{shown(folder)}: the cache of decoded pictures cannot be written ({reason(error)}); "
            "name another folder in GANTLET_CACHE."
        ) from error
    finally:
        if writer is not None:
            writer.discard()


def _reserve(path: Path) -> None:
    """Give a file its blocks now: a disk that fills up later would kill the process that writes through a map."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _sync(path: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Remove temporary folders of processes of this machine that are no more."""
    start = f".tmp-{socket.gethostname()}-"
    for place in folder.glob(f"{start}*"):
        pid = place.name.removeprefix(start).partition("-")[0]
        if pid.isdigit() and int(pid) != os.getpid() and not _alive(int(pid)):
            shutil.rmtree(place, ignore_errors=True)


def _alive(pid: int) -> bool:
    if os.name == "nt":  # there the signal 0 is Ctrl+C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
