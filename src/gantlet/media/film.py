"""Video files (mp4, webm, mov, mkv, avi) through PyAV, the extra `video`; a clear sentence where it is missing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import UserError
from gantlet.media.foreign import reading, shown

# The demuxer is named, so that a playlist in disguise opens no other files and no addresses.
DEMUXERS = {".mp4": "mov", ".m4v": "mov", ".mov": "mov", ".webm": "matroska", ".mkv": "matroska", ".avi": "avi"}
SUFFIXES = tuple(DEMUXERS)
CODECS = {".mp4": ("libx264", "mpeg4"), ".webm": ("libvpx-vp9", "libvpx")}  # the first that is there writes
_ADVICE = "replace the file or leave it out"


def there() -> bool:
    """Tell whether video files can be read and written here."""
    try:
        import av  # noqa: F401
    except Exception:  # a broken one raises anything
        return False
    return True


def library(name: object) -> Any:
    """Return PyAV. Raises UserError, saying how to install it, if it is not there."""
    try:
        import av
    except Exception as error:  # a broken one raises anything
        raise UserError(
            f"{shown(name)}: video files need PyAV; pip install gantlet[video], or use .gif, .webp, .npz or a folder "
            "of frames."
        ) from error
    return av


@dataclass(frozen=True)
class Film:
    """What a video file says of itself."""

    height: int
    width: int
    count: int | None  # frames, where the file says
    rate: float | None  # frames a second
    sound: bool


def read_film_header(source: Path | bytes, suffix: str, name: object) -> Film:
    """Return what a video file says of itself. Raises UserError: damaged, or without pictures."""
    with reading(name, _ADVICE), _opened(source, suffix, name) as container:
        stream = _stream(container, name)
        rate = stream.average_rate or stream.guessed_rate
        return Film(
            int(stream.height), int(stream.width), int(stream.frames) or None, float(rate) if rate else None,
            bool(container.streams.audio),
        )  # fmt: skip


def read_film(source: Path | bytes, suffix: str, name: object) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames [H, W, 3] of a video file, in order, one in memory at a time.

    Raises UserError: damaged, cut off, or without frames.
    """
    header, count, end = read_film_header(source, suffix, name), 0, 0.0
    with reading(name, _ADVICE), _opened(source, suffix, name) as container:
        for frame in container.decode(_stream(container, name)):
            yield frame.to_ndarray(format="rgb24")
            count, end = count + 1, float(frame.time or 0)
        lasts = float(container.duration or 0) / 1e6
    if not count:
        raise UserError(f"{shown(name)}: holds no frames; leave it out.")
    missing = header.count is not None and count < header.count
    if header.count is None and not header.sound and header.rate:  # some kinds tell seconds alone
        missing = end + 3 / header.rate < lasts
    if missing:
        told = f"{header.count:,} frames" if header.count is not None else f"{lasts:.2f} s"
        raise UserError(f"{shown(name)}: cut off after {count:,} frames of {told}; replace the file or leave it out.")


@contextmanager
def _opened(source: Path | bytes, suffix: str, name: object) -> Iterator[Any]:
    av = library(name)
    file: Any = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    try:
        with av.open(file, format=DEMUXERS[suffix], mode="r") as container:
            yield container
    except av.FFmpegError as error:  # its own words hold a number and "<none>"
        raise ValueError(str(error.strerror or type(error).__name__).lower()) from error


def _stream(container: Any, name: object) -> Any:
    if not container.streams.video:
        raise UserError(f"{shown(name)}: holds no pictures; leave it out.")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return stream


class FilmWriter:
    """Writes an mp4 or webm, frame by frame; sides are made even by repeating the last row or column."""

    def __init__(self, file: IO[bytes], suffix: str, rate: float, name: object) -> None:
        av = library(name)
        self._av, self._suffix, self._name = av, suffix, name
        self._rate = Fraction(rate).limit_denominator(1001)
        self._container = av.open(file, mode="w", format=suffix[1:])
        self._stream: Any = None

    def write(self, frame: NDArray[np.uint8], time: int | None = None) -> None:
        """Add a frame [H, W, 1 or 3]; how long it is shown, the rate alone says."""
        height, width = (-(-side // 2) * 2 for side in frame.shape[:2])
        if self._stream is None:
            self._stream = self._begun(height, width)
        if (self._stream.height, self._stream.width) != (height, width):
            raise ValueError(f"a frame of {width} x {height} among frames of another size")
        colour = np.broadcast_to(frame, (*frame.shape[:2], 3)) if frame.shape[2] == 1 else frame
        even = np.pad(colour, ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0)), mode="edge")
        picture = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        self._container.mux(self._stream.encode(picture))

    def _begun(self, height: int, width: int) -> Any:
        for codec in CODECS[self._suffix]:
            with suppress(self._av.FFmpegError, ValueError):
                stream = self._container.add_stream(codec, rate=self._rate)
                stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
                if codec == "libx264":
                    stream.options = {"crf": "18"}
                return stream
        raise UserError(f"{shown(self._name)}: this PyAV writes no {self._suffix}; take .gif or a folder of frames.")

    def close(self) -> None:
        """Write what the encoder still holds, and the end."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
