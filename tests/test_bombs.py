"""Small files that claim or unpack to much, and archives that reach out of their folder: refused soon, and said."""

from __future__ import annotations

import gzip
import io
import os
import struct
import sys
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantlet.applying.mels import read_mel
from gantlet.data import inspect, open_clips, open_images, open_lines, open_sounds
from gantlet.errors import UserError
from gantlet.media import clip
from gantlet.media.audio import read_sound, wav_bytes
from gantlet.media.clip import open_clip
from gantlet.media.picture import read_picture
from gantlet.media.tiff import decode_tiff

MOST = 200 * 2**20  # bytes of memory that a refusal may take


def encoded(form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (9, 99, 199)).save(buffer, form, **options)
    return buffer.getvalue()


def gif(width: int, height: int, frames: int) -> bytes:
    """Return a GIF of frames of one pixel on a large screen."""
    frame = b"\x21\xf9\x04\x04\x05\0\0\0\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame * frames + b";"


def wav(frames: int) -> bytes:
    """Return a wav whose header claims so many frames and which holds ten."""
    sound = bytearray(wav_bytes(np.zeros((1, 10), np.float32), 8000))
    sound[40:44] = struct.pack("<I", min(2 * frames, 2**32 - 2))
    return bytes(sound)


def flac(frames: int, rate: int = 8000) -> bytes:
    """Return a flac whose header claims so many frames, 36 bits of its first block, at a rate, 20 bits."""
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(99), 8000, format="FLAC")
    data = bytearray(buffer.getvalue())
    data[18:20], data[20] = struct.pack(">H", rate >> 4), data[20] & 0x0F | (rate & 15) << 4
    data[21] = data[21] & 0xF0 | frames >> 32
    data[22:26] = struct.pack(">I", frames % 2**32)
    return bytes(data)


def tiff_of_tags(count: int) -> bytes:
    """Return a TIFF of several channels with so many tags, each of which points at the same half megabyte."""
    body = bytes(2**19)
    start = 8 + len(body)
    tags = [(277, 3, 1, 5), (258, 3, 1, 8)]
    tags += [(tag, 1, len(body), 8) for tag in range(400, 400 + count)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return struct.pack("<2sHI", b"II", 42, start) + body + struct.pack("<H", len(tags)) + entries + bytes(4)


def blank_tiff(width: int, height: int) -> bytes:
    """Return a TIFF that claims a size and holds a few pixels."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "TIFF")
    data = bytearray(buffer.getvalue())
    for tag, value in ((256, width), (257, height), (278, height)):
        at = data.index(struct.pack("<H", tag), 8)
        data[at + 2 : at + 12] = struct.pack("<HII", 4, 1, value)
    return bytes(data)


def webp(width: int, height: int) -> bytes:
    """Return a WebP whose canvas is claimed larger than its picture."""
    data = bytearray(encoded("WEBP", exif=b"Exif\0\0" + bytes(20)))
    assert data[12:16] == b"VP8X"
    data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def moving_webp(width: int, height: int, frames: int) -> bytes:
    buffer = io.BytesIO()
    pictures = [Image.new("RGB", (8, 8), (9 * i, 0, 0)) for i in range(frames)]
    pictures[0].save(buffer, "WEBP", save_all=True, append_images=pictures[1:], duration=40)
    data = bytearray(buffer.getvalue())
    data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def arrays(**named: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **named)
    return buffer.getvalue()


def zipped(files: dict[str, bytes], name: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return buffer.getvalue()


def npy(shape: str, dtype: str = "<f4", body: bytes = b"") -> bytes:
    head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + body


MELS = {"mels": 4.0}
BOMBS: dict[str, tuple[Callable[[], bytes], Callable[[Path], object]]] = {
    "frames.gif": (lambda: gif(1, 1, 10**6), lambda path: open_clip(path, ".gif", path).read()),
    "screen.gif": (lambda: gif(60_000, 60_000, 3), lambda path: open_clip(path, ".gif", path).read()),
    "film.gif": (lambda: gif(9000, 9000, 900), lambda path: open_clips(path.parent, num_frames=4)),
    "applied.gif": (lambda: gif(9000, 9000, 900), read_picture),
    "canvas.gif": (lambda: gif(9000, 9000, 1), read_picture),
    "canvas.webp": (lambda: webp(9000, 9000), read_picture),
    "canvas clip.webp": (lambda: moving_webp(3000, 3000, 9), lambda path: open_clip(path, ".webp", path).read()),
    "canvas.tif": (lambda: blank_tiff(9000, 9000), read_picture),
    "rate.flac": (lambda: flac(99, 1_048_575), read_sound),
    "rate.npz": (lambda: arrays(audio=np.ones((4, 99)), sample_rate=10**9), open_sounds),
    "riff.wav": (lambda: wav(2**31), read_sound),
    "riff in a folder.wav": (lambda: wav(2**31), lambda path: open_sounds(path.parent)),
    "hours.flac": (lambda: flac(2**30), read_sound),
    "days.flac": (lambda: flac(2**35), read_sound),
    "tags.tif": (lambda: tiff_of_tags(4000), read_picture),
    "text.txt.gz": (lambda: gzip.compress(b"a line of text\n" * 2**23, 9), open_lines),
    "mel.npy": (lambda: npy("(4, 99999999999)"), lambda path: read_mel(path, MELS)),
    "mel.npz": (lambda: zipped({"mel.npy": npy("(4, 1000000000)")}), lambda path: read_mel(path, MELS)),
    "zeros.npz": (
        lambda: zipped({"mel.npy": npy("(4, 16777216)", body=bytes(2**28))}), lambda path: read_mel(path, MELS)
    ),
    "nested.zip": (lambda: zipped({"a.zip": zipped({"b.zip": zipped({"c.png": encoded()})})}), open_images),
    "names.zip": (lambda: zipped({"x" * 65_000 + ".png": encoded(), "ok.png": b"no picture"}), open_images),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name: str, tmp_path: Path) -> None:
    make, read = BOMBS[name]
    path = tmp_path / name
    path.write_bytes(make())
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(UserError) as caught:
            read(path)
        assert time.process_time() - began < 4  # of the processor, watched by tracemalloc
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def test_tags_that_mean_nothing_here_are_not_unpacked() -> None:
    """65,535 tags may point at the same bytes: a file of a megabyte took minutes and gigabytes."""
    data = tiff_of_tags(60_000)
    began = time.process_time()
    assert decode_tiff(data, "tags.tif") is None  # not one of ours: Pillow's to refuse
    assert time.process_time() - began < 1


def test_a_film_of_more_frames_than_fit_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip, "MAX_READ", 1000)
    frames = (np.zeros((4, 4, 3), np.uint8) for _ in range(10**9))
    with pytest.raises(UserError, match="more follow"):
        clip.Reel("film", 4, 4, None, None, lambda: frames).read()


def test_frames_of_a_gif_that_change_their_size_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Found by mutation: Pillow enlarges the screen for a frame that reaches beyond it."""
    whole = gif(4, 4, 3)
    beyond = whole.replace(b"\x2c\0\0\0\0\1\0\1\0", b"\x2c\5\0\5\0\1\0\1\0", 3).replace(
        b"\x2c\5\0\5\0", b"\x2c\0\0\0\0", 1
    )
    (tmp_path / "a.gif").write_bytes(beyond)
    with pytest.raises(UserError, match="frame 2 lies beyond the picture of 4 x 4"):
        open_clip(tmp_path / "a.gif", ".gif", "a.gif").read()


def test_a_member_without_a_name_is_passed_over(tmp_path: Path) -> None:
    """Found by mutation: zipfile cuts a name at a zero byte, and then asks for its last letter."""
    (tmp_path / "a.zip").write_bytes(zipped({"Zx": b"1", "b.png": encoded()}).replace(b"Zx", b"\0x"))
    assert len(open_images(tmp_path / "a.zip", cache=tmp_path / "cache")) == 1


ESCAPES = (
    "../out.png", "../../out.png", "a/../../out.png", "/tmp/gantlet-out.png", "//out.png", "..\\out.png", "C:\\out.png",
    "C:/out.png", "\\\\host\\out.png", "./../out.png", "a/./../../out.png", "out.png/../../x.png", "\0.png", "..", ".",
    "", " ", "con.png", "a" * 300 + ".png", "ä/../../ö.png", "a\u0308.png", "\u202egnp.png", "a\nb.png", "~/out.png",
    "$HOME/out.png", "%2e%2e/out.png",
)  # fmt: skip


def tars() -> Iterator[tuple[str, bytes]]:
    """Yield archives with links and devices."""
    kinds = {
        "symlink": tarfile.SYMTYPE,
        "hardlink": tarfile.LNKTYPE,
        "device": tarfile.CHRTYPE,
        "pipe": tarfile.FIFOTYPE,
    }
    for name, kind in kinds.items():
        for target in ("/etc/passwd", "../../out.png"):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w") as archive:
                link = tarfile.TarInfo("link.png")
                link.type, link.linkname, link.mode = kind, target, 0o4777
                archive.addfile(link)
                file = tarfile.TarInfo("link.png/inside.png" if kind == tarfile.SYMTYPE else "x.png")
                file.size = len(encoded())
                archive.addfile(file, io.BytesIO(encoded()))
            yield f"{name} to {target.replace('/', '_')}.tar", buffer.getvalue()


def archives() -> dict[str, bytes]:
    """Return archives that would write outside of a folder they are extracted into."""
    found = dict(tars())
    for number, name in enumerate(ESCAPES):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            info = tarfile.TarInfo(name)
            info.size = len(encoded())
            archive.addfile(info, io.BytesIO(encoded()))
        found[f"escape-{number}.tar"] = buffer.getvalue()
        if name.split("\0")[0]:  # zipfile writes what is before it
            found[f"escape-{number}.zip"] = zipped({name: encoded(), "A.png": encoded(), "a.PNG": encoded("GIF")})
    return found


WRITES: list[str] = []  # files opened for writing, and links made, while `watching`
watching = False


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Keep what is written; such a hook stays for the life of the process, so it can be told to look away."""
    if not watching:
        return
    if event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        WRITES.append(str(arguments[0]))
    elif event in ("os.symlink", "os.link", "os.mkdir", "os.rename"):
        WRITES.append(str(arguments[event != "os.mkdir"]))


sys.addaudithook(watch)


def test_no_archive_writes_outside_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    global watching
    inside, store = tmp_path / "a" / "b", tmp_path / "cache"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    outcomes: dict[str, int] = {"read": 0, "refused": 0}
    for name, content in archives().items():
        (inside / name).write_bytes(content)
        watching = True
        try:
            images = open_images(inside / name, cache=store)
            images.batch(np.arange(1))
            inspect(inside / name, cache=store)
            outcomes["read"] += 1
        except UserError as error:
            outcomes["refused" if str(error).isprintable() else "said badly"] += 1
        finally:
            watching = False
        (inside / name).unlink()
    assert sum(outcomes.values()) == len(archives()) > 55
    assert min(outcomes.values()) > 5
    assert [path for path in WRITES if not path.startswith(str(store))] == []
    assert WRITES  # the cache itself, so the hook does see
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "cache"]
    assert list(inside.iterdir()) == []
