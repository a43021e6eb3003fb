"""TIFF beyond what Pillow keeps: any number of channels with 8, 16 or 32 (float) bits, uncompressed, one page."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import UserError
from gantlet.media.foreign import reading, shown
from gantlet.media.image import MAX_PIXELS

Pixels = NDArray[Any]

_TYPES = {1: "B", 3: "H", 4: "I"}  # BYTE, SHORT and LONG, the types of the tags below
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS = 256, 257, 258, 259, 262, 273
_ORIENTATION, _SAMPLES, _ROWS, _COUNTS, _PLANAR, _EXTRA, _FORMAT = 274, 277, 278, 279, 284, 338, 339
_DTYPES = {(8, 1): "u1", (16, 1): "u2", (32, 3): "f4"}  # (bits, sample format: 1 unsigned, 3 float)
_TAGS = {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS, _ORIENTATION, _SAMPLES, _ROWS, _COUNTS,
         _PLANAR, _EXTRA, _FORMAT}  # fmt: skip
_MOST = 1_000_000  # values of a tag: no picture has as many strips
_ALPHA = (1, 2)  # of ExtraSamples: associated and unassociated alpha


def encode_tiff(pixels: Pixels, alpha: bool = False) -> bytes:
    """Return the TIFF file of [H, W, C] uint8, uint16 or float32 pixels; `alpha` says that the last is transparency.

    Little-endian, uncompressed, one strip; three colours are RGB, any other number grey and extra samples.
    Raises ValueError for other shapes and types.
    """
    kinds = {"uint8": (8, 1), "uint16": (16, 1), "float32": (32, 3)}
    if pixels.ndim != 3 or not pixels.size or pixels.dtype.name not in kinds:
        raise ValueError(f"a TIFF holds uint8, uint16 or float32 [H, W, C], not {pixels.dtype} {list(pixels.shape)}")
    height, width, channels = pixels.shape
    bits, kind = kinds[pixels.dtype.name]
    colours = channels - alpha
    rgb = colours == 3
    extra = [0] * (colours - (3 if rgb else 1)) + [2] * alpha
    body = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    tags: list[tuple[int, int, list[int]]] = [
        (_WIDTH, 4, [width]),
        (_HEIGHT, 4, [height]),
        (_BITS, 3, [bits] * channels),
        (_COMPRESSION, 3, [1]),
        (_PHOTOMETRIC, 3, [2 if rgb else 1]),
        (_OFFSETS, 4, [8]),
        (_SAMPLES, 3, [channels]),
        (_ROWS, 4, [height]),
        (_COUNTS, 4, [len(body)]),
        (_PLANAR, 3, [1]),
        *([(_EXTRA, 3, extra)] if extra else []),
        (_FORMAT, 3, [kind] * channels),
    ]
    start = 8 + len(body) + len(body) % 2
    beyond = start + 2 + 12 * len(tags) + 4
    entries, lists = b"", b""
    for tag, type_, values in tags:
        packed = struct.pack(f"<{len(values)}{_TYPES[type_]}", *values)
        if len(packed) > 4:
            place = struct.pack("<I", beyond + len(lists))
            lists += packed + b"\0" * (len(packed) % 2)
        else:
            place = packed.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, type_, len(values)) + place
    if beyond + len(lists) >= 2**32:
        raise UserError("A TIFF holds less than 4 GiB; write a .npy instead.")
    head = struct.pack("<2sHI", b"II", 42, start)
    return b"".join([head, body, b"\0" * (len(body) % 2), struct.pack("<H", len(tags)), entries, bytes(4), lists])


def decode_tiff(data: bytes, name: str) -> tuple[Pixels, Pixels | None] | None:
    """Return pixels [H, W, C] and transparency [H, W, 1] or None of a TIFF of several channels; None: for Pillow.

    Raises UserError for a damaged file, and for deep colour of a kind that is not read (compressed, planar, tiled).
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return None
    with reading(name, "replace the file or leave it out"):
        tags, pages = _tags(data, order)
        samples = tags.get(_SAMPLES, [1])[0]
        bits = tags.get(_BITS, [1])
        if samples == 1 or pages > 1:
            return None
        simple = tags.get(_COMPRESSION, [1]) == [1] and tags.get(_PLANAR, [1]) == [1] and _OFFSETS in tags
        simple = simple and tags.get(_ORIENTATION, [1]) == [1] and tags.get(_PHOTOMETRIC, [1])[0] in (1, 2)
        kind = (bits[0], tags.get(_FORMAT, [1])[0])
        if not simple or len(set(bits)) > 1 or kind not in _DTYPES:
            if max(bits) > 8:
                raise UserError(
                    f"{shown(name)}: {samples} channels of {max(bits)} bits are read from a TIFF only if it is "
                    "uncompressed, in strips, and unsigned or float; save it so, or as a 16-bit PNG."
                )
            return None
        pixels = _strips(data, tags, np.dtype(order + _DTYPES[kind]), samples)
        extra = tags.get(_EXTRA, [])
        if extra and extra[-1] in _ALPHA:
            return pixels[..., :-1], pixels[..., -1:]
        return pixels, None


def _tags(data: bytes, order: str) -> tuple[dict[int, list[int]], int]:
    """Return the tags of the first page, and whether there is one page or 2 and more.

    Raises ValueError where tags share the bytes of their values, of which few would unpack to gigabytes.
    """
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    found: dict[int, list[int]] = {}
    left = len(data)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, type_, number = struct.unpack_from(f"{order}HHI", data, entry)
        if tag not in _TAGS or tag in found or type_ not in _TYPES or number > _MOST:
            continue
        letters = f"{order}{number}{_TYPES[type_]}"
        size = struct.calcsize(letters)
        left -= size
        if left < 0:
            raise ValueError("its tags overlap")
        place = entry + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, entry + 8)[0]
        found[tag] = list(struct.unpack_from(letters, data, place))
    (following,) = struct.unpack_from(f"{order}I", data, start + 2 + 12 * count)
    return found, 2 if following else 1


def _strips(data: bytes, tags: dict[int, list[int]], dtype: np.dtype[Any], samples: int) -> Pixels:
    height, width = tags[_HEIGHT][0], tags[_WIDTH][0]
    if not 1 <= height * width <= MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels, and only 1 to {MAX_PIXELS:,} are read")
    needed = height * width * samples * dtype.itemsize
    body = bytearray()
    if needed <= len(data):  # else strips overlap, or lack
        for place, size in zip(tags[_OFFSETS], tags[_COUNTS]):
            body += data[place : place + min(size, needed - len(body))]
    if len(body) < needed:
        raise ValueError("the file is truncated")
    pixels = np.frombuffer(body, dtype).reshape(height, width, samples)
    return pixels.astype(dtype.newbyteorder("="))
