"""Pictures of every kind, read with their depth and transparency and written back."""

from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gantlet.errors import UserError
from gantlet.media import image
from gantlet.media.image import encode_png, read_frames, read_layers
from gantlet.media.picture import Picture, read_picture, stem_of, suffix_of, write_picture
from gantlet.media.tiff import decode_tiff, encode_tiff

KINDS = {"uint8": 256, "uint16": 65536, "float32": 1}


def pixels(*shape: int, kind: str = "uint8") -> np.ndarray:
    numbers = np.random.default_rng(0).random(shape) * KINDS[kind]
    return numbers.astype(kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("transparent", [False, True])
def test_what_is_written_is_read_again(
    tmp_path: Path, kind: str, suffix: str, channels: int, transparent: bool
) -> None:
    if suffix == ".png" and kind == "float32":
        return
    alpha = pixels(1, 9, 7, 1, kind=kind) if transparent and suffix != ".npy" else None
    path = tmp_path / f"a{suffix}"
    write_picture(path, Picture(pixels(1, 9, 7, channels, kind=kind), alpha))
    again = read_picture(path, channels)
    assert again.pixels.dtype == kind
    np.testing.assert_array_equal(again.pixels, pixels(1, 9, 7, channels, kind=kind))
    if alpha is None:
        assert again.alpha is None
    else:
        np.testing.assert_array_equal(again.alpha, alpha)


@given(
    h=st.integers(1, 9),
    w=st.integers(1, 9),
    c=st.integers(1, 7),
    kind=st.sampled_from(sorted(KINDS)),
    alpha=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tiff_round_trip(h: int, w: int, c: int, kind: str, alpha: bool) -> None:
    given = pixels(h, w, c + alpha, kind=kind)
    layers = decode_tiff(encode_tiff(given, alpha), "a.tif")
    if c + alpha == 1:
        assert layers is None  # Pillow's own
        again, see = read_layers(encode_tiff(given, alpha))
    else:
        assert layers is not None
        again, see = layers
    np.testing.assert_array_equal(again, given[..., :c])
    assert (see is not None) == alpha
    if see is not None:
        np.testing.assert_array_equal(see, given[..., c:])


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_pillow_reads_our_tiff(channels: int, mode: str) -> None:
    given = pixels(5, 6, channels)
    with Image.open(io.BytesIO(encode_tiff(given, channels == 4))) as image:
        assert image.mode == mode
        np.testing.assert_array_equal(np.asarray(image).reshape(given.shape), given)


def test_tifffile_reads_our_tiff_and_we_its(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    for kind in KINDS:
        for channels in (1, 3, 5):
            given = pixels(6, 5, channels, kind=kind)
            (tmp_path / "ours.tif").write_bytes(encode_tiff(given))
            np.testing.assert_array_equal(tifffile.imread(tmp_path / "ours.tif").reshape(given.shape), given)
            kinds = {"photometric": "rgb" if channels == 3 else "minisblack", "planarconfig": "contig"}
            tifffile.imwrite(tmp_path / "theirs.tif", given if channels > 1 else given[..., 0], byteorder=">", **kinds)
            np.testing.assert_array_equal(read_picture(tmp_path / "theirs.tif").pixels[0], given)


def test_deep_colour_that_would_lose_bits_is_refused(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "planar.tif"
    tifffile.imwrite(path, pixels(3, 6, 5, kind="uint16"), photometric="rgb", planarconfig="separate")
    with pytest.raises(UserError, match="16-bit PNG"):
        read_picture(path)


def test_transparency_stays_apart() -> None:
    given = pixels(8, 9, 4)
    colour, alpha = read_layers(encode_png(given))
    np.testing.assert_array_equal(colour, given[..., :3])
    np.testing.assert_array_equal(alpha, given[..., 3:])
    assert read_layers(encode_png(given[..., :3]))[1] is None
    np.testing.assert_array_equal(read_layers(encode_png(given[..., :2]))[1], given[..., 1:2])


def test_animations_and_their_times(tmp_path: Path) -> None:
    frames = np.zeros((3, 6, 5, 3), np.uint8)
    frames[1] = 255
    frames[2, :3] = (255, 0, 0)
    write_picture(tmp_path / "a.gif", Picture(frames, times=[100, 200, 300]))
    again, times = read_frames(tmp_path / "a.gif")
    np.testing.assert_array_equal(again, frames)
    assert times == [100, 200, 300]
    assert read_picture(tmp_path / "a.gif").frames == 3
    write_picture(tmp_path / "one.gif", Picture(frames[1:2]))
    assert read_picture(tmp_path / "one.gif").times is None


def test_frames_that_repeat_are_kept(tmp_path: Path) -> None:
    frames = np.zeros((6, 6, 5, 1), np.uint8)
    frames[3:] = 200
    write_picture(tmp_path / "still.gif", Picture(frames))
    again, times = read_frames(tmp_path / "still.gif")
    np.testing.assert_array_equal(again, frames.repeat(3, -1))
    assert times == [100] * 6


def test_arrays_of_two_to_four_sides(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for shape, channels, expected in (
        ((6, 5), None, (1, 6, 5, 1)),
        ((6, 5, 3), None, (1, 6, 5, 3)),
        ((6, 5, 7), 7, (1, 6, 5, 7)),
        ((2, 6, 5), 1, (2, 6, 5, 1)),
        ((2, 6, 5, 3), 3, (2, 6, 5, 3)),
    ):
        np.save(path, pixels(*shape))
        assert read_picture(path, channels).pixels.shape == expected
    np.save(path, np.zeros((4, 4), np.float64))
    assert read_picture(path).pixels.dtype == np.float32


def test_names() -> None:
    assert [suffix_of(Path(name)) for name in ("a.PNG", "b.c.nii.gz", "folder", "x.gz")] == [
        ".png",
        ".nii.gz",
        "",
        ".gz",
    ]
    assert stem_of(Path("b.c.nii.gz")) == "b.c"


def tiff(tags: list[tuple[int, int, int, int]], body: bytes) -> bytes:
    """Return a TIFF of a body at 8 and tags (number, type, count, value or place)."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    head = struct.pack("<2sHI", b"II", 42, 8 + len(body))
    return head + body + struct.pack("<H", len(tags)) + entries + bytes(4)


def peak(path: Path) -> int:
    """Return the bytes of memory it takes to refuse a file."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=path.name):
            read_picture(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_strips_that_overlap_take_no_more_memory_than_the_file(tmp_path: Path) -> None:
    count = 20_000
    offsets, sizes = struct.pack("<I", 8) * count, struct.pack("<I", 80_000) * count
    size = [(256, 4, 1, 20_000), (257, 4, 1, 5_000), (258, 3, 1, 16), (277, 3, 1, 5), (278, 4, 1, 1)]
    tags = [*size, (273, 4, count, 8), (279, 4, count, 8 + 4 * count)]
    (tmp_path / "large.tif").write_bytes(tiff(tags, offsets + sizes))
    assert peak(tmp_path / "large.tif") < 2**24
    dot = [(256, 4, 1, 1), (257, 4, 1, 1), *tags[2:]]
    (tmp_path / "dot.tif").write_bytes(tiff(dot, offsets + sizes))
    tracemalloc.start()
    try:
        assert read_picture(tmp_path / "dot.tif").pixels.shape == (1, 1, 1, 5)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_tags_that_share_their_values_are_refused(tmp_path: Path) -> None:
    tags = [(tag, 1, 900_000, 8) for tag in (256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 338, 339)]
    (tmp_path / "tags.tif").write_bytes(tiff(tags, bytes(900_000)))
    assert peak(tmp_path / "tags.tif") < 2**25


def test_a_tiff_too_large_for_a_picture_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_picture(tmp_path / "a.tif", Picture(pixels(1, 40, 40, 5)))
    monkeypatch.setattr(image, "MAX_FILE_BYTES", 2000)
    with pytest.raises(UserError, match=r"a\.tif: larger than"):
        read_picture(tmp_path / "a.tif")


def write(path: Path, kind: str) -> Path:
    """Write a file that must not be read."""
    if kind == "cmyk":
        Image.new("CMYK", (8, 8)).save(path, "JPEG")
    elif kind == "truncated":
        path.write_bytes(encode_png(pixels(64, 64, 3))[:2000])
    elif kind == "truncated tiff":
        path.write_bytes(encode_tiff(pixels(64, 64, 3, kind="uint16"))[:20000])
    elif kind == "cut tiff":
        whole = encode_tiff(pixels(64, 64, 3, kind="uint16"))
        at = whole.index(struct.pack("<HHI", 279, 4, 1)) + 8  # StripByteCounts
        path.write_bytes(whole[:at] + struct.pack("<I", 100) + whole[at + 4 :])
    elif kind == "16-bit palette":
        Image.new("P", (8, 8)).save(path, "PNG")
        data = bytearray(path.read_bytes())
        data[24] = 16  # the bit depth of IHDR
        path.write_bytes(bytes(data))
    elif kind == "palette tiff":
        plain = encode_tiff(pixels(8, 8, 1, kind="uint16"))
        at = plain.index(struct.pack("<HHI", 262, 3, 1)) + 8  # PhotometricInterpretation: palette, without a ColorMap
        path.write_bytes(plain[:at] + struct.pack("<I", 3) + plain[at + 4 :])
    elif kind == "nan":
        np.save(path, np.full((4, 4), np.nan, np.float32))
    elif kind == "complex":
        np.save(path, np.zeros((4, 4), np.complex64))
    elif kind == "five sides":
        np.save(path, np.zeros((1, 1, 1, 1, 1), np.uint8))
    else:
        path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("cmyk", "a.jpg"),
        ("truncated", "a.png"),
        ("truncated tiff", "a.tif"),
        ("cut tiff", "a.tif"),
        ("16-bit palette", "a.png"),
        ("palette tiff", "a.tif"),
        ("nan", "a.npy"),
        ("complex", "a.npy"),
        ("five sides", "a.npy"),
        ("empty", "a.png"),
        ("empty", "a.tif"),
        ("empty", "a.npy"),
        ("empty", "a.gif"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path, kind: str, name: str) -> None:
    path = write(tmp_path / name, kind)
    with pytest.raises(UserError) as told:
        read_picture(path)
    assert name in str(told.value)
    assert str(told.value).endswith(".")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "shape", "kind", "advice"),
    [
        ("a.jpg", (1, 4, 4, 3), "uint8", ".png"),
        ("a.png", (1, 4, 4, 3), "float32", ".tif"),
        ("a.png", (1, 4, 4, 5), "uint8", ".npy"),
        ("a.png", (2, 4, 4, 3), "uint8", ".gif"),
        ("a.gif", (2, 4, 4, 1), "uint16", ".npy"),
        ("a.nii", (1, 4, 4, 3), "uint8", ".tif"),
        ("a.dcm", (1, 4, 4, 3), "uint8", ".tif"),
    ],
)
def test_what_a_kind_cannot_hold(tmp_path: Path, name: str, shape: tuple[int, ...], kind: str, advice: str) -> None:
    with pytest.raises(UserError) as told:
        write_picture(tmp_path / name, Picture(pixels(*shape, kind=kind)))
    assert advice in str(told.value)
    assert not list(tmp_path.iterdir())
