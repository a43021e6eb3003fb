"""Whether a PNG holds all the pixels its header promises: Pillow takes what is missing for black, and says nothing."""

from __future__ import annotations

import struct
import zlib

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
