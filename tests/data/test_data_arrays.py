from pathlib import Path

import numpy as np
import pytest
from data_files import Put, noise

from gantlet.data import Intensity, NoSuchSplit, open_images
from gantlet.errors import UserError


def saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 8, 6), (5, 8, 6, 1)),
        ((5, 8, 6, 3), (5, 8, 6, 3)),
        ((5, 3, 8, 6), (5, 8, 6, 3)),
        ((5, 8, 6, 7), (5, 8, 6, 7)),
        ((5, 2, 2, 3), (5, 2, 2, 3)),
    ],
)
def test_layouts_of_npy(tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    pixels = noise(1, *shape)
    data = open_images(saved(tmp_path / "x.npy", pixels))
    assert data.pixels.shape == expected
    if shape[1] == 3:
        assert np.array_equal(data.pixels, pixels.transpose(0, 2, 3, 1))
    assert data.labels is None
    assert data.facts()["num_classes"] == 0


def test_fortran_order_and_foreign_bytes(tmp_path: Path) -> None:
    pixels = noise(1, 4, 5, 6)
    assert np.array_equal(open_images(saved(tmp_path / "f.npy", np.asfortranarray(pixels))).pixels[..., 0], pixels)
    deep = pixels.astype(np.uint16) * 200
    assert np.array_equal(open_images(saved(tmp_path / "b.npy", deep.astype(">u2"))).pixels[..., 0], deep)


@pytest.mark.parametrize(
    ("array", "dtype", "low", "high"),
    [
        (np.array([0, 255]), "uint8", 0, 255),
        (np.array([0, 256]), "uint16", 0, 1023),
        (np.array([False, True]), "uint8", 0, 255),
        (np.array([0.0, 1.0]), "float32", 0, 1),
        (np.array([-1.0, 1.0], np.float16), "float32", -1, 1),
        (np.array([-4.0, 1.0]), "float32", -4, 1),
    ],
)
def test_number_kinds(tmp_path: Path, array: np.ndarray, dtype: str, low: float, high: float) -> None:
    data = open_images(saved(tmp_path / "x.npy", array.reshape(2, 1, 1)))
    assert data.pixels.dtype == dtype
    assert data.intensity == Intensity(low, high, dtype)
    assert np.allclose(data.pixels.ravel(), array)


def test_labels_of_npy(tmp_path: Path) -> None:
    images, labels = saved(tmp_path / "x.npy", noise(1, 3, 4, 4)), saved(tmp_path / "y.npy", np.array([[7], [3], [7]]))
    data = open_images(images, labels=labels)
    assert data.classes == ("3", "7")
    assert data.batch(np.arange(3))["label"].tolist() == [1, 0, 1]
    with pytest.raises(UserError, match="do not fit 3 pictures"):
        open_images(images, labels=saved(tmp_path / "y.npy", np.arange(4)))
    with pytest.raises(UserError, match="whole numbers or names"):
        open_images(images, labels=saved(tmp_path / "y.npy", np.array([0.5, 1, 2])))


def test_medmnist_layout(tmp_path: Path) -> None:
    parts = {f"{part}_images": noise(k, 4 + k, 6, 6) for k, part in enumerate(("train", "val", "test"))}
    labels = {
        f"{part}_labels": np.array([[k], [2], [0], [2], [2], [2]][: 4 + k])
        for k, part in enumerate(("train", "val", "test"))
    }
    np.savez_compressed(tmp_path / "med.npz", **parts, **labels)
    train = open_images(tmp_path / "med.npz")
    assert (len(train), train.classes) == (4, ("0", "1", "2"))
    test = open_images(tmp_path / "med.npz", split="test")
    assert (len(test), test.class_counts()) == (6, [1, 0, 5])
    assert len(open_images(tmp_path / "med.npz", split="val")) == 5


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y"), ("x_train", "y_train"), ("train_x", "train_y")])
def test_names_of_npz(tmp_path: Path, names: tuple[str, str]) -> None:
    np.savez(tmp_path / "a.npz", **{names[0]: noise(1, 3, 4, 4), names[1]: np.array(["b", "a", "b"])})
    data = open_images(tmp_path / "a.npz")
    assert data.classes == ("a", "b")
    with pytest.raises(NoSuchSplit):
        open_images(tmp_path / "a.npz", split="test")


def test_float_test_part_is_read_with_the_training_range(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", train_images=np.linspace(2, 9, 8).reshape(2, 2, 2), test_images=np.ones((1, 2, 2)))
    assert open_images(tmp_path / "a.npz", split="test").intensity == Intensity(2, 9, "float32")


def test_resolution_applies_to_arrays(tmp_path: Path) -> None:
    data = open_images(saved(tmp_path / "x.npy", noise(1, 3, 8, 6, 5)), resolution=(4, 3))
    assert data.pixels.shape == (3, 4, 3, 5)
    with pytest.raises(UserError, match="out of range"):
        open_images("digits", resolution=0)


def test_a_folder_of_arrays_says_so(put: Put) -> None:
    with pytest.raises(UserError, match=r"give the array file itself \(x.npz\)"):
        open_images(put({"x.npz": b"PK"}))
