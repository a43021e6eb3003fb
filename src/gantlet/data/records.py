"""The binary files of MNIST (idx) and CIFAR-10, checked against their real length."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.data.arrays import Table, as_indices
from gantlet.data.files import Entry, Files
from gantlet.data.splits import choose_split, class_order
from gantlet.errors import UserError
from gantlet.media.foreign import MAX_ARRAY_BYTES, check_ratio, reading

IDX_NAME = re.compile(r"^(.*?)(train|t10k|test|val)-(images|labels)[-.]idx[13]-ubyte(\.gz)?$", re.IGNORECASE)
CIFAR_NAME = re.compile(r"^(data_batch_\d+|test_batch)\.bin$")
PICKLED_NAME = re.compile(r"^(data_batch_\d+|test_batch|batches\.meta)$")
_RECORD = 1 + 32 * 32 * 3
_LIMIT = 4 * 2**30
_AGAIN = "the file is damaged or incomplete, so fetch it again"


def _base(entry: Entry) -> str:
    return entry.name.rpartition("/")[2]


def holds_idx(files: Files) -> bool:
    """Return whether there are idx files of pictures, such as train-images-idx3-ubyte.gz."""
    matches = (IDX_NAME.match(_base(entry)) for entry in files.entries)
    return any(match is not None and match[3].lower() == "images" for match in matches)


def holds_cifar(files: Files) -> bool:
    """Return whether there are CIFAR-10 files, in the binary or the refused pickled version."""
    return any(CIFAR_NAME.match(_base(entry)) or PICKLED_NAME.match(_base(entry)) for entry in files.entries)


def open_idx(files: Files, split: str, classes: Sequence[str] = ()) -> Table:
    """Read one split of idx files, gzipped or not: pictures [N, H, W, 1] uint8 and, if there, labels."""
    found: dict[tuple[str, str], Entry] = {}
    for entry in files.entries:
        match = IDX_NAME.match(_base(entry))
        if match:
            part = "test" if match[2].lower() == "t10k" else match[2].lower()
            found.setdefault((part, match[3].lower()), entry)
    part = choose_split(str(files.path), split, sorted({part for part, kind in found if kind == "images"}))
    pixels = _read_idx(files, found[part, "images"], 3)[..., None]
    if not len(pixels) or 0 in pixels.shape:
        raise UserError(f"{files.shown(found[part, 'images'])}: holds no pictures; give another folder.")
    if (part, "labels") not in found:
        return Table(pixels, None, ())
    every = {other: _read_idx(files, entry, 1) for (other, kind), entry in found.items() if kind == "labels"}
    labels = every[part]
    if len(labels) != len(pixels):
        where = files.shown(found[part, "labels"])
        raise UserError(f"{where}: {len(labels):,} labels for {len(pixels):,} pictures; fetch both files again.")
    if classes and max(int(each.max(initial=0)) for each in every.values()) < len(classes):
        return Table(pixels, labels.astype(np.int64), tuple(classes))
    names = class_order(str(label) for each in every.values() for label in np.unique(each).tolist())
    return Table(pixels, as_indices(tuple(map(str, labels.tolist())), names), names)


def _read_idx(files: Files, entry: Entry, sides: int) -> NDArray[Any]:
    where = files.shown(entry)
    data = files.read(entry, _LIMIT)
    with reading(where, _AGAIN):
        if data[:2] == b"\x1f\x8b":
            shape = _idx_shape(_unpack(data, 4 + 4 * sides), sides)
            size = 4 + 4 * sides + _product(shape)
            check_ratio(where, size, len(data))
            data = _unpack(data, size + 1, whole=True)
        else:
            shape = _idx_shape(data, sides)
        size = _product(shape)
        if len(data) != 4 + 4 * sides + size:
            raise ValueError(f"its header promises {size:,} bytes, and {max(len(data) - 4 - 4 * sides, 0):,} follow")
        return np.frombuffer(data, np.uint8, offset=4 + 4 * sides).reshape(shape)


def _unpack(data: bytes, most: int, whole: bool = False) -> bytes:
    """Return at most `most` bytes of what is gzipped; `whole` checks that the stream ends, with its checksum."""
    machine = zlib.decompressobj(wbits=31)
    out = machine.decompress(data, most)
    if whole and not machine.eof:
        out += machine.decompress(machine.unconsumed_tail, 1)
        if not machine.eof:
            raise EOFError("its gzip data end early" if len(out) < most else "it holds more than its header says")
    return out


def _idx_shape(head: bytes, sides: int) -> tuple[int, ...]:
    if len(head) < 4 + 4 * sides:
        raise EOFError("it ends within its header")
    if head[:2] != b"\0\0" or head[2] != 8 or head[3] != sides:
        raise ValueError(f"it does not start like an idx file of {sides}-dimensional bytes")
    shape = struct.unpack(f">{sides}I", head[4 : 4 + 4 * sides])
    if _product(shape) > MAX_ARRAY_BYTES:
        raise ValueError(f"shape {list(shape)} is too large")
    return shape


def _product(shape: Sequence[int]) -> int:
    product = 1
    for side in shape:
        product *= side
    return product


def open_cifar(files: Files, split: str) -> Table:
    """Read one split of CIFAR-10's binary version: [N, 32, 32, 3] uint8 with labels; the pickled one is refused."""
    names = {_base(entry): entry for entry in files.entries}
    if not any(CIFAR_NAME.match(name) for name in names):
        raise UserError(
            f"{files.shown(next(e for n, e in names.items() if PICKLED_NAME.match(n)))}: this is the pickled (Python) "
            "version of CIFAR-10, which can run code when loaded; take the binary version, cifar-10-binary.tar.gz."
        )
    batches = {"train": sorted(n for n in names if n.startswith("data_batch_") and n.endswith(".bin"))}
    batches["test"] = [name for name in names if name == "test_batch.bin"]
    part = choose_split(str(files.path), split, [split for split, there in batches.items() if there])
    rows = []
    for name in batches[part]:
        where = files.shown(names[name])
        data = files.read(names[name])
        if not data or len(data) % _RECORD:
            raise UserError(f"{where}: {len(data):,} bytes are not a multiple of {_RECORD}; fetch it again.")
        rows.append(np.frombuffer(data, np.uint8).reshape(-1, _RECORD))
        if rows[-1][:, 0].max() > 9:
            raise UserError(f"{where}: holds labels above 9, so it is no CIFAR-10 file; fetch it again.")
    table = np.concatenate(rows)
    pixels = np.ascontiguousarray(table[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return Table(pixels, table[:, 0].astype(np.int64), _class_names(files, names))


def _class_names(files: Files, names: dict[str, Entry]) -> tuple[str, ...]:
    if "batches.meta.txt" in names and names["batches.meta.txt"].size < 4096:
        text = io.StringIO(files.read(names["batches.meta.txt"]).decode("ascii", "replace"))
        listed = tuple(line.strip() for line in text if line.strip())
        if len(listed) == 10 and len(set(listed)) == 10 and all(name.isprintable() for name in listed):
            return listed
    return ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
