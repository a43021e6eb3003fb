"""NIfTI and DICOM: physical units, place and spacing, there and back."""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gantlet.errors import UserError
from gantlet.media.picture import Picture, read_picture, write_picture


def volume_file(path: Path, slope: float = 2.0, inter: float = -1024.0) -> np.ndarray:
    """Write stored int16 numbers with a slope and an intercept; return the physical values [X, Y, Z]."""
    nibabel = pytest.importorskip("nibabel")
    stored = np.random.default_rng(0).integers(0, 1000, size=(6, 5, 4)).astype(np.int16)
    affine = np.diag([0.5, 0.75, 3.0, 1.0])
    affine[:3, 3] = (-10, 20, 30)
    image = nibabel.Nifti1Image(stored, affine)
    image.header.set_slope_inter(slope, inter)
    nibabel.save(image, path)
    return stored * slope + inter


def slice_file(path: Path, signed: bool = True) -> np.ndarray:
    """Write a DICOM file of Hounsfield units; return them [H, W]."""
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = pydicom.Dataset()
    made.file_meta = meta
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    made.PatientName, made.Modality = "Nobody", "CT"
    made.Rows, made.Columns, made.SamplesPerPixel, made.PhotometricInterpretation = 5, 6, 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, int(signed)
    made.PixelSpacing, made.RescaleSlope, made.RescaleIntercept = [0.5, 0.75], "1", "-1024"
    stored = np.random.default_rng(0).integers(0, 2000, size=(5, 6)).astype(np.int16)
    made.PixelData = stored.tobytes()
    made["PixelData"].VR = "OW"
    made.save_as(path, enforce_file_format=True)
    return stored - 1024.0


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_keeps_units_place_and_spacing(tmp_path: Path, suffix: str) -> None:
    nibabel = pytest.importorskip("nibabel")
    physical = volume_file(tmp_path / f"a{suffix}")
    picture = read_picture(tmp_path / f"a{suffix}")
    assert picture.pixels.shape == (4, 6, 5, 1)
    np.testing.assert_array_equal(picture.pixels[2, :, :, 0], physical[:, :, 2])
    write_picture(tmp_path / f"b{suffix}", picture)
    again = nibabel.load(tmp_path / f"b{suffix}")
    np.testing.assert_array_equal(np.asarray(again.dataobj), physical)
    np.testing.assert_array_equal(again.affine, nibabel.load(tmp_path / f"a{suffix}").affine)
    assert again.header.get_zooms() == (0.5, 0.75, 3.0)


def test_a_finer_nifti_covers_the_same_space(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    volume_file(tmp_path / "a.nii")
    picture = read_picture(tmp_path / "a.nii")
    finer = picture.pixels.repeat(2, 1).repeat(2, 2)
    write_picture(tmp_path / "b.nii", Picture(finer, like=picture.like), scale=2)
    coarse, fine = (nibabel.load(tmp_path / f"{name}.nii") for name in "ab")
    assert fine.header.get_zooms() == (0.25, 0.375, 3.0)
    centre = np.mean([fine.affine @ [x, y, 0, 1] for x in (0, 1) for y in (0, 1)], axis=0)
    np.testing.assert_allclose(centre, coarse.affine @ [0, 0, 0, 1])


@pytest.mark.parametrize("signed", [False, True])
def test_dicom_keeps_units_and_spacing(tmp_path: Path, signed: bool) -> None:
    pydicom = pytest.importorskip("pydicom")
    physical = slice_file(tmp_path / "a.dcm", signed)
    picture = read_picture(tmp_path / "a.dcm")
    np.testing.assert_array_equal(picture.pixels[0, :, :, 0], physical)
    write_picture(tmp_path / "b.dcm", picture)
    again, before = pydicom.dcmread(tmp_path / "b.dcm"), pydicom.dcmread(tmp_path / "a.dcm")
    np.testing.assert_array_equal(again.pixel_array, before.pixel_array)
    assert (again.RescaleSlope, again.RescaleIntercept, list(again.PixelSpacing)) == (1, -1024, [0.5, 0.75])
    assert again.SOPInstanceUID != before.SOPInstanceUID
    assert again.file_meta.MediaStorageSOPInstanceUID == again.SOPInstanceUID
    assert list(again.ImageType) == ["DERIVED", "SECONDARY"]


def test_dicom_of_values_that_do_not_fit_gets_its_own_slope(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    slice_file(tmp_path / "a.dcm")
    picture = read_picture(tmp_path / "a.dcm")
    values = np.linspace(-5e4, 5e4, 120, dtype=np.float32).reshape(1, 10, 12, 1)
    write_picture(tmp_path / "b.dcm", Picture(values, like=picture.like), scale=2)
    again = read_picture(tmp_path / "b.dcm")
    np.testing.assert_allclose(again.pixels, values, atol=1e5 / 65535)
    assert list(again.like.PixelSpacing) == [0.25, 0.375]


def test_a_dicom_is_derived_from_one(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    with pytest.raises(UserError, match="derived"):
        write_picture(tmp_path / "a.dcm", Picture(np.zeros((1, 4, 4, 1), np.float32)))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.dcm"])
def test_damaged_files(tmp_path: Path, name: str) -> None:
    pytest.importorskip("nibabel")
    pytest.importorskip("pydicom")
    (slice_file if name.endswith("dcm") else volume_file)(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for part in (b"", whole[:100], whole[: len(whole) // 2], b"no such thing" * 40):
        (tmp_path / name).write_bytes(part)
        with pytest.raises(UserError, match=name):
            read_picture(tmp_path / name)


def test_a_packed_dicom_that_claims_too_much_is_not_unpacked(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    slice_file(tmp_path / "a.dcm")
    found = pydicom.dcmread(tmp_path / "a.dcm")
    found.compress(pydicom.uid.RLELossless)
    for rows, columns, frames, said in (
        (5, 6, 1, ""),
        (4000, 4000, 1, "bomb"),
        (5000, 5000, 50, "1,250,000,000 pixels"),
    ):
        found.Rows, found.Columns, found.NumberOfFrames = rows, columns, frames
        found.save_as(tmp_path / "b.dcm")
        tracemalloc.start()
        try:
            if said:
                with pytest.raises(UserError, match=said):
                    read_picture(tmp_path / "b.dcm")
            else:
                assert read_picture(tmp_path / "b.dcm").size == (5, 6)
            assert tracemalloc.get_traced_memory()[1] < 2**24
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(("name", "library"), [("a.nii", "nibabel"), ("a.dcm", "pydicom")])
def test_a_missing_library_is_said(tmp_path: Path, monkeypatch: Any, name: str, library: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UserError, match=rf"needs {library}; `pip install gantlet\[medical\]`"):
        read_picture(tmp_path / name)
