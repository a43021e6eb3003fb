"""What Pillow does not do of PNG: say whether all pixels are there (it takes what is missing for black), 16-bit colour,
and large files in little memory (it keeps a copy of all pixels, and the whole file)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

KINDS = {1: 0, 2: 4, 3: 2, 4: 6}  # colour type by channels
UP = 2  # the filter of all rows: what differs from the row above
VALUES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by colour type
# Of Adam7: first column and row, steps between columns and rows.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
PIECE = 1 << 20  # bytes decompressed at a time


def missing_bytes(data: bytes) -> int:
    """Return how many bytes of pixels a PNG lacks (PNG specification, sections 7 and 8); 0 for a whole one.

    What is no PNG that could be decompressed counts as whole: its reader says what is wrong with it.
    """
    width, height, bits, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    grids = PASSES if interlaced else ((0, 0, 1, 1),)
    wanted = 0
    for x, y, dx, dy in grids:
        columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
        if columns > 0 and rows > 0:
            wanted += rows * (1 + -(-columns * bits * VALUES.get(colour, 1) // 8))
    inflate, found, at = zlib.decompressobj(), 0, 8
    try:
        while at + 8 <= len(data) and found < wanted:
            length, kind = struct.unpack_from(">I4s", data, at)
            if kind == b"IDAT":
                left = data[at + 8 : at + 8 + length]
                while left and found < wanted:
                    found += len(inflate.decompress(left, PIECE))
                    left = inflate.unconsumed_tail
            at += 12 + length
        found += len(inflate.flush()) if found < wanted else 0
    except zlib.error:
        return 0
    return max(wanted - found, 0)


def png_pieces(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> Iterator[bytes]:
    """Yield the PNG file of [H, W, C] pixels, C from 1 to 4, in pieces: beside the pixels, memory holds a strip."""
    height, width, channels = pixels.shape
    depth = 8 * pixels.dtype.itemsize
    head = struct.pack(">IIBBBBB", width, height, depth, KINDS[channels], 0, 0, 0)
    yield b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head)
    deflate = zlib.compressobj()
    step = max(PIECE // max(width * channels * depth // 8, 1), 1)
    above = np.zeros((1, width * channels * depth // 8), np.uint8)
    for top in range(0, height, step):
        strip = pixels[top : top + step].astype(">u2" if depth == 16 else np.uint8)
        rows = strip.reshape(len(strip), -1).view(np.uint8)
        lines = np.full((len(rows), 1 + rows.shape[1]), UP, np.uint8)  # each row is preceded by its filter
        np.subtract(rows, np.concatenate([above, rows[:-1]]), out=lines[:, 1:])
        above = rows[-1:]
        if done := deflate.compress(lines.tobytes()):
            yield _chunk(b"IDAT", done)
    yield _chunk(b"IDAT", deflate.flush()) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
