"""Clips: any file or folder of frames as a stream of pictures, and streams of pictures into files.

A reel tells size, rate and count before anything is decoded, and then yields frames one at a time.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantlet.errors import UserError
from gantlet.media import film
from gantlet.media.foreign import MAX_BLANK, check_ratio, reading, reason, shown
from gantlet.media.gif import GifWriter, Outline, outline, webp_outline
from gantlet.media.image import MAX_PIXELS, encode_png, file_bytes, read_image, replace

Frames = NDArray[np.uint8]  # [F, H, W, C], C is 1 or 3

ANIMATIONS = (".gif", ".webp")
SUFFIXES = (*ANIMATIONS, *film.SUFFIXES)  # files that hold a clip each
WRITABLE = (".gif", ".webp", ".npz", *film.CODECS)  # and a folder
MAX_READ = 4 * 2**30  # bytes of one clip's frames
STRIP = 4  # a picture whose width is so many times its height, or more, is a film strip of square frames
LOSSLESS = 256 * 256  # pixels of a frame, up to which a WebP keeps every value
MAX_WEBP = 2000  # frames: its encoder holds all of them
_ADVICE = "replace the file or leave it out"


@dataclass(frozen=True)
class Reel:
    """A clip that is read frame by frame: [H, W, C] uint8."""

    name: str
    height: int
    width: int
    count: int | None  # frames, where that is known before decoding
    rate: float | None  # frames a second, where that is known
    frames: Callable[[], Iterator[NDArray[np.uint8]]]
    times: list[int] | None = None  # milliseconds that each frame is shown
    notes: tuple[str, ...] = ()

    def read(self) -> Frames:
        """Return all frames [F, H, W, C]. Raises UserError for damage, no frames, or a changing size."""
        frames, total = [], 0
        for frame in self.frames():  # a film says how many it holds, or says nothing, or lies
            frames.append(frame)
            total += frame.nbytes
            if total > MAX_READ:
                raise UserError(f"{self.name}: {total:,} bytes of frames and more follow; cut or shrink it.")
        if not frames:
            raise UserError(f"{self.name}: holds no frames; leave it out.")
        channels = max(frame.shape[2] for frame in frames)
        return np.stack([np.broadcast_to(frame, (*frame.shape[:2], channels)) for frame in frames])


def open_clip(source: Path | bytes, suffix: str, name: object) -> Reel:
    """Return the reel of an animation (.gif, .webp) or a video file.

    Raises UserError: unreadable, damaged, cut off, without frames, a still picture, or too large.
    """
    if suffix in film.SUFFIXES:
        found = film.read_film_header(source, suffix, name)
        _check_size(found.height, found.width, name)
        notes = ("its sound is left aside",) if found.sound else ()
        return Reel(
            shown(name), found.height, found.width, found.count, found.rate,
            lambda: _same_size(film.read_film(source, suffix, name), name), None, notes,
        )  # fmt: skip
    data = source if isinstance(source, bytes) else file_bytes(source)
    with reading(name, _ADVICE):
        if not data:
            raise UserError(f"{shown(name)}: the file is empty; replace it or leave it out.")
        told = outline(data) if suffix == ".gif" else webp_outline(data)
    if told is None:
        raise UserError(f"{shown(name)}: a still picture, no clip; leave it out.")
    if not told.times:
        raise UserError(f"{shown(name)}: holds no frames; leave it out.")
    _check_size(told.height, told.width, name)
    check_ratio(name, 8 * told.height * told.width * len(told.times), len(data), MAX_BLANK)
    return Reel(
        shown(name), told.height, told.width, len(told.times), rate_of(told.times),
        lambda: _same_size(_animation(data, told, name), name), [time or 100 for time in told.times],
    )  # fmt: skip


def rate_of(times: Sequence[int]) -> float | None:
    """Return the frames a second of frames shown so many milliseconds: by their median; None without any."""
    middle = float(np.median([time for time in times if time] or [0]))
    return 1000 / middle if middle else None


def _animation(data: bytes, told: Outline, name: object) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames [H, W, 3] of a GIF or WebP as they are seen."""
    with reading(name, _ADVICE), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data), formats=("GIF", "WEBP")) as image:
            for number in range(len(told.times)):
                image.seek(number)
                yield np.array(image.convert("RGB"))


def _check_size(height: int, width: int, name: object) -> None:
    if not 1 <= height * width <= MAX_PIXELS:
        raise UserError(f"{shown(name)}: frames of {width} x {height}; only 1 to {MAX_PIXELS:,} pixels are read.")


def _same_size(frames: Iterable[NDArray[np.uint8]], name: object) -> Iterator[NDArray[np.uint8]]:
    """Yield frames. Raises UserError where one has another size than the first."""
    size: tuple[int, ...] = ()
    for number, frame in enumerate(frames, 1):
        size = size or frame.shape[:2]
        if frame.shape[:2] != size:
            raise UserError(
                f"{shown(name)}: frame {number:,} is {frame.shape[1]} x {frame.shape[0]} and the first "
                f"{size[1]} x {size[0]}; frames of a clip have one size."
            )
        yield frame


def reel_of_files(read: Sequence[Callable[[], tuple[str, bytes]]], name: object) -> Reel:
    """Return the reel of a folder of pictures; each function gives a frame's name and its file.

    Raises UserError: the first cannot be read, holds other than 8 bits, or there is none.
    """
    if not read:
        raise UserError(f"{shown(name)}: holds no frames; leave it out.")
    first = _eight_bits(*read[0]())
    height, width = first.shape[:2]

    def frames() -> Iterator[NDArray[np.uint8]]:
        return _same_size((_eight_bits(*each()) for each in read), name)

    return Reel(shown(name), height, width, len(read), None, frames)


def reel_of_strip(data: bytes, name: str) -> Reel:
    """Return the reel of a film strip: a picture of square frames side by side. Raises UserError if it is none."""
    pixels = _eight_bits(name, data)
    height, width = pixels.shape[:2]
    if not is_strip(height, width):
        raise UserError(f"{shown(name)}: {width} x {height} is no film strip of square frames; give a clip.")
    cut = pixels.reshape(height, width // height, height, -1).swapaxes(0, 1)
    return Reel(shown(name), height, height, width // height, None, lambda: iter(cut))


def is_strip(height: int, width: int) -> bool:
    """Tell whether a picture of this size is taken for a film strip."""
    return width >= STRIP * height and width % height == 0


def _eight_bits(name: str, data: bytes) -> NDArray[np.uint8]:
    pixels = read_image(data, name)
    if pixels.dtype != np.uint8:
        raise UserError(f"{shown(name)}: holds {pixels.dtype}; frames of a clip have 8 bits.")
    return pixels


class Writer(Protocol):
    """What takes frames [H, W, C] one by one."""

    def write(self, frame: NDArray[np.uint8], time: int | None = None) -> None: ...
    def close(self) -> None: ...


class _Folder:
    """Frames as numbered PNG files."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0

    def write(self, frame: NDArray[np.uint8], time: int | None = None) -> None:
        encoded = encode_png(frame)
        replace(self._folder / f"{self._count:06d}.png", lambda file: file.write(encoded))
        self._count += 1

    def close(self) -> None:
        """Nothing is left to write."""


class _Held:
    """Frames that are kept until the end: as an .npz (clips [1, T, H, W, C], frame_rate), or a WebP."""

    def __init__(self, file: IO[bytes], suffix: str, rate: float, name: object) -> None:
        self._file, self._suffix, self._rate, self._name = file, suffix, rate, name
        self._frames: list[NDArray[np.uint8]] = []
        self._times: list[int] = []

    def write(self, frame: NDArray[np.uint8], time: int | None = None) -> None:
        self._frames.append(frame)
        self._times.append(round(1000 / self._rate) if time is None else time)
        if self._suffix == ".webp" and len(self._frames) > MAX_WEBP:
            raise UserError(
                f"{shown(self._name)}: a WebP takes {MAX_WEBP:,} frames at most; take .gif, .mp4 or frames."
            )

    def close(self) -> None:
        if self._suffix == ".npz":
            np.savez_compressed(self._file, clips=np.stack(self._frames)[None], frame_rate=np.array(self._rate))
            return
        images = [Image.fromarray(f[..., 0] if f.shape[2] == 1 else f).convert("RGB") for f in self._frames]
        small = images[0].width * images[0].height <= LOSSLESS
        options: dict[str, Any] = dict(duration=self._times, loop=0, lossless=small, quality=50 if small else 90)
        images[0].save(self._file, "WEBP", save_all=True, append_images=images[1:], **options)


class ClipWriter:
    """Writes a clip frame by frame to a .gif, .mp4, .webm or a folder of PNG files, or at once to .webp or .npz.

    Nothing bears the name until all of it is there. Use it as a context.
    """

    def __init__(self, path: Path, rate: float) -> None:
        """Begin a clip of `rate` frames a second. Raises UserError for a name or place that cannot be written."""
        check_clip_name(path)
        self._path, suffix = path, path.suffix.lower()
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        self._file: IO[bytes] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if suffix and not path.is_dir():
                self._file = self._temporary.open("wb")
        except OSError as error:
            raise UserError(f"{shown(path)}: cannot be written ({reason(error)}); choose another place.") from error
        if self._file is None:
            self._writer: Writer = _Folder(path)
        elif suffix == ".gif":
            self._writer = GifWriter(self._file, rate)
        elif suffix in film.CODECS:
            self._writer = film.FilmWriter(self._file, suffix, rate, path)
        else:
            self._writer = _Held(self._file, suffix, rate, path)
        self.count = 0

    def write(self, frame: NDArray[np.uint8], time: int | None = None) -> None:
        """Add a frame [H, W, 1 or 3], shown `time` milliseconds where the kind of file can say so."""
        try:
            self._writer.write(np.asarray(frame), time)
        except OSError as error:
            raise UserError(f"{shown(self._path)}: cannot be written ({reason(error)}); make room.") from error
        self.count += 1

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None and self.count:
                self._writer.close()
        finally:
            if self._file is not None:
                self._file.close()
        if self._file is not None and kind is None and self.count:
            os.replace(self._temporary, self._path)
        with suppress(OSError):
            self._temporary.unlink()


def check_clip_name(path: Path) -> None:
    """Raise UserError unless a clip can be written under this name; it may need the extra `video`."""
    suffix = path.suffix.lower()
    if suffix in film.CODECS:
        film.library(path)
    elif suffix and suffix not in WRITABLE and not path.is_dir():
        raise UserError(f"{shown(path)}: clips are written as {', '.join(WRITABLE)} or into a folder; choose one.")


def write_clip(path: Path, frames: Frames, rate: float) -> None:
    """Write frames [T, H, W, C] as a clip."""
    with ClipWriter(path, rate) as writer:
        for frame in frames:
            writer.write(frame)
