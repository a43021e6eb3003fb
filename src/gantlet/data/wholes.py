"""Pictures at their own sizes: decoded once into one flat array in the cache, read back as crops."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.data import cache as store
from gantlet.data.files import Entry, Files, refuse_broken
from gantlet.data.intensity import Intensity
from gantlet.data.pictures import Progress, check_finite, scan
from gantlet.data.shape import Shape, fit
from gantlet.errors import UserError
from gantlet.media.foreign import reading, shown
from gantlet.media.image import Header, read_image

Pixels = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Wholes:
    """Pictures of many sizes: `flat` [pixels, C] holds them one after the other, row by row."""

    flat: Pixels
    sizes: NDArray[np.int64]  # [N, 2]: height, width
    names: tuple[str, ...]
    marks: tuple[str, ...]  # SHA-256 of each picture's pixels
    intensity: Intensity

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def channels(self) -> int:
        return int(self.flat.shape[1])

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each picture begins in `flat`."""
        return np.concatenate([[0], np.cumsum(self.sizes.prod(1))[:-1]]).astype(np.int64)

    def picture(self, index: int) -> Pixels:
        """Return one picture [H, W, C]: a view."""
        height, width = self.sizes[index]
        start = self.starts[index]
        return self.flat[start : start + height * width].reshape(height, width, self.channels)

    def subset(self, indices: Sequence[int] | NDArray[Any]) -> Wholes:
        """Return the pictures at these positions, copied to memory."""
        chosen = [int(index) for index in indices]
        flat = np.concatenate([self.picture(index).reshape(-1, self.channels) for index in chosen])
        names, marks = (tuple(values[index] for index in chosen) for values in (self.names, self.marks))
        return Wholes(flat, self.sizes[chosen], names, marks, self.intensity)

    def fingerprint(self) -> str:
        """Return the SHA-256 of all pictures."""
        return hashlib.sha256("\n".join(self.marks).encode()).hexdigest()


def of_array(pixels: Pixels, intensity: Intensity | None = None) -> Wholes:
    """Return pictures [N, H, W, C] of one size."""
    count, height, width, channels = pixels.shape
    marks = tuple(mark(picture) for picture in pixels)
    sizes = np.tile(np.array([[height, width]], np.int64), (count, 1))
    names = tuple(f"{index:06d}" for index in range(count))
    return Wholes(pixels.reshape(-1, channels), sizes, names, marks, intensity or Intensity.of(pixels))


def mark(picture: Pixels) -> str:
    """Return the SHA-256 of a picture's size and pixels."""
    digest = hashlib.sha256(repr((picture.shape, picture.dtype.name)).encode())
    digest.update(np.ascontiguousarray(picture))
    return digest.hexdigest()


def open_wholes(
    files: Files,
    entries: Sequence[Entry],
    *,
    skip_broken: bool = False,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Wholes:
    """Return the pictures of these files from the cache, decoding them first if they are not there.

    All get the channels and the depth of the richest; their sizes stay. Raises UserError as `open_pictures` does.
    """
    folder = store.cache_folder(cache)
    names = "\0".join(entry.name for entry in entries)
    wanted = f"{store.VERSION} wholes {skip_broken} {files.key()} {names}"
    key = hashlib.sha256(wanted.encode("utf-8", "surrogateescape")).hexdigest()[:40]
    stored = store.load(folder, key)
    if stored is None:
        decode(files, entries, folder, key, skip_broken, progress)
        stored = store.load(folder, key)
    if stored is None:
        raise UserError(f"{shown(folder)}: the cache does not keep what is written to it; check the disk.")
    meta = stored.meta
    sizes = np.array(meta["pictures"], np.int64).reshape(-1, 2)
    flat = stored.pixels.reshape(-1, stored.pixels.shape[3])
    return Wholes(flat, sizes, tuple(meta["names"]), tuple(meta["marks"]), Intensity.from_json(meta["intensity"]))


def decode(
    files: Files, entries: Sequence[Entry], folder: Path, key: str, skip_broken: bool, progress: Progress | None
) -> None:
    """Decode pictures into a new entry of the cache. Raises UserError for those that cannot be read, unless skipped."""
    headers, broken = scan(files, entries)
    refuse_broken(files, "pictures", broken, len(entries), skip_broken)
    common = shape_of(list(headers.values()), shown(files.path))
    total = sum(header.height * header.width for header in headers.values())
    sizes, names, marks, at = [], [], [], 0
    with store.writing(folder, key, (1, total, 1, common.channels), common.dtype) as writer:
        flat = writer.rows[0, :, 0]
        for index, entry in enumerate(entries):
            if index in broken:
                continue
            name, header = files.shown(entry), headers[index]
            own = Shape(header.height, header.width, common.channels, common.dtype)
            try:
                with reading(name, "leave it out or convert it"):
                    picture = fit(check_finite(read_image(files.read(entry), name), name), own)
            except UserError as error:
                broken[index] = str(error)
                continue
            flat[at : at + own.height * own.width] = picture.reshape(-1, common.channels)
            at += own.height * own.width
            sizes.append((own.height, own.width))
            names.append(entry.name)
            marks.append(mark(picture))
            if progress is not None:
                progress(index + 1, len(entries))
        refuse_broken(files, "pictures", broken, len(entries), skip_broken)
        intensity = Intensity.of(flat[:at])
        del flat
        meta = {"pictures": sizes, "names": names, "marks": marks, "intensity": intensity.to_json()}
        writer.finish(np.array([0], np.int64), None, meta)


def shape_of(headers: Sequence[Header], where: str) -> Shape:
    """Return the channels and depth of the richest picture (its size means nothing here)."""
    dtypes = {header.dtype for header in headers}
    if "float32" in dtypes and len(dtypes) > 1:
        raise UserError(f"{where}: mixes pictures of floats with pictures of integers, which have no common scale.")
    return Shape(1, 1, max(header.channels for header in headers), max(dtypes, key=lambda d: (len(d), d)))
