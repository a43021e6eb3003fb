"""Pictures: any file Pillow can be trusted with into an array, and arrays into PNG files, grids and npz."""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from gantlet.errors import UserError
from gantlet.media.foreign import MAX_BLANK, MAX_FILE_BYTES, check_ratio, reading, reason, shown
from gantlet.media.png import KINDS, missing_bytes, png_pieces

if TYPE_CHECKING:
    from gantlet.data.intensity import Intensity

Pixels = NDArray[Any]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pnm"})
IN_PIECES = 50_000_000  # values above which a PNG is written strip by strip, larger than Pillow would make it
MAX_PIXELS = 100_000_000  # checked on the header, before anything is decoded
_TOO_MANY = f"only pictures of 1 to {MAX_PIXELS:,} pixels are read; make it smaller or leave it out"

_GREY8 = frozenset({"1", "L", "LA", "La"})
_GREY16 = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I"})
_ALPHA = frozenset({"LA", "La", "RGBA", "RGBa", "PA"})
_TURNS: dict[int, Callable[[Pixels], Pixels]] = {  # EXIF orientation -> what puts the picture upright
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@dataclass(frozen=True)
class Header:
    """What a picture file says of itself: size in pixels after EXIF rotation, channels (1 or 3), dtype, Pillow mode."""

    height: int
    width: int
    channels: int
    dtype: str  # "uint8", "uint16" or "float32"
    mode: str


def read_image(source: str | Path | bytes, name: str | None = None) -> Pixels:
    """Read one picture: [H, W, 1] or [H, W, 3], uint8, uint16 or float32, as the file holds it.

    EXIF rotation is applied. Palette, CMYK and the like become RGB; 1-bit becomes 0 and 255. A transparency channel
    that varies is composited on black, a constant one is dropped. 16-bit PNG (grey and colour) and 16-bit grey TIFF or
    PGM stay uint16, float TIFF stays float32; other 16-bit colour files are read with 8 bits.

    Raises:
        UserError: unreadable, damaged, of another kind, animated, or above 100 million pixels (before decoding).
    """
    name, data = _load(source, name)
    with _opened(data, name) as image:
        pixels, transparent = _decode(image, data)
        pixels = _without_alpha(pixels) if transparent else pixels
        return np.ascontiguousarray(_TURNS.get(_orientation(image), _as_it_is)(pixels))


def read_layers(source: str | Path | bytes, name: str | None = None) -> tuple[Pixels, Pixels | None]:
    """Read one picture and, apart from it, its transparency: [H, W, 1 or 3] as in `read_image`, and [H, W, 1] or None.

    Raises UserError as `read_image` does, and for CMYK and Lab, whose colours a conversion would change.
    """
    name, data = _load(source, name)
    with _opened(data, name) as image:
        if image.mode in ("CMYK", "LAB", "HSV"):
            raise UserError(f"{shown(name)}: holds {image.mode} colours; convert it to RGB first.")
        pixels, transparent = _decode(image, data)
        pixels = np.ascontiguousarray(_TURNS.get(_orientation(image), _as_it_is)(pixels))
    return (pixels[..., :-1], pixels[..., -1:]) if transparent else (pixels, None)


def read_frames(source: str | Path, most: int = 10_000) -> tuple[Pixels, list[int]]:
    """Read an animation: frames [F, H, W, 3] uint8, and how long each is shown in milliseconds.

    Raises UserError: unreadable or damaged, or more than 100 million pixels or `most` frames in all.
    """
    name, data = _load(source, None)
    with _opened(data, name, animated=True) as image:
        count = int(getattr(image, "n_frames", 1))
        if count > most:
            raise UserError(f"{shown(name)}: {count:,} frames, and at most {most:,} are read; cut it.")
        _check_pixels(name, image.width, image.height * count)
        frames, times = np.empty((count, image.height, image.width, 3), np.uint8), []
        for number in range(count):
            image.seek(number)
            frames[number] = np.asarray(image.convert("RGB"))
            times.append(int(image.info.get("duration", 100)) or 100)
        return frames, times


def read_header(source: str | Path | bytes, name: str | None = None) -> Header:
    """Read a picture's size and kind without decoding it; raises `UserError` as `read_image` does for what it sees."""
    name, data = _load(source, name)
    with _opened(data, name) as image:
        width, height = image.size if _orientation(image) < 5 else image.size[::-1]
        mode = image.mode + (" 16 bit" if _is_deep_png(image) else "")
        if image.mode == "F":
            return Header(height, width, 1, "float32", mode)
        if image.mode in _GREY16:
            return Header(height, width, 1, "uint16", mode)
        dtype = "uint16" if _is_deep_png(image) else "uint8"
        return Header(height, width, 1 if image.mode in _GREY8 or _raw_mode(image) == "LA;16B" else 3, dtype, mode)


def _as_it_is(pixels: Pixels) -> Pixels:
    return pixels


def _load(source: str | Path | bytes, name: str | None) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return name or "picture", source
    return name or str(source), file_bytes(Path(source))


def file_bytes(path: Path) -> bytes:
    """Return the bytes of a picture file. Raises UserError if it cannot be read, or is larger than 512 MiB."""
    with reading(path, "give a picture file that exists and may be read"):
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UserError(f"{shown(path)}: larger than {MAX_FILE_BYTES >> 20} MiB, too large for a picture file.")
        return path.read_bytes()


@contextmanager
def _opened(data: bytes, name: str, animated: bool = False) -> Iterator[ImageFile]:
    with reading(name, "replace the file or leave it out"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not data:
            raise UserError(f"{shown(name)}: the file is empty; replace it or leave it out.")
        claimed = _webp_size(data)
        _check_pixels(name, *claimed)
        check_ratio(name, 8 * claimed[0] * claimed[1], len(data), MAX_BLANK)
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except UnidentifiedImageError:
            raise UserError(
                f"{shown(name)}: not a picture, or a damaged one (readable: PNG, JPEG, WebP, BMP, TIFF, GIF, PPM, PGM)."
            ) from None
        except Image.DecompressionBombError:
            raise UserError(f"{shown(name)}: {_TOO_MANY}.") from None
        with image:
            _check_pixels(name, *image.size)
            if image.format in ("GIF", "TIFF"):  # which Pillow decodes into a whole picture, whatever is there
                check_ratio(name, 8 * image.width * image.height, len(data), MAX_BLANK)
            if not animated and image.format not in ("JPEG", "MPO") and getattr(image, "is_animated", False):
                raise UserError(f"{shown(name)}: holds several pictures (animation or pages); save them one by one.")
            yield image


def _check_pixels(name: str, width: int, height: int) -> None:
    if width * height > MAX_PIXELS or width < 1 or height < 1:
        raise UserError(f"{shown(name)}: {width} x {height} pixels, and {_TOO_MANY}.")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return the size a WebP file claims (Pillow allocates it on opening), (1, 1) for anything else."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return 1, 1
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return max(width & 0x3FFF, 1), max(height & 0x3FFF, 1)


def _orientation(image: ImageFile) -> int:
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1  # Pillow turns TIFF by itself; for PNG, getexif would decode the whole file to look behind the pixels
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # a damaged EXIF block does not make the picture unreadable
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _is_deep_png(image: ImageFile) -> bool:
    return image.format == "PNG" and _raw_mode(image) in ("RGB;16B", "RGBA;16B", "LA;16B")


def _raw_mode(image: ImageFile) -> object:
    return image.tile[0][3] if image.tile else None


def _decode(image: ImageFile, data: bytes) -> tuple[Pixels, bool]:
    """Return the pixels [H, W, C] of an opened picture, and whether their last channel is transparency."""
    if image.format == "PNG" and (lacking := missing_bytes(data)):
        raise OSError(f"{lacking:,} bytes of its pixels are missing")
    if _is_deep_png(image):
        deep = _decode_deep_png(image, data)
        return deep, deep.shape[2] in (2, 4)
    if image.mode == "F":
        return np.asarray(image, dtype=np.float32)[..., None], False
    if image.mode in _GREY16:
        raw = np.asarray(image)
        if raw.min() < 0 or raw.max() > 65535:
            raise ValueError("its 32-bit numbers do not fit into 16 bits")
        return raw.astype(np.uint16)[..., None], False
    grey = image.mode in _GREY8
    transparent = image.mode in _ALPHA or (image.mode == "P" and "transparency" in image.info)
    if grey:
        mode = "LA" if transparent else "L"
    else:
        mode = "RGBA" if transparent else "RGB"
    pixels = np.asarray(image.convert(mode) if image.mode != mode else image)
    return pixels.reshape(*pixels.shape[:2], -1), transparent


def _decode_deep_png(image: ImageFile, data: bytes) -> Pixels:
    """Decode 16-bit colour, of which Pillow keeps the high bytes alone, twice: the second time the low ones."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as again:
        tile = again.tile[0]
        if _raw_mode(again) == "LA;16B":  # the two bytes of grey and of alpha pass for those of four 8-bit channels
            again.tile = [tile._replace(args="RGBA")]
            return np.asarray(again).view(">u2").astype(np.uint16)
        again.tile = [tile._replace(args=f"{again.mode};16L")]
        low = np.asarray(again).astype(np.uint16)
    return np.asarray(image).astype(np.uint16) << 8 | low


def _without_alpha(pixels: Pixels) -> Pixels:
    colour, alpha = pixels[..., :-1], pixels[..., -1:]
    if (alpha == alpha.flat[0]).all():
        return colour
    top = int(np.iinfo(pixels.dtype).max)
    return ((colour.astype(np.uint64) * alpha + top // 2) // top).astype(pixels.dtype)


def write_image(path: str | Path, array: Pixels) -> None:
    """Write [H, W] or [H, W, C] uint8 or uint16 (C: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA) as PNG, atomically.

    Raises:
        UserError: the suffix is not .png, or the folder cannot be written.
        ValueError: another shape or dtype.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise UserError(f"{shown(path)}: pictures are written as .png; choose a name ending in .png.")
    pieces = encoded_png(array)
    replace(path, lambda file: file.writelines(pieces))


def encode_png(array: Pixels) -> bytes:
    """Return the PNG file of [H, W] or [H, W, C] uint8 or uint16 pixels, C from 1 to 4; ValueError for others."""
    return b"".join(encoded_png(array))


def encoded_png(array: Pixels) -> Iterable[bytes]:
    """Return `encode_png` in pieces: a large picture's file is never in memory as a whole."""
    pixels = array[..., None] if array.ndim == 2 else array
    if pixels.ndim != 3 or pixels.shape[2] not in KINDS or pixels.dtype not in (np.uint8, np.uint16) or not array.size:
        raise ValueError(f"a PNG holds uint8 or uint16 [H, W, 1 to 4], not {array.dtype} {list(array.shape)}")
    if pixels.dtype == np.uint16 or pixels.size > IN_PIECES:
        return png_pieces(pixels)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)).save(buffer, "PNG")
    return (buffer.getvalue(),)


def replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file under a temporary name and rename it, so that no half-written file ever bears its name."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            write(file)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise UserError(f"{shown(path)}: cannot be written ({reason(error)}); choose another place.") from error
        raise


def grid(images: Pixels, columns: int | None = None, scale: int | None = None, pad: int = 1) -> Pixels:
    """Lay pictures [N, H, W, C] uint8 out row by row in one [H', W', C], on black with `pad` pixels between them.

    Without `columns` the grid is as square as it can be. Without `scale` pictures below 48 pixels are enlarged by the
    whole number that brings their longer side near 48 (8x8 digits: x6); enlarging repeats pixels.
    """
    if images.ndim != 4 or not images.size:
        raise ValueError(f"a grid takes [N, H, W, C] with N >= 1, not {list(images.shape)}")
    count, height, width, channels = images.shape
    columns = min(count, columns or int(np.ceil(np.sqrt(count))))
    scale = scale or max(1, 48 // max(height, width))
    rows = -(-count // columns)
    big = images.repeat(scale, axis=1).repeat(scale, axis=2)
    step_y, step_x = height * scale + pad, width * scale + pad
    canvas = np.zeros((rows * step_y + pad, columns * step_x + pad, channels), images.dtype)
    for index in range(count):
        y, x = pad + index // columns * step_y, pad + index % columns * step_x
        canvas[y : y + height * scale, x : x + width * scale] = big[index]
    return canvas


def to_displayable(raw: Pixels, intensity: Intensity) -> Pixels:
    """Turn raw pictures [N, H, W, C] into uint8 [N, H, W, 1 or 3]: the intensity's range becomes 0 to 255.

    Two channels show the first, four and more the first three.
    """
    kept = raw[..., :3] if raw.shape[-1] >= 3 else raw[..., :1]
    if kept.dtype == np.uint8 and (intensity.low, intensity.high) == (0, 255):
        return kept
    unit = (kept.astype(np.float64) - intensity.low) / ((intensity.high - intensity.low) or 1.0)
    shown8: Pixels = np.rint(np.nan_to_num(unit).clip(0, 1) * 255).astype(np.uint8)
    return shown8
