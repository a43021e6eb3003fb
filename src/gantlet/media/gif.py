"""Animated GIF files: what one holds, without decoding it, and writing one frame by frame in constant memory."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_FRAMES = 100_000  # of one file
MIN_DELAY = 2  # hundredths of a second: viewers take less for ten


@dataclass(frozen=True)
class Outline:
    """What an animation says of itself: size in pixels, and how long each frame is shown, in milliseconds."""

    height: int
    width: int
    times: list[int]


def outline(data: bytes) -> Outline:
    """Return what a GIF file holds. Raises ValueError if it is none, is cut off, or holds more than 100,000 frames."""
    if len(data) < 13 or data[:6] not in (b"GIF87a", b"GIF89a"):
        raise ValueError("it is no GIF")
    width, height = struct.unpack("<HH", data[6:10])
    at, delay, times = 13 + _palette(data[10]), 0, list[int]()
    try:
        while data[at] != 0x3B:
            if data[at] == 0x21:
                if data[at + 1] == 0xF9:
                    delay = 10 * (data[at + 4] | data[at + 5] << 8)
                at = _after_blocks(data, at + 2)
            elif data[at] == 0x2C:
                left, top, across, down = struct.unpack("<HHHH", data[at + 1 : at + 9].ljust(8, b"\0"))
                if left + across > width or top + down > height:  # Pillow enlarges all that follow: a bomb of 4 kB
                    raise ValueError(f"frame {len(times) + 1:,} lies beyond the picture of {width} x {height}")
                at = _after_blocks(data, at + 11 + _palette(data[at + 9]))
                times.append(delay)
            else:
                raise ValueError(f"it is damaged at byte {at:,}")
            if len(times) > MAX_FRAMES:
                raise ValueError(f"it holds more than the {MAX_FRAMES:,} frames that are read")
    except IndexError:
        raise ValueError(f"it is cut off in frame {len(times) + 1:,}") from None
    return Outline(height, width, times)


def _palette(flags: int) -> int:
    """Return the bytes of the colour table that flags announce."""
    return 3 << (flags & 7) + 1 if flags & 128 else 0


def _after_blocks(data: bytes, at: int) -> int:
    """Return where a chain of data blocks ends."""
    while data[at]:
        at += data[at] + 1
    return at + 1


def webp_outline(data: bytes) -> Outline | None:
    """Return what an animated WebP file holds, None for a still one. Raises ValueError if it is none or is cut off."""
    if len(data) < 30 or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise ValueError("it is no WebP")
    if len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise ValueError("it is cut off")
    if data[12:16] != b"VP8X" or not data[20] & 2:
        return None
    width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    at, times = 12, list[int]()
    while at + 8 <= len(data):
        if data[at : at + 4] == b"ANMF":
            times.append(int.from_bytes(data[at + 20 : at + 23], "little"))
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        at += at & 1
    return Outline(height, width, times)


class GifWriter:
    """Writes an animated GIF that repeats for ever, frame by frame, with up to 256 colours in each."""

    def __init__(self, file: IO[bytes], rate: float) -> None:
        self._file, self._rate, self._count = file, rate, 0
        self._size: tuple[int, int] | None = None
        self._clock = 0.0  # hundredths of a second

    def write(self, frame: NDArray[np.uint8], time: int | None = None) -> None:
        """Add a frame [H, W, 1 or 3] that is shown `time` milliseconds. Raises ValueError for another size."""
        height, width = frame.shape[:2]
        if self._size is None:
            self._file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0))
            self._file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
            self._size = (height, width)
        if self._size != (height, width):
            raise ValueError(f"a frame of {width} x {height} among frames of {self._size[1]} x {self._size[0]}")
        began = round(self._clock)
        self._clock += 100 / self._rate if time is None else time / 10
        delay = min(max(round(self._clock) - began, MIN_DELAY), 65535)
        self._clock = max(self._clock, began + delay) if delay == MIN_DELAY else self._clock
        self._file.write(struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 4, delay, 0, 0))
        for part in _image_block(frame):
            self._file.write(part)

    def close(self) -> None:
        """Write the end mark."""
        self._file.write(b";")


def _image_block(frame: NDArray[np.uint8]) -> Iterator[bytes]:
    """Yield the image block of a frame with a colour table of its own, taken from a GIF of this frame alone."""
    data = _alone(frame)
    palette = _palette(data[10])
    at = 13 + palette
    while data[at] == 0x21:
        at = _after_blocks(data, at + 2)
    end = _after_blocks(data, at + 11)
    yield data[at : at + 9] + bytes([0x80 | (data[10] & 7) | (data[at + 9] & 0x40)]) + data[13 : 13 + palette]
    yield data[at + 10 : end]


def _alone(frame: NDArray[np.uint8]) -> bytes:
    image: Any = Image.fromarray(np.ascontiguousarray(frame[..., 0] if frame.shape[2] == 1 else frame))
    if image.mode == "RGB":
        image = image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "GIF", optimize=False, interlace=False)
    return buffer.getvalue()
