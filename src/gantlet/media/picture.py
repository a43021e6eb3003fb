"""One input of a model, whatever file it came from: its frames, its transparency, and what to write it back with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import UserError
from gantlet.media.clip import ClipWriter
from gantlet.media.foreign import MAX_ARRAY_BYTES, reading, shown
from gantlet.media.image import SUFFIXES, encoded_png, file_bytes, read_frames, read_layers, replace
from gantlet.media.medical import read_dicom, read_nifti, write_dicom, write_nifti
from gantlet.media.tiff import decode_tiff, encode_tiff

Pixels = NDArray[Any]

NIFTI, DICOM = (".nii", ".nii.gz"), (".dcm",)
READABLE = (*sorted(SUFFIXES), ".npy", *NIFTI, *DICOM)
WRITABLE = (".png", ".tif", ".tiff", ".npy", ".gif", *NIFTI, *DICOM)
CLIPS = (".gif", ".npy", *NIFTI, *DICOM)  # one file may hold several frames
STILL_RATE = 10.0  # frames a second of a .gif of frames without times


@dataclass(frozen=True)
class Picture:
    """Frames [F, H, W, C] as the file holds them (uint8, uint16 or float32), transparency [F, H, W, 1] or None."""

    pixels: Pixels
    alpha: Pixels | None = None
    times: list[int] | None = None  # milliseconds that each frame of an animation is shown
    like: Any = None  # the NIfTI image or DICOM data set it came from: place, spacing, rescaling

    @property
    def frames(self) -> int:
        """How many pictures these are."""
        return len(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])


def suffix_of(path: Path) -> str:
    """Return a file's suffix in small letters; that of a packed volume is .nii.gz."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def stem_of(path: Path) -> str:
    """Return a file's name without `suffix_of`."""
    suffix = suffix_of(path)
    return path.name[: -len(suffix)] if suffix else path.name


def read_picture(path: Path, channels: int | None = None) -> Picture:
    """Read a picture, animated GIF, .npy, NIfTI volume or DICOM file.

    A .npy holds [H, W], [H, W, C], [F, H, W] or [F, H, W, C]; three sides are [H, W, C] if the last is `channels`, or
    at most 4 while the first is more. 16-bit and float values stay as they are.

    Raises UserError: unreadable, damaged or truncated, CMYK, of another kind, or larger than is read.
    """
    suffix = suffix_of(path)
    if suffix in NIFTI:
        volume, image = read_nifti(path)
        return Picture(volume, like=image)
    if suffix in DICOM:
        frames, found = read_dicom(path)
        return Picture(frames, like=found)
    if suffix == ".npy":
        return Picture(_read_npy(path, channels))
    if suffix == ".gif":
        frames, times = read_frames(path)
        if len(frames) > 1:
            return Picture(frames, times=times)
    if suffix in (".tif", ".tiff"):
        layers = decode_tiff(file_bytes(path), str(path))
        if layers is not None:
            return Picture(layers[0][None], None if layers[1] is None else layers[1][None])
    pixels, alpha = read_layers(path)
    return Picture(pixels[None], None if alpha is None else alpha[None])


def _read_npy(path: Path, channels: int | None) -> Pixels:
    with reading(path, "give a .npy of numbers"):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.ndim not in (2, 3, 4) or not array.size or array.nbytes > MAX_ARRAY_BYTES:
            raise UserError(f"{shown(path)}: holds {list(array.shape)}; [H, W], [H, W, C] or [F, H, W, C] is read.")
        if array.dtype.name in ("float16", "float64"):
            array = array.astype(np.float32)
        if array.dtype.name not in ("uint8", "uint16", "float32"):
            raise UserError(f"{shown(path)}: holds {array.dtype}; uint8, uint16 and floats are read.")
        if array.dtype == np.float32 and not np.isfinite(array).all():
            raise UserError(f"{shown(path)}: holds NaN or infinite values; replace them first.")
    if array.ndim == 4:
        return np.asarray(array)
    if array.ndim == 2:
        return np.asarray(array)[None, :, :, None]
    last = array.shape[2] == channels if channels and channels > 1 else array.shape[2] <= 4 < array.shape[0]
    return np.asarray(array)[None] if last else np.asarray(array)[..., None]


def check_writable(path: Path, channels: int, dtype: str, frames: int, alpha: bool) -> None:
    """Raise UserError, with what to choose instead, unless `write_picture` can write such a picture to such a name."""
    suffix = suffix_of(path)
    if suffix not in WRITABLE:
        raise UserError(f"{shown(path)}: results are written as {', '.join(WRITABLE)}; choose one of these.")
    if frames > 1 and suffix not in CLIPS:
        raise UserError(f"{shown(path)}: one {suffix} holds one picture and there are {frames}; take a folder or .gif.")
    grey_or_rgb = channels in (1, 3)
    if suffix == ".png" and not (grey_or_rgb and dtype != "float32"):
        raise UserError(f"{shown(path)}: a PNG holds no {channels} channels of {dtype}; choose .tif or .npy.")
    if suffix == ".gif" and not (grey_or_rgb and dtype == "uint8"):
        raise UserError(f"{shown(path)}: a GIF holds no {channels} channels of {dtype}; choose a folder or .npy.")
    if suffix in (*NIFTI, *DICOM) and (channels != 1 or alpha):
        raise UserError(f"{shown(path)}: a {suffix} holds one channel, not {channels + alpha}; choose .tif or .npy.")


def write_picture(path: Path, picture: Picture, scale: int = 1) -> None:
    """Write a picture in the kind its name states, atomically; `scale` is how much finer it is than its `like`.

    Raises UserError where `check_writable` does, and if the place cannot be written.
    """
    pixels, alpha = picture.pixels, picture.alpha
    check_writable(path, pixels.shape[3], pixels.dtype.name, len(pixels), alpha is not None)
    suffix = suffix_of(path)
    if suffix == ".gif":
        with ClipWriter(path, STILL_RATE) as writer:
            for number, frame in enumerate(pixels):
                writer.write(frame, None if picture.times is None else picture.times[number])
        return
    is_medical = hasattr(picture.like, "affine"), hasattr(picture.like, "PixelRepresentation")
    if suffix in NIFTI:
        write_nifti(path, pixels, picture.like if is_medical[0] else None, scale)
        return
    if suffix in DICOM:
        write_dicom(path, pixels, picture.like if is_medical[1] else None, scale)
        return
    whole = pixels if alpha is None else np.concatenate([pixels, alpha.astype(pixels.dtype)], axis=-1)
    if suffix == ".npy":
        kept = whole if len(whole) > 1 else whole[0]
        replace(path, lambda file: np.save(file, kept))
        return
    pieces = encoded_png(whole[0]) if suffix == ".png" else [encode_tiff(whole[0], alpha is not None)]
    replace(path, lambda file: file.writelines(pieces))
