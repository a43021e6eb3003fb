import json

import numpy as np
import pytest
from data_files import Put, encoded, noise

from gantlet.data import inspect, open_images
from gantlet.errors import UserError


def test_a_folder_with_everything_odd(put: Put, own_cache: object) -> None:
    files: dict[str, bytes | np.ndarray] = {f"a/{k}.png": noise(k, 12, 12) for k in range(6)}
    files |= {"a/twin.bmp": encoded(noise(0, 12, 12), "BMP"), "a/flat.png": np.full((12, 12), 9, np.uint8)}
    files |= {"b/colour.png": noise(9, 12, 30, 3), "b/bad.png": encoded(noise(1, 12, 12))[:100], "b/notes.txt": b"x"}
    found = inspect(put(files))
    assert (found.count, found.splits, found.kind) == (10, ["train"], "folder of pictures")
    assert found.sizes == {"12x12": 8, "12x30": 1}
    assert found.modes == {"grey, uint8 (L)": 8, "RGB, uint8 (RGB)": 1}
    assert found.classes == {"a": 8, "b": 2}
    assert found.duplicates == [["a/0.png", "a/twin.bmp"]]
    assert list(found.broken) == ["b/bad.png"]
    assert found.broken["b/bad.png"].startswith("set/b/bad.png: ")
    assert found.constant == ["a/flat.png"]
    assert found.training == {
        "resolution": 12,
        "channels": 3,
        "num_classes": 2,
        "count": 9,
        "intensity": {"low": 0.0, "high": 255.0, "dtype": "uint8"},
    }
    said = "\n".join(found.lines())
    for word in ("cannot be read", "different sizes", "different kinds", "repeat", "one colour", "only 10", ".txt"):
        assert word in said, word
    assert json.loads(json.dumps(found.to_json()))["count"] == 10
    assert all("\n" not in line for line in found.lines())


def test_uneven_classes_are_named(put: Put) -> None:
    files = {f"a/{k}.png": noise(k, 4, 4) for k in range(10)} | {"b/x.png": noise(99, 4, 4)}
    assert any("the largest has 10 pictures, the smallest 1" in line for line in inspect(put(files)).odd)


def test_digits() -> None:
    found = inspect("digits")
    assert (found.count, found.splits, found.sizes) == (1437, ["train", "test"], {"8x8": 1437})
    assert found.values == (0, 16)
    assert found.training["intensity"]["high"] == 16
    assert sum(found.classes.values()) == 1437
    assert found.odd == []
    assert "odd: nothing" in found.lines()


def test_dark_pictures_are_named(put: Put) -> None:
    found = inspect(put({f"{k}.png": noise(k, 4, 4) % 2 for k in range(3)}))
    assert any("values reach only 1 of 255" in line for line in found.odd)


def test_mixed_depths_are_scaled_as_training_scales_them(put: Put) -> None:
    deep = encoded((noise(1, 4, 4).astype(np.uint16) * 16).reshape(4, 4))
    folder = put({"a.png": deep, "b.png": noise(2, 4, 4) // 2 + 128})
    assert (found := inspect(folder)).training["intensity"] == open_images(folder).intensity.to_json()
    assert found.training["intensity"]["high"] == 65535
    assert not any("dark" in line for line in found.odd)
    dark = put({"a.png": encoded(np.arange(16, dtype=np.uint16).reshape(4, 4))}, "dark")
    assert inspect(dark).training["intensity"] == open_images(dark).intensity.to_json()


def test_mixed_scales_are_odd_not_fatal(put: Put) -> None:
    tiff = encoded(np.ones((4, 4), np.float32), "TIFF")
    found = inspect(put({"a.tif": tiff, "b.png": noise(1, 4, 4)}))
    assert found.training == {}
    assert any("no common scale" in line for line in found.odd)


def test_what_cannot_be_opened_is_an_error() -> None:
    with pytest.raises(UserError, match="Did you mean 'digits'"):
        inspect("digit")
