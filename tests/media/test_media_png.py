"""PNG files that lack pixels are refused, whole ones of every kind are not; large ones are written in strips."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantlet.errors import UserError
from gantlet.media import image
from gantlet.media import png as media_png
from gantlet.media.image import encode_png, read_image, read_layers, write_image
from gantlet.media.png import missing_bytes


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, body: bytes, bits: int = 8, colour: int = 2, interlaced: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (9, 5), (300, 200)])
def test_whole_files_lack_nothing(mode: str, size: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    assert missing_bytes(buffer.getvalue()) == 0
    assert read_image(buffer.getvalue()).shape[:2] == size[::-1]


def test_sixteen_bit_colour_lacks_nothing() -> None:
    pixels = np.random.default_rng(0).integers(65536, size=(7, 11, 3)).astype(np.uint16)
    assert missing_bytes(encode_png(pixels)) == 0
    assert np.array_equal(read_image(encode_png(pixels)), pixels)


def test_rows_of_an_interlaced_picture_are_counted_by_pass() -> None:
    # 9 x 5 grey: passes of 2x1, 1x1, 3x1, 2x2, 5x1, 4x3 and 9x2 pixels, a filter byte before each row.
    body = bytes(3 + 2 + 4 + 2 * 3 + 6 + 3 * 5 + 2 * 10)
    assert missing_bytes(png(9, 5, body, colour=0, interlaced=1)) == 0
    assert missing_bytes(png(9, 5, body[:-4], colour=0, interlaced=1)) == 4


def test_missing_pixels_are_refused_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "short.png"
    file.write_bytes(png(30, 10, bytes(10 * 61)))  # rows of 20 pixels where 30 are promised
    assert missing_bytes(file.read_bytes()) == 10 * (91 - 61)
    with pytest.raises(UserError, match=r"short\.png.*300 bytes of its pixels are missing"):
        read_image(file)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (5, 9), (70, 31)])
def test_what_is_written_strip_by_strip_comes_back(
    channels: int, dtype: type, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "IN_PIECES", 0)
    monkeypatch.setattr(media_png, "PIECE", 1000)  # a few rows at a time
    pixels = np.random.default_rng(0).integers(np.iinfo(dtype).max, size=(*size, channels)).astype(dtype)
    data = encode_png(pixels)
    assert missing_bytes(data) == 0
    found, alpha = read_layers(data)
    both = found if alpha is None else np.concatenate([found, alpha], -1)
    assert np.array_equal(both, pixels)


def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "IN_PIECES", 0)
    pixels = np.random.default_rng(0).integers(256, size=(2000, 4000, 3)).astype(np.uint8)
    tracemalloc.start()
    write_image(tmp_path / "large.png", pixels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < pixels.nbytes / 2
    assert np.array_equal(read_image(tmp_path / "large.png"), pixels)
