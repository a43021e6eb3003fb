"""From picture files to one array of pictures: scan the headers, choose the shape, decode into the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantlet.data import cache as store
from gantlet.data.arrays import as_indices
from gantlet.data.files import Entry, Files, refuse_broken
from gantlet.data.folders import Layout
from gantlet.data.intensity import Intensity
from gantlet.data.shape import Pixels, Shape, common_shape, fit
from gantlet.data.splits import choose_split
from gantlet.errors import UserError
from gantlet.media.foreign import reading, shown
from gantlet.media.image import Header, read_header, read_image

Progress = Callable[[int, int], None]  # (pictures done, pictures in all)


def scan(files: Files, entries: Sequence[Entry]) -> tuple[dict[int, Header], dict[int, str]]:
    """Return the header of each readable picture and, for the others, the sentence that says why not, by position."""
    headers: dict[int, Header] = {}
    broken: dict[int, str] = {}
    for index, entry, data in files.read_all(enumerate(entries)):
        try:
            if isinstance(data, UserError):
                raise data
            headers[index] = read_header(data, files.shown(entry))
        except UserError as error:
            broken[index] = str(error)
    return headers, broken


def plan(
    files: Files, layout: Layout, resolution: tuple[int, int] | None, at_most: int | None, skip_broken: bool
) -> Shape:
    """Return the shape of all pictures, which the headers of the training part decide.

    Raises:
        UserError: broken pictures without `skip_broken`, no readable one, or kinds that do not mix.
    """
    entries = layout.parts["train"].entries
    headers, broken = scan(files, entries)
    refuse_broken(files, "pictures", broken, len(entries), skip_broken)
    return common_shape(list(headers.values()), resolution, shown(files.path), at_most)


def open_pictures(
    files: Files,
    layout: Layout,
    split: str,
    *,
    resolution: tuple[int, int] | None = None,
    at_most: int | None = None,
    skip_broken: bool = False,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> store.Stored:
    """Return the pictures of one split from the cache, decoding them first if they are not there.

    `meta` holds "classes", "intensity", "fingerprint", "broken" (the positions of pictures left out) and
    "natural" (their own size, if it is more than `at_most`).
    """
    split = choose_split(str(files.path), split, layout.parts)
    folder = store.cache_folder(cache)
    size = resolution if resolution or at_most is None else f"<={at_most}"
    wanted = f"{store.VERSION} {split} {size} {skip_broken} {files.key()} {_layout_key(layout)}"
    key = hashlib.sha256(wanted.encode()).hexdigest()[:40]
    stored = store.load(folder, key)
    if stored is not None:
        return stored
    shape = plan(files, layout, resolution, at_most, skip_broken)
    intensity = None
    if split != "train" and shape.dtype != "uint8":
        first = open_pictures(
            files, layout, "train",
            resolution=resolution, at_most=at_most, skip_broken=skip_broken, cache=cache, progress=progress,
        )  # fmt: skip
        intensity = Intensity.from_json(first.meta["intensity"])
    part = layout.parts[split]
    total = len(part.entries)
    with store.writing(folder, key, (total, shape.height, shape.width, shape.channels), shape.dtype) as writer:
        broken = decode(files, part.entries, shape, writer.rows, progress)
        refuse_broken(files, "pictures", broken, total, skip_broken)
        keep = np.array([index for index in range(total) if index not in broken], np.int64)
        labels = as_indices(part.labels, layout.classes)
        rows = writer.rows[keep] if broken else writer.rows
        intensity = intensity or Intensity.of(rows)
        digest = fingerprint(rows, labels if labels is None else labels[keep])
        meta = {"classes": layout.classes if labels is not None else (), "intensity": intensity.to_json()}
        del rows
        writer.finish(keep, labels, {**meta, "fingerprint": digest, "broken": sorted(broken), "natural": shape.natural})
    stored = store.load(folder, key)
    if stored is None:
        raise UserError(f"{shown(folder)}: the cache does not keep what is written to it; check the disk.")
    return stored


def _layout_key(layout: Layout) -> str:
    digest = hashlib.sha256()
    for split, part in sorted(layout.parts.items()):
        lines = (split, *(entry.name for entry in part.entries), "", *(part.labels or ()), "")
        digest.update("\0".join(lines).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def decode(
    files: Files, entries: Sequence[Entry], shape: Shape, rows: Pixels, progress: Progress | None = None
) -> dict[int, str]:
    """Decode pictures into `rows` [N, H, W, C]; return, by position, why those that failed did."""
    broken: dict[int, str] = {}
    for done, (index, entry, data) in enumerate(files.read_all(enumerate(entries)), 1):
        try:
            if isinstance(data, UserError):
                raise data
            name = files.shown(entry)
            with reading(name, "leave it out or convert it"):
                rows[index] = fit(check_finite(read_image(data, name), name), shape)
        except UserError as error:
            broken[index] = str(error)
        if progress is not None:
            progress(done, len(entries))
    return broken


def check_finite(pixels: Pixels, name: str) -> Pixels:
    """Return the pixels; `UserError` if float ones hold NaN or infinity."""
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise UserError(f"{shown(name)}: holds NaN or infinite values; clean it or leave it out.")
    return pixels


def fingerprint(pixels: Pixels, labels: NDArray[np.int64] | None) -> str:
    """Return the SHA-256 of the pixels [N, H, W, C], their shape and dtype, and the labels [N]."""
    digest = hashlib.sha256(f"{pixels.dtype.name} {list(pixels.shape)}\n".encode())
    rows = max(1, 2**24 // max(1, pixels[:1].nbytes))
    for start in range(0, len(pixels), rows):
        digest.update(np.ascontiguousarray(pixels[start : start + rows]).data)
    if labels is not None:
        digest.update(b"labels\n" + labels.astype("<i8").tobytes())
    return digest.hexdigest()
