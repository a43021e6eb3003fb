"""Clips in files: what goes in comes out, damage is one sentence, writing needs no memory."""

from __future__ import annotations

import builtins
import io
import struct
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantlet.errors import UserError
from gantlet.media import clip, film
from gantlet.media.clip import ClipWriter, open_clip, reel_of_strip, write_clip
from gantlet.media.gif import GifWriter, outline, webp_outline
from gantlet.media.strips import film_strip, write_clips


def moving(frames: int = 5, height: int = 12, width: int = 10, channels: int = 1) -> np.ndarray[Any, Any]:
    """A bright square that walks to the right over a slope, of few colours."""
    out = np.zeros((frames, height, width, channels), np.uint8)
    out[:] = (10 * np.arange(width))[None, None, :, None]
    for t in range(frames):
        out[t, 3:6, t : t + 3] = 250 - 20 * np.arange(channels)
    return out


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".gif", ".npz", ""])
def test_lossless_kinds_give_back_every_value(suffix: str, channels: int, tmp_path: Path) -> None:
    frames, path = moving(channels=channels), tmp_path / f"made{suffix}"
    write_clip(path, frames, 20)
    if suffix == ".npz":
        with np.load(path) as arrays:
            assert np.array_equal(arrays["clips"][0], frames)
            assert float(arrays["frame_rate"]) == 20
    elif suffix == "":
        assert [each.name for each in sorted(path.iterdir())] == [f"{t:06d}.png" for t in range(5)]
    else:
        reel = open_clip(path, suffix, path)
        assert (reel.height, reel.width, reel.count, reel.rate, reel.times) == (12, 10, 5, 20.0, [50] * 5)
        assert np.array_equal(reel.read(), np.broadcast_to(frames, (5, 12, 10, 3)))
    assert [each.name for each in tmp_path.iterdir()] == [path.name]  # no temporary file is left


def test_webp_keeps_times_and_values(tmp_path: Path) -> None:
    path = tmp_path / "made.webp"
    with ClipWriter(path, 10) as writer:
        for frame, time in zip(moving(height=32, width=32), (40, 80, 120, 80, 40)):
            writer.write(frame, time)
    reel = open_clip(path, ".webp", path)
    assert reel.times == [40, 80, 120, 80, 40]
    assert reel.rate == 12.5
    assert np.array_equal(reel.read()[..., :1], moving(height=32, width=32))
    write_clip(path, moving(height=300, width=300), 10)
    assert np.abs(open_clip(path, ".webp", path).read().astype(int) - moving(height=300, width=300)).mean() < 4


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_videos_of_odd_sides(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / f"made{suffix}"
    write_clip(path, moving(9, 33, 31, 3), 12.5)
    reel = open_clip(path, suffix, path)
    assert reel.rate == pytest.approx(12.5)
    read = reel.read()
    assert read.shape == (9, 34, 32, 3)
    assert np.abs(read[:, :33, :31].astype(int) - moving(9, 33, 31, 3)).mean() < 8


def test_without_pyav_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name == "av":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert not film.there()
    with pytest.raises(UserError, match=r"pip install gantlet\[video\]"):
        write_clip(tmp_path / "a.mp4", moving(), 10)
    with pytest.raises(UserError, match=r"pip install gantlet\[video\]"):
        open_clip(b"abc", ".mp4", "a.mp4")
    write_clips(tmp_path / "set", moving()[None], 10.0)
    assert not (tmp_path / "set" / "clips.mp4").exists()


def gif(frames: int = 3) -> bytes:
    buffer = io.BytesIO()
    writer = GifWriter(buffer, 10)
    for frame in moving(frames):
        writer.write(frame)
    writer.close()
    return buffer.getvalue()


def test_pillow_reads_what_the_writer_wrote() -> None:
    with Image.open(io.BytesIO(gif(4))) as image:
        assert image.n_frames == 4  # type: ignore[attr-defined]
        image.seek(3)
        assert np.array_equal(np.asarray(image.convert("L")), moving(4)[3, :, :, 0])


def test_delays_of_thirty_a_second_add_up() -> None:
    buffer = io.BytesIO()
    writer = GifWriter(buffer, 30)
    for frame in moving(5).repeat(6, axis=0):
        writer.write(frame)
    writer.close()
    times = outline(buffer.getvalue()).times
    assert sum(times) == 1000
    assert set(times) == {30, 40}


def test_an_outline_is_that_of_pillow() -> None:
    buffer = io.BytesIO()
    images = [Image.fromarray(frame[..., 0]) for frame in moving(7)]
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=[70, 80, 90, 70, 80, 90, 70])
    told = outline(buffer.getvalue())
    assert (told.height, told.width, told.times) == (12, 10, [70, 80, 90, 70, 80, 90, 70])


DAMAGE = {
    "an empty file": (b"", "empty"),
    "another kind of file": (b"%PDF-1.4 and so on", "no GIF"),
    "no frames": (gif()[:13] + b";", "no frames"),
    "cut in the second frame": (gif()[: len(gif()) // 2], "cut off in frame 2"),
    "without its end mark": (gif()[:-1], "cut off in frame 4"),
    "a stray byte": (gif()[:32] + b"\x99" + gif()[33:], "damaged at byte 32"),
    "a huge size": (gif()[:6] + b"\xff\xff\xff\xff" + gif()[10:], "65535 x 65535"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_gifs_are_one_sentence(damage: str) -> None:
    data, words = DAMAGE[damage]
    with pytest.raises(UserError, match=words) as error:
        open_clip(data, ".gif", "a.gif").read()
    assert "\n" not in str(error.value)
    assert "a.gif" in str(error.value)


def test_a_huge_frame_count_is_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantlet.media.gif.MAX_FRAMES", 50)
    with pytest.raises(UserError, match="more than the 50 frames"):
        open_clip(gif(51), ".gif", "a.gif")


def test_still_and_cut_webps_are_refused() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "WEBP")
    assert webp_outline(buffer.getvalue()) is None
    with pytest.raises(UserError, match="still picture"):
        open_clip(buffer.getvalue(), ".webp", "a.webp")
    with pytest.raises(UserError, match="cut off"):
        open_clip(buffer.getvalue()[:-4], ".webp", "a.webp")


def write_two_sizes(path: Path) -> None:
    with ClipWriter(path, 10) as writer:
        writer.write(moving()[0])
        writer.write(moving(height=14)[0])


def png(height: int) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    Image.fromarray(moving(height=height)[0, ..., 0]).save(buffer, "PNG")
    return f"{height}.png", buffer.getvalue()


def test_frames_of_two_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="among frames of"):
        write_two_sizes(tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []  # nothing half-written stays
    files = [partial(png, height) for height in (12, 14)]
    with pytest.raises(UserError, match=r"frame 2 is 10 x 14 and the first 10 x 12"):
        clip.reel_of_files(files, "frames").read()


def test_strips_are_cut_into_squares() -> None:
    frames = moving(6, 12, 12, 3)
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(list(frames), 1)).save(buffer, "PNG")
    assert np.array_equal(reel_of_strip(buffer.getvalue(), "strip.png").read(), frames)
    buffer = io.BytesIO()
    Image.new("RGB", (50, 12)).save(buffer, "PNG")
    with pytest.raises(UserError, match="no film strip"):
        reel_of_strip(buffer.getvalue(), "strip.png")


def test_a_film_strip_has_a_row_per_clip_and_a_column_per_frame() -> None:
    strip = film_strip(np.stack([moving(4, 48, 48)] * 3))
    assert strip.shape == (3 * 49 + 1, 4 * 49 + 1, 1)
    assert np.array_equal(strip[1:49, 50:98], moving(4, 48, 48)[1])


def test_writing_a_long_gif_takes_constant_memory(tmp_path: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    peaks = []
    for count in (10, 60):
        tracemalloc.start()
        with ClipWriter(tmp_path / "long.gif", 25) as writer:
            for _ in range(count):
                writer.write(frame)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
    assert len(outline((tmp_path / "long.gif").read_bytes()).times) == 60


def test_a_delay_is_written_as_two_bytes() -> None:
    buffer = io.BytesIO()
    writer = GifWriter(buffer, 10)
    writer.write(moving()[0], 5_000_000)
    writer.close()
    at = buffer.getvalue().index(b"!\xf9")
    assert struct.unpack("<H", buffer.getvalue()[at + 4 : at + 6]) == (65535,)


def test_a_frame_beyond_the_picture_is_refused_before_anything_is_decoded() -> None:
    """Pillow makes the picture larger for it, and all that follow: found by fuzzing, 5 kB that wanted 3 GB."""
    buffer = io.BytesIO()
    writer = GifWriter(buffer, 10)
    for shade in (0, 90, 180):
        writer.write(np.full((8, 12, 3), shade, np.uint8))
    writer.close()
    data = bytearray(buffer.getvalue())
    place = data.index(b"\x2c\0\0\0\0\x0c\0\x08\0", data.index(b"\x2c\0\0\0\0\x0c\0\x08\0") + 1)
    data[place + 1 : place + 3] = (15_000).to_bytes(2, "little")
    with pytest.raises(UserError, match="frame 2 lies beyond the picture of 12 x 8"):
        open_clip(bytes(data), ".gif", "far.gif")
    assert open_clip(buffer.getvalue(), ".gif", "near.gif").count == 3
