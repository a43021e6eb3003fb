import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from gantlet.data import Intensity, open_images
from gantlet.errors import UserError
from gantlet.media.image import encode_png, grid, read_header, read_image, replace, to_displayable, write_image
from gantlet.media.picture_files import write_samples


def noise(*shape: int, top: int = 256, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, top, shape).astype(dtype)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@given(h=st.integers(1, 9), w=st.integers(1, 9), c=st.sampled_from([1, 3]), deep=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_png_round_trip_is_exact(tmp_path: Path, h: int, w: int, c: int, deep: bool) -> None:
    pixels = noise(h, w, c, top=65536, dtype=np.uint16) if deep else noise(h, w, c)
    write_image(tmp_path / "a.png", pixels)
    back = read_image(tmp_path / "a.png")
    assert back.dtype == pixels.dtype
    assert np.array_equal(back, pixels)
    header = read_header(tmp_path / "a.png")
    assert (header.height, header.width, header.channels, header.dtype) == (h, w, c, pixels.dtype.name)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_rotation_equals_pillows(orientation: int, kind: str) -> None:
    image = Image.fromarray(noise(5, 8, 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(image, kind, exif=exif)
    with Image.open(io.BytesIO(data)) as again:
        expected = np.asarray(ImageOps.exif_transpose(again).convert("RGB"))
    pixels, header = read_image(data), read_header(data)
    assert np.array_equal(pixels, expected)
    assert (header.height, header.width) == pixels.shape[:2]


def test_alpha_is_composited_on_black_unless_constant() -> None:
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 128], [9, 9, 9, 0]]], np.uint8)
    assert read_image(encode_png(pixels)).tolist() == [[[200, 100, 50], [100, 50, 25], [0, 0, 0]]]
    pixels[..., 3] = 77
    assert read_image(encode_png(pixels)).tolist() == [[[200, 100, 50], [200, 100, 50], [9, 9, 9]]]
    assert read_image(encode_png(np.array([[[100, 255], [100, 0]]], np.uint8))).tolist() == [[[100], [0]]]
    deep = np.array([[[60000, 30000, 1000, 65535], [60000, 30000, 1000, 0]]], np.uint16)
    assert read_image(encode_png(deep)).tolist() == [[[60000, 30000, 1000], [0, 0, 0]]]


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "YCbCr", "LA", "I;16", "F", "I"])
def test_every_mode_becomes_grey_or_rgb(mode: str) -> None:
    kind = {"P": "GIF", "1": "PNG", "LA": "PNG"}.get(mode, "TIFF")
    base = Image.fromarray(noise(6, 7))
    image = Image.fromarray(noise(6, 7).astype(np.float32) / 255) if mode == "F" else base.convert(mode)
    pixels, header = read_image(encoded(image, kind)), read_header(encoded(image, kind))
    assert pixels.shape[2] == header.channels
    assert pixels.dtype == header.dtype
    assert pixels.shape[:2] == (6, 7)
    if mode in ("F", "LA", "I", "I;16"):
        assert np.allclose(pixels[..., 0], np.asarray(image.convert("L") if mode == "LA" else image))


def test_16_bit_pgm_and_float_tiff() -> None:
    assert read_image(b"P5 2 1 65535\n\x01\x02\xff\xff").ravel().tolist() == [258, 65535]
    values = np.array([[-3.5, 1e6]], np.float32)
    assert np.array_equal(read_image(encoded(Image.fromarray(values), "TIFF"))[..., 0], values)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animations_are_refused(kind: str) -> None:
    frames = [Image.fromarray(noise(k, 9)) for k in (6, 6)]
    frames[1].putpixel((0, 0), 3)
    with pytest.raises(UserError, match="several pictures"):
        read_image(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))


def test_unknown_suffixes_and_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.jpg.*\.png"):
        write_image(tmp_path / "a.jpg", noise(4, 4))
    with pytest.raises(UserError, match="none of them"):
        write_samples(tmp_path / "a.gif", noise(2, 4, 4, 1), None)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be written"):
        write_image(tmp_path / "file" / "a.png", noise(4, 4))
    for wrong in (noise(4, 4, 5), noise(4, 4).astype(np.float32), noise(2, 2, 2, 2), np.zeros((0, 4), np.uint8)):
        with pytest.raises(ValueError, match="a PNG holds"):
            encode_png(wrong)


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "a.png", noise(4, 4))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(UserError, match="no space left"):
        write_image(tmp_path / "a.png", noise(5, 5))
    assert read_image(tmp_path / "a.png").shape == (4, 4, 1)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(file: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(tmp_path / "a.png", interrupted)
    assert not list(tmp_path.iterdir())


def test_grid_places_every_picture() -> None:
    images = np.arange(1, 6, dtype=np.uint8)[:, None, None, None] * np.ones((5, 8, 8, 1), np.uint8)
    out = grid(images)
    assert out.shape == (2 * 49 + 1, 3 * 49 + 1, 1)  # 8 x 6 = 48, and a line between
    assert [out[1 + 49 * (k // 3), 1 + 49 * (k % 3), 0] for k in range(5)] == [1, 2, 3, 4, 5]
    assert out[0].max() == 0
    assert out[-2, -2] == 0
    assert grid(images, columns=5, scale=1, pad=0).shape == (8, 40, 1)
    assert grid(noise(4, 64, 32, 3)).shape == (131, 67, 3)


def test_to_displayable() -> None:
    raw = np.array([0, 8, 16], np.uint8).reshape(1, 1, 3, 1)
    assert to_displayable(raw, Intensity(0, 16, "uint8")).ravel().tolist() == [0, 128, 255]
    assert to_displayable(noise(2, 4, 4, 2), Intensity(0, 255, "uint8")).shape == (2, 4, 4, 1)
    assert to_displayable(noise(2, 4, 4, 7), Intensity(0, 255, "uint8")).shape == (2, 4, 4, 3)
    floats = np.array([-2.0, 0.0, 5.0, np.nan], np.float32).reshape(1, 2, 2, 1)
    assert to_displayable(floats, Intensity(-1, 1, "float32")).ravel().tolist() == [0, 128, 255, 0]


def test_samples_come_back_as_data(tmp_path: Path) -> None:
    raw, labels = noise(3, 6, 6, 3), np.array([1, 0, 1])
    write_samples(tmp_path / "s.npz", raw, labels)
    again = open_images(tmp_path / "s.npz", cache=tmp_path / "cache")
    assert np.array_equal(again.pixels, raw)
    write_samples(tmp_path / "flat", raw, labels)
    pictures = [f"{index:05d}.png" for index in range(3)]
    assert sorted(p.name for p in (tmp_path / "flat").iterdir()) == [*pictures, "manifest.json"]
    assert open_images(tmp_path / "flat", cache=tmp_path / "cache").labels is None
    write_samples(tmp_path / "flat", raw, labels, classes=("a", "b"), seed=7, first=99_999)
    assert len(list((tmp_path / "flat").glob("*.png"))) == 6
    told = json.loads((tmp_path / "flat" / "manifest.json").read_text())
    assert told["seed"] == 7
    assert told["files"][1] == {"file": "100000.png", "sample": 100_000, "seed": 7, "label": 0, "class": "a"}
    assert [each["class"] for each in told["files"]] == ["b", "a", "b"]
    write_samples(tmp_path / "grid.png", raw)
    assert read_image(tmp_path / "grid.png").shape == (2 * 49 + 1, 2 * 49 + 1, 3)


def test_samples_of_any_kind_become_png(tmp_path: Path) -> None:
    unit = Intensity(0, 16, "uint8")
    write_samples(tmp_path / "dim", np.full((1, 2, 2, 1), 8, np.uint8), intensity=unit)
    assert read_image(tmp_path / "dim" / "00000.png").max() == 128
    deep = np.full((1, 2, 2, 1), 60000, np.uint16)
    write_samples(tmp_path / "deep", deep, intensity=Intensity(0, 65535, "uint16"))
    assert read_image(tmp_path / "deep" / "00000.png").max() == 60000
    write_samples(tmp_path / "many", noise(1, 4, 4, 6), intensity=Intensity(0, 255, "uint8"))
    assert read_image(tmp_path / "many" / "00000.png").shape == (4, 4, 3)
