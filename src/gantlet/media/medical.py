"""NIfTI volumes and DICOM slices in physical units, and back. Needs `pip install gantlet[medical]`."""

from __future__ import annotations

import copy
import gzip
import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import UserError
from gantlet.media.foreign import MAX_FILE_BYTES, check_ratio, reading, shown
from gantlet.media.image import MAX_PIXELS, replace

Pixels = NDArray[Any]
MAX_VOXELS = 10**9  # of all frames: 8 GB while they are scaled


def _library(name: str, path: str | Path) -> Any:
    try:
        return importlib.import_module(name)
    except Exception:  # a broken one raises anything
        raise UserError(f"{shown(path)}: reading it needs {name}; `pip install gantlet[medical]` brings it.") from None


def read_nifti(path: Path) -> tuple[Pixels, Any]:
    """Return the slices [Z, X, Y, 1] float32 of a NIfTI volume in physical units, and the header to write one like it.

    Raises UserError: nibabel is missing, the file is damaged, or holds no volume [X, Y, Z] or slice [X, Y].
    """
    nibabel = _library("nibabel", path)
    with reading(path, "replace the file or leave it out"):
        image = nibabel.Nifti1Image.from_filename(str(path))
        shape = tuple(size for size in image.shape[:2]) + tuple(size for size in image.shape[2:] if size != 1)
        if len(shape) not in (2, 3) or not all(shape):
            raise UserError(f"{shown(path)}: holds {list(image.shape)}, and a volume [X, Y, Z] is read.")
        unpacked = int(np.prod(shape)) * 4
        if unpacked > 8 * MAX_FILE_BYTES:
            raise UserError(f"{shown(path)}: a volume of {list(shape)} voxels is too large; cut it.")
        check_ratio(path, unpacked, path.stat().st_size)
        volume = np.asarray(image.dataobj, dtype=np.float32).reshape(*shape[:2], -1)  # slope and intercept are applied
        if not np.isfinite(volume).all():
            raise UserError(f"{shown(path)}: holds NaN or infinite voxels; replace them first.")
    return np.ascontiguousarray(volume.transpose(2, 0, 1))[..., None], image


def write_nifti(path: Path, slices: Pixels, like: Any = None, scale: int = 1) -> None:
    """Write slices [Z, X, Y, 1] as float32 NIfTI, placed and spaced as `like` is, finer by `scale` within a slice."""
    nibabel = _library("nibabel", path)
    affine = np.eye(4) if like is None else np.array(like.affine, dtype=np.float64)
    if scale > 1:  # the first voxel of a finer grid lies (scale - 1) / 2 fine voxels before the coarse one's centre
        affine[:3, 3] -= affine[:3, :2].sum(1) * (scale - 1) / (2 * scale)
        affine[:3, :2] /= scale
    volume = np.ascontiguousarray(slices[..., 0].transpose(1, 2, 0).astype(np.float32))
    header = None if like is None else like.header.copy()
    if header is not None:
        header.set_data_dtype(np.float32)
    content = nibabel.Nifti1Image(volume, affine, header).to_bytes()
    packed = gzip.compress(content, 6, mtime=0) if path.name.lower().endswith(".gz") else content
    replace(path, lambda file: file.write(packed))


def read_dicom(path: Path) -> tuple[Pixels, Any]:
    """Return the frames [F, H, W, 1] float32 of a DICOM file in physical units (rescaled), and its data set.

    Raises UserError: pydicom is missing, the file is damaged, compressed without a decoder, in colour, or too large.
    """
    pydicom = _library("pydicom", path)
    with reading(path, "replace the file or leave it out"):
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UserError(f"{shown(path)}: larger than {MAX_FILE_BYTES >> 20} MiB, too large for a picture file.")
        found = pydicom.dcmread(path)
        if int(found.get("SamplesPerPixel", 1)) != 1:
            raise UserError(f"{shown(path)}: holds colour; only grey DICOM is read.")
        frame = int(found.Rows) * int(found.Columns)
        count = frame * int(found.get("NumberOfFrames", 1) or 1)
        if frame > MAX_PIXELS or count > MAX_VOXELS:
            raise UserError(f"{shown(path)}: {count:,} pixels, more than memory should hold; cut it.")
        check_ratio(path, 8 * count, path.stat().st_size)
        stored = found.pixel_array.astype(np.float64)
        raw = stored * float(found.get("RescaleSlope", 1) or 1) + float(found.get("RescaleIntercept", 0) or 0)
    frames = raw.astype(np.float32)
    return (frames if frames.ndim == 3 else frames[None])[..., None], found


def write_dicom(path: Path, frames: Pixels, like: Any, scale: int = 1) -> None:
    """Write frames [F, H, W, 1] in physical units as a derived image of the data set `like`, finer by `scale`.

    Slope and intercept are kept where every value fits into the stored bits, else the values' own range fills 16 bits.
    Raises UserError without a data set to derive from.
    """
    pydicom = _library("pydicom", path)
    if like is None:
        raise UserError(f"{shown(path)}: a DICOM file is derived from one; choose another kind, such as .tif.")
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    made = copy.deepcopy(like)
    slope, intercept = float(like.get("RescaleSlope", 1) or 1), float(like.get("RescaleIntercept", 0) or 0)
    signed, bits = bool(like.PixelRepresentation), int(like.BitsStored)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    values = frames[..., 0].astype(np.float64)
    stored = np.rint((values - intercept) / slope)
    if stored.min() < low or stored.max() > high:
        intercept, signed, bits = float(values.min()), False, 16
        slope = float(values.max() - values.min()) / 65535 or 1.0
        stored = np.rint((values - intercept) / slope)
    made.RescaleSlope, made.RescaleIntercept = (
        pydicom.valuerep.DSfloat(slope, True),
        pydicom.valuerep.DSfloat(intercept, True),
    )
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, bits, bits - 1, int(signed)
    made.Rows, made.Columns = frames.shape[1:3]
    if scale > 1 and "PixelSpacing" in made:
        made.PixelSpacing = [float(size) / scale for size in made.PixelSpacing]
    made.PixelData = stored.astype("<i2" if signed else "<u2").tobytes()
    made["PixelData"].VR = "OW"
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.SOPInstanceUID = generate_uid()
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    replace(path, lambda file: made.save_as(file, enforce_file_format=True))
