"""Pictures and labels in .npy and .npz files, read without pickle and checked before anything is allocated."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from gantlet.data.intensity import Intensity
from gantlet.data.splits import choose_split, class_order
from gantlet.errors import UserError
from gantlet.media.foreign import MAX_ARRAY_BYTES, check_ratio, reading, shown

Array = NDArray[Any]

MAX_CHANNELS = 64
_MAP_FROM = 256 * 2**20  # larger .npy files are memory-mapped where they lie
_IMAGES = ("images", "image", "x", "X", "data", "imgs", "arr_0")
_LABELS = ("labels", "label", "y", "Y", "targets", "target")
_AGAIN = "save it again with numpy.save or numpy.savez"


@dataclass(frozen=True)
class Table:
    """The pictures of one split as they lie in memory: [N, H, W, C], labels [N] or None, class names, intensity.

    The intensity is that of the training part, where it differs; None asks for the one that suits these pictures.
    """

    pixels: Array
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    intensity: Intensity | None = None


def read_npy(path: Path) -> Array:
    """Read a .npy file, memory-mapped when it is large; raises `UserError` for objects, damage and wrong sizes."""
    with reading(path, _AGAIN), path.open("rb") as file:
        shape, fortran, dtype, size = _header(file, str(path))
        there = path.stat().st_size - file.tell()
        if there < size:
            raise UserError(f"{shown(path)}: its header promises {size:,} bytes and {there:,} follow; fetch it again.")
        if size > _MAP_FROM:
            return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        return _shaped(file.read(size), shape, fortran, dtype)


class Npz:
    """The arrays of an .npz file by name, each read when asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path, "it is no intact .npz; " + _AGAIN), zipfile.ZipFile(path) as archive:
            self._infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        self.names = tuple(self._infos)

    def __getitem__(self, name: str) -> Array:
        """Return one array; raises `UserError` for objects, damage, wrong sizes and decompression bombs."""
        info = self._infos[name]
        where = f"{self.path.name}/{info.filename}"
        check_ratio(where, info.file_size, info.compress_size)
        check_ratio(where, info.file_size, self.path.stat().st_size)
        with reading(where, _AGAIN), zipfile.ZipFile(self.path) as archive, archive.open(info) as file:
            shape, fortran, dtype, size = _header(file, where)
            if size > info.file_size:
                raise UserError(
                    f"{shown(where)}: its header promises {size:,} bytes, {info.file_size:,} are there; save it again."
                )
            data = file.read(size)
            file.read(1)  # reaching the end checks the checksum
            if len(data) != size:
                raise EOFError(f"{len(data):,} of {size:,} bytes are there")
            return _shaped(data, shape, fortran, dtype)


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Read the header of an array; return shape, Fortran order, dtype and bytes."""
    version = npy.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = npy.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = npy.read_array_header_2_0(file)
    else:
        raise ValueError(f"format version {version[0]}.{version[1]} is not known")
    if dtype.hasobject:
        raise UserError(
            f"{shown(where)}: holds Python objects, which can run code when loaded and are never read; "
            "save plain number arrays instead."
        )
    if dtype.names is not None or dtype.kind not in "biufUS":
        raise UserError(f"{shown(where)}: holds {shown(dtype)}, not plain numbers; save it as uint8 or float32.")
    if any(not isinstance(side, int) or side < 0 for side in shape):
        raise ValueError(f"shape {shape} is impossible")
    size = dtype.itemsize
    for side in shape:
        size *= side
    if size > MAX_ARRAY_BYTES:
        raise UserError(f"{shown(where)}: {size:,} bytes are too many for one array (limit {MAX_ARRAY_BYTES:,}).")
    return shape, fortran, dtype, size


def _shaped(data: bytes, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]) -> Array:
    if dtype.itemsize == 0:
        raise ValueError("its items have no bytes")
    flat = np.frombuffer(data, dtype)
    return np.ascontiguousarray(flat.reshape(shape[::-1]).T) if fortran else flat.reshape(shape)


def as_pictures(array: Array, where: str) -> Array:
    """Return [N, H, W, C] uint8, uint16 or float32 from what people save.

    [N, H, W] gets a channel. [N, C, H, W] is moved to [N, H, W, C] when only the second side can be the channels: it
    is at most 4 and the last is above 4. Whole numbers go to the smallest of uint8 and uint16 that holds them, True
    and False to 1 and 0, other floats to float32.

    Raises:
        UserError: other shapes, nothing in it, NaN or infinity, negative or too large whole numbers, text.
    """
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4:
        raise UserError(f"{shown(where)}: shape {list(array.shape)} is not [N, H, W] or [N, H, W, C].")
    if array.shape[1] <= 4 < array.shape[3]:
        array = array.transpose(0, 2, 3, 1)
    if 0 in array.shape:
        raise UserError(f"{shown(where)}: shape {list(array.shape)} holds no pictures.")
    if array.shape[3] > MAX_CHANNELS:
        raise UserError(f"{shown(where)}: {array.shape[3]} channels; at most {MAX_CHANNELS} are read ([N, H, W, C]).")
    if array.dtype in (np.uint8, np.uint16) and array.dtype.isnative:
        return array
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind in "iu":
        low, high = int(array.min()), int(array.max())
        if low < 0 or high > 65535:
            raise UserError(f"{shown(where)}: whole numbers from {low} to {high} do not fit uint16; save as float32.")
        return array.astype(np.uint8 if high < 256 else np.uint16)
    if array.dtype.kind != "f":
        raise UserError(f"{shown(where)}: holds {shown(array.dtype)}, not numbers.")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise UserError(f"{shown(where)}: {int((~np.isfinite(array)).sum()):,} values are NaN or infinite; clean them.")
    return array


def as_label_names(array: Array, count: int, where: str) -> tuple[str, ...]:
    """Return the class name of each of `count` pictures from labels of shape [N] or [N, 1], whole numbers or text."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (count,):
        raise UserError(f"{shown(where)}: labels of shape {list(array.shape)} do not fit {count:,} pictures; give [N].")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all() or (array != np.rint(array)).any() or np.abs(array).max(initial=0) > 2**53:
            raise UserError(f"{shown(where)}: labels must be whole numbers or names, not fractions.")
        array = array.astype(np.int64)
    if array.dtype.kind == "S":
        with reading(where, "save the labels as text or whole numbers"):
            array = np.char.decode(array, "utf-8")
    if array.dtype.kind not in "biuU":
        raise UserError(f"{shown(where)}: labels must be whole numbers or names, not {shown(array.dtype)}.")
    if array.dtype.kind == "b":
        array = array.astype(np.int64)
    with reading(where, "save the labels again"):
        return tuple(str(label) for label in array.tolist())


def as_indices(names: tuple[str, ...] | None, classes: tuple[str, ...]) -> NDArray[np.int64] | None:
    """Return the position [N] int64 of each name among the classes."""
    if names is None:
        return None
    place = {name: index for index, name in enumerate(classes)}
    return np.fromiter((place[name] for name in names), np.int64, len(names))


def open_npz(path: Path, split: str) -> Table:
    """Read the pictures of one split of an .npz: `images` and `labels`, or `train_images`, `test_images`, `val_...`.

    `intensity`, (low, high), says which values are black and white; without it the pictures do (Intensity.of).
    """
    arrays = Npz(path)
    images: dict[str, str] = {}
    labels: dict[str, str] = {}
    for part in ("train", "test", "val"):
        for kinds, found in ((_IMAGES, images), (_LABELS, labels)):
            spelt = [f"{part}_{kind}" for kind in kinds] + [f"{kind}_{part}" for kind in kinds]
            spelt += list(kinds) if part == "train" else []
            name = next((name for name in spelt if name in arrays.names), None)
            if name is not None:
                found[part] = name
    if not images:
        there = ", ".join(shown(name) for name in arrays.names[:6]) or "nothing"
        raise UserError(f"{shown(path)}: no array named images, x or train_images; it holds {there}.")
    part = choose_split(str(path), split, images)
    pixels = as_pictures(arrays[images[part]], f"{path.name}/{images[part]}")
    intensity = _stated_intensity(arrays, pixels)
    if intensity is None and part != "train" and "train" in images and pixels.dtype != np.uint8:
        first = as_pictures(arrays[images["train"]], f"{path.name}/{images['train']}")
        intensity = Intensity.of(first)
    if part not in labels:
        return Table(pixels, None, (), intensity)
    names = as_label_names(arrays[labels[part]], len(pixels), f"{path.name}/{labels[part]}")
    everything = set(names)
    for other in set(labels) - {part}:
        array = arrays[labels[other]]
        everything |= set(as_label_names(array, len(array), f"{path.name}/{labels[other]}") if array.ndim else ())
    classes = class_order(everything)
    return Table(pixels, as_indices(names, classes), classes, intensity)


def _stated_intensity(arrays: Npz, pixels: Array) -> Intensity | None:
    """Return the map of an array `intensity`, (low, high), which says what values mean better than they do."""
    if "intensity" not in arrays.names:
        return None
    ends = arrays["intensity"]
    if ends.shape != (2,) or ends.dtype.kind not in "iuf" or not -np.inf < ends[0] < ends[1] < np.inf:
        raise UserError(f"{shown(arrays.path)}: intensity is two finite numbers, the lower one first.")
    return Intensity(float(ends[0]), float(ends[1]), pixels.dtype.name)


def open_npy(path: Path, split: str, labels: Path | None) -> Table:
    """Read the pictures of a .npy file, which is all training part, with labels from another .npy if given."""
    choose_split(str(path), split, ["train"])
    pixels = as_pictures(read_npy(path), str(path))
    if labels is None:
        return Table(pixels, None, ())
    names = as_label_names(read_npy(labels), len(pixels), str(labels))
    classes = class_order(names)
    return Table(pixels, as_indices(names, classes), classes)
