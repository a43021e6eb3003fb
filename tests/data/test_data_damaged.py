"""Each damaged or hostile source: one sentence on one line that names the file, within a second or so."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import stat
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from data_files import Put, encoded, needs_rights, noise

from gantlet.data import inspect, open_images
from gantlet.errors import UserError

PNG = encoded(noise(1, 16, 16, 3))
GREY = noise(1, 16, 16)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(side: int = 50_000) -> bytes:
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    )


def webp_bomb() -> bytes:
    side = (16383 - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + side + side
    return b"RIFF" + struct.pack("<I", len(body)) + body


def npy(array: np.ndarray, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npy_claiming(shape: str, descr: str = "|u1") -> bytes:
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    head = head + " " * (117 - len(head)) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + bytes(100)


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def zipped(files: dict[str, bytes], deflate: bool = True) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def lying_zip() -> bytes:
    """A zip whose directory says that a member of 250 MB has 1,000 bytes."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.png", "w") as file,
    ):
        for _ in range(250):
            file.write(bytes(2**20))
    data = bytearray(buffer.getvalue())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 1000)
    return bytes(data)


def tar_with_long_name() -> bytes:
    """A tar.gz whose first block announces a name of 300 MB."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 300 * 2**20
    machine = zlib.compressobj(1, wbits=31)
    blocks = [machine.compress(info.tobuf(tarfile.GNU_FORMAT)), *(machine.compress(bytes(2**20)) for _ in range(300))]
    return b"".join(blocks) + machine.flush()


def encrypted_zip() -> bytes:
    data = bytearray(zipped({"a.png": PNG}, deflate=False))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


IDX_HEAD = struct.pack(">IIII", 0x803, 3, 4, 4)
JPEG = encoded(noise(2, 32, 32, 3), "JPEG")
WEBP = encoded(noise(2, 32, 32, 3), "WEBP")
GIF = encoded(GREY, "GIF")
BMP = encoded(GREY, "BMP")
TIFF = encoded(GREY, "TIFF")
EVIL = pickle.dumps({"data": [1, 2]}, protocol=2)

FILES: dict[str, bytes] = {  # the source is the file itself
    "cut.png": PNG[: len(PNG) // 2],
    "head.png": PNG[:20],
    "signature.png": flipped(PNG, 1),
    "no-pixels.png": PNG[:8] + PNG[8:33] + chunk(b"IEND", b""),
    "bad-zlib.png": PNG.replace(b"IDAT", b"IDAT", 1)[:60] + bytes(40) + PNG[100:],
    "zero-sides.png": b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 5, 8, 0, 0, 0, 0))
    + chunk(b"IEND", b""),
    "bomb.png": png_bomb(),
    "bomb-2to31.png": png_bomb(2**31 - 1),
    "cut.jpg": JPEG[: len(JPEG) // 2],
    "head.jpg": JPEG[:10],
    "no-start.jpg": JPEG[:2] + bytes(300) + JPEG[2:120],
    "cut.webp": WEBP[: len(WEBP) // 2],
    "bomb.webp": webp_bomb(),
    "cut.gif": GIF[:40],
    "no-picture.gif": GIF[:6] + b"\4\0\4\0\0\0\0;",
    "cut.bmp": BMP[:100],
    "bomb.bmp": BMP[:18] + struct.pack("<ii", 100_000, 100_000) + BMP[26:],
    "cut.tif": TIFF[:60],
    "loop.tif": TIFF[:4] + struct.pack("<I", 4) + TIFF[8:],
    "cut.ppm": b"P6 4 4 255\n" + bytes(10),
    "letters.pgm": b"P5 four four 255\n" + bytes(16),
    "bomb.pgm": b"P5 99999 99999 255\n" + bytes(16),
    "nan.tif": encoded(np.full((4, 4), np.nan, np.float32), "TIFF"),
    "empty.png": b"",
    "empty.zip": b"",
    "empty": b"",
    "text.png": b"this is no picture",
    "html.jpg": b"<!DOCTYPE html><html>404 not found</html>",
    "cut.zip": zipped({"a.png": PNG})[:100],
    "no-entries.zip": zipped({}),
    "no-pictures.zip": zipped({"readme.txt": b"x"}),
    "checksum.zip": flipped(zipped({"a.png": PNG}, deflate=False), 120),
    "bomb.zip": zipped({"a.png": bytes(100 * 2**20)}),
    "lying.zip": lying_zip(),
    "encrypted.zip": encrypted_zip(),
    "slip.zip": zipped({"../a.png": PNG}),
    "nested.zip": zipped({"inner.zip": zipped({"a.png": PNG})}),
    "method.zip": flipped(flipped(zipped({"a.png": PNG}), 8, 6), len(zipped({"a.png": PNG})) - 22 - 51 + 10, 6),
    "cut.tar": tarred({"a.png": PNG, "b.png": PNG})[:2000],
    "cut-in-head.tar": tarred({"a.png": PNG, "b.png": PNG})[: 512 + 1536 + 100],
    "checksum.tar": flipped(tarred({"a.png": PNG, "b.png": PNG}), 512 + (len(PNG) + 511) // 512 * 512 + 3),
    "cut.tar.gz": tarred({"a.png": PNG, "b.png": noise(5, 4000).tobytes()}, "w:gz")[:2500],
    "flip.tar.gz": flipped(tarred({"a.png": PNG, "b.png": PNG}, "w:gz"), 300),
    "bomb.tar.gz": tarred({"a.png": bytes(80 * 2**20)}, "w:gz"),
    "name.tar.gz": tar_with_long_name(),
    "slip.tar": tarred({"../../a.png": PNG, "/b.png": PNG}),
    "plain.gz": gzip.compress(b"not a tar"),
    "objects.npy": npy(np.array([{}, []], dtype=object), allow_pickle=True),
    "cut.npy": npy(noise(1, 5, 8, 8))[:200],
    "head.npy": b"\x93NUMPY\x01\x00\x76\x00{'descr'",
    "code.npy": b"\x93NUMPY\x01\x00" + struct.pack("<H", 40) + b"__import__('os').system('true')".ljust(39) + b"\n",
    "huge.npy": npy_claiming("(99999999, 9999, 9999)"),
    "overflow.npy": npy_claiming("(4294967296, 4294967296, 4)"),
    "negative.npy": npy_claiming("(-1, 4, 4)"),
    "flat.npy": npy(noise(1, 9)),
    "none.npy": npy(noise(1, 0, 8, 8)),
    "nan.npy": npy(np.full((2, 4, 4), np.nan)),
    "text.npy": npy(np.array([[["a"]]])),
    "complex.npy": npy(np.zeros((2, 4, 4), complex)),
    "minus.npy": npy(np.full((2, 4, 4), -1)),
    "records.npy": npy(np.zeros((2, 4, 4), [("a", "u1")])),
    "version.npy": b"\x93NUMPY\x09\x00" + bytes(100),
    "cut.npz": npz(images=noise(1, 5, 8, 8))[:200],
    "bomb.npz": npz(images=np.zeros((100, 1024, 1024), np.uint8)),
    "objects.npz": zipped({"images.npy": npy(np.array([{}], dtype=object), allow_pickle=True)}),
    "other.npz": npz(weights=noise(1, 5, 8, 8)),
    "claims.npz": zipped({"images.npy": npy_claiming("(100000, 1000, 1000)")}),
    "labels.npz": npz(images=noise(1, 5, 8, 8), labels=np.arange(4)),
    "many-labels.npz": npz(images=noise(1, 5, 8, 8), labels=np.zeros((5, 3))),
    "flip.npz": flipped(npz(images=noise(1, 5, 8, 8)), 150),
    "weights.pt": zipped({"archive/data.pkl": EVIL}),
    "data.pkl": EVIL,
    "song.wav": b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
    "song": b"fLaC" + bytes(40),
    "film.mp4": b"\0\0\0\x18ftypmp42" + bytes(40),
    "table.parquet": b"PAR1" + bytes(40),
    "poem.txt": "Ein Gedicht, mit ü".encode(),
    "packed.7z": b"7z\xbc\xaf\x27\x1c" + bytes(40),
    "random.dat": bytes(range(256)),
    "猫 ü\n.png": b"x",
}

FOLDERS: dict[str, dict[str, bytes]] = {  # the source is the folder
    "nothing": {},
    "only-text": {"a.txt": b"x"},
    "one-bad": {"a.png": PNG, "b.png": PNG[:80]},
    "bad-label-table": {"a.png": PNG, "labels.csv": b"\xff\xfe\x00"},
    "short-label-table": {"a.png": PNG, "labels.csv": b"a.png\n"},
    "empty-label-table": {"a.png": PNG, "labels.csv": b""},
    "open-quote": {"a.png": PNG, "labels.csv": b'file,label\na.png,"x\n'},
    "zero-in-table": {"a.png": PNG, "labels.csv": b"a\0.png,x\n"},
    "idx-short": {"train-images-idx3-ubyte": IDX_HEAD + bytes(20)},
    "idx-long": {"train-images-idx3-ubyte": IDX_HEAD + bytes(49)},
    "idx-head": {"train-images-idx3-ubyte": IDX_HEAD[:9]},
    "idx-magic": {"train-images-idx3-ubyte": b"\1" + IDX_HEAD[1:] + bytes(48)},
    "idx-huge": {"train-images-idx3-ubyte": struct.pack(">IIII", 0x803, 2**32 - 1, 2**32 - 1, 99)},
    "idx-none": {"train-images-idx3-ubyte": struct.pack(">IIII", 0x803, 0, 4, 4)},
    "idx-gz-cut": {"train-images-idx3-ubyte.gz": gzip.compress(IDX_HEAD + noise(1, 48).tobytes())[:50]},
    "idx-gz-flip": {"train-images-idx3-ubyte.gz": flipped(gzip.compress(IDX_HEAD + noise(1, 48).tobytes()), 60)},
    "idx-gz-tail": {"train-images-idx3-ubyte.gz": gzip.compress(IDX_HEAD + noise(1, 48).tobytes())[:-4]},
    "idx-gz-long": {"train-images-idx3-ubyte.gz": gzip.compress(IDX_HEAD + bytes(500))},
    "idx-gz-bomb": {
        "train-images-idx3-ubyte.gz": gzip.compress(struct.pack(">IIII", 0x803, 99999, 99, 99) + bytes(10**7))
    },
    "idx-labels": {
        "train-images-idx3-ubyte": IDX_HEAD + bytes(48),
        "train-labels-idx1-ubyte": struct.pack(">II", 0x801, 9) + bytes(9),
    },
    "cifar-short": {"data_batch_1.bin": bytes(3000)},
    "cifar-empty": {"data_batch_1.bin": b""},
    "cifar-label": {"data_batch_1.bin": b"\x63" + bytes(3072)},
    "cifar-pickle": {"data_batch_1": EVIL},
}


BOMBS = ("bomb.png", "bomb.webp", "bomb.zip", "bomb.tar.gz", "bomb.npz", "lying.zip", "huge.npy", "name.tar.gz")


def refused(source: Path, name: str) -> str:
    """Open and inspect; return the sentence after checking its form."""
    start = time.perf_counter()
    with pytest.raises(UserError) as caught:
        open_images(source)
    seconds = time.perf_counter() - start
    said = str(caught.value)
    assert said.isprintable()
    assert name in said
    assert said.endswith((".", "?", ")"))
    assert len(said) < 700
    assert seconds < 3
    return said


def looks(source: Path) -> None:
    """Inspect: a report or one sentence."""
    try:
        lines = inspect(source).lines()
    except UserError as error:
        lines = [str(error)]
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("name", FILES)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    before = {p: p.stat().st_size for p in tmp_path.rglob("*")}
    refused(path, name.replace("\n", "\\n"))
    looks(path)
    assert {p: p.stat().st_size for p in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("name", FOLDERS)
def test_damaged_folders(name: str, put: Put, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    refused(put(FOLDERS[name], name), name)
    looks(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bomb.png", "only pictures of 1 to 100,000,000 pixels"),
        ("bomb.webp", "16383 x 16383 pixels"),
        ("bomb.zip", "decompression bomb"),
        ("bomb.tar.gz", "decompression bomb"),
        ("bomb.npz", "decompression bomb"),
        ("objects.npy", "can run code"),
        ("objects.npz", "can run code"),
        ("weights.pt", "pickle"),
        ("cut.tar", "cut off"),
        ("checksum.tar", "damaged or cut off"),
        ("empty.png", "empty"),
        ("song.wav", "a sound file"),
        ("film.mp4", "a video file"),
        ("poem.txt", "a text file"),
        ("encrypted.zip", "holds no files"),
        ("nan.npy", "NaN"),
        ("labels.npz", "do not fit 5 pictures"),
    ],
)
def test_the_sentence_says_what_is_wrong(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    assert words in refused(tmp_path / name, name)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("digts", "Did you mean 'digits'"),
        ("fashion-mnist", "Did you mean 'fashion_mnist'"),
        ("no/such/folder", "no such file or folder"),
        ("tones", "a built-in set of sounds, and something else is needed here"),
        ("bouncing_shape", "Did you mean 'bouncing_shapes'?"),
        ("", "is empty"),
        ("https://example.com/x.zip", "addresses are not fetched"),
        ("a\0b", "no such file or folder"),
        ("x" * 5000, "cannot be read"),
    ],
)
def test_sources_that_are_not_there(source: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        open_images(source)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_no_memory_and_no_time(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    start = time.perf_counter()
    refused(tmp_path / name, name)
    assert time.perf_counter() - start < 1
    tracemalloc.start()
    try:
        refused(tmp_path / name, name)
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    os.mkfifo(tmp_path / "pipe.png")
    assert "pipe" in refused(tmp_path / "pipe.png", "pipe.png")


def test_permission_is_named_as_the_reason(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put({"a.png": PNG})

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "no permission" in refused(folder, "a.png")


@needs_rights
@pytest.mark.parametrize("what", ["a.png", "set", "x.npy"])
def test_without_permission(what: str, put: Put) -> None:
    folder = put({"a.png": PNG, "b/x.npy": npy(noise(1, 3, 4, 4))})
    target = {"a.png": folder / "a.png", "set": folder, "x.npy": folder / "b" / "x.npy"}[what]
    mode = target.stat().st_mode
    target.chmod(0)
    try:
        assert "permission" in refused(target, what)
    finally:
        target.chmod(stat.S_IMODE(mode))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_truncation_at_every_length_is_an_error_or_a_picture(kind: str, tmp_path: Path) -> None:
    data = encoded(noise(3, 6, 6, 3), kind)
    for length in range(0, len(data), max(1, len(data) // 40)):
        path = tmp_path / f"x.{kind.lower()}"
        path.write_bytes(data[:length])
        try:
            open_images(path)
        except UserError as error:
            said = str(error)
        else:
            said = path.name if length > 30 else "taken for a picture"
        assert path.name in said
