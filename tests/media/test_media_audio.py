"""Recordings read and written: every depth against Python's own wave module, damage of every kind in one sentence."""

from __future__ import annotations

import io
import struct
import sys
import wave as standard
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gantlet.errors import UserError
from gantlet.media import wav
from gantlet.media.audio import Recording, read_sound, read_sound_header, wav_bytes, write_sound
from gantlet.media.wav import WavWriter

RATE = 8000


def noise(channels: int, count: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).uniform(-0.99, 0.99, (channels, count)).astype(np.float32)


def riff(data: bytes, form: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16, **changes: Any) -> bytes:
    """Return the bytes of a wav, put together by hand; `changes` are what is wrong with it."""
    block = changes.get("block", channels * bits // 8)
    fmt = struct.pack("<HHIIHH", form, channels, rate, rate * block % 2**32, block, bits) + changes.get("more", b"")
    chunks = changes.get("before", b"") + struct.pack("<4sI", b"fmt ", len(fmt)) + fmt
    chunks += struct.pack("<4sI", b"data", changes.get("says", len(data))) + data
    return struct.pack("<4sI4s", changes.get("magic", b"RIFF"), 4 + len(chunks), b"WAVE") + chunks


@pytest.mark.parametrize(("width", "bits"), [(1, 8), (2, 16), (3, 24), (4, 32)])
def test_integers_are_read_as_the_standard_library_writes_them(width: int, bits: int) -> None:
    whole = np.random.default_rng(1).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (50, 2))
    raw = whole.astype("<i4").view(np.uint8).reshape(50, 2, 4)[..., :width].tobytes()
    if width == 1:
        raw = (whole + 128).astype(np.uint8).tobytes()
    file = io.BytesIO()
    with standard.open(file, "wb") as writer:
        writer.setparams((2, width, 22_050, 0, "NONE", ""))
        writer.writeframes(raw)
    found, rate = read_sound(file.getvalue())
    assert rate == 22_050
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, whole.T / 2 ** (bits - 1), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["<f4", "<f8"])
def test_floats_are_read_as_they_are(kind: str) -> None:
    values = noise(2, 40) * 1.5
    file = riff(values.T.astype(kind).tobytes(), form=3, channels=2, bits=np.dtype(kind).itemsize * 8)
    np.testing.assert_array_equal(read_sound(file)[0], values)


def test_laws_of_the_telephone() -> None:
    """The ends and some middles of G.711, as its tables give them, in 16 bits."""
    mu, a = (
        read_sound(riff(bytes([0x00, 0x80, 0x7F, 0xFF, 0x9A]), form=form, bits=8))[0][0] * 32768 for form in (7, 6)
    )
    np.testing.assert_array_equal(mu, [-32124, 32124, 0, 0, 10876])
    np.testing.assert_array_equal(a[:4], [-5504, 5504, -848, 848])


def test_extended_formats_and_chunks_that_mean_nothing_here() -> None:
    values = np.array([1000, -1000, 32767], "<i2")
    guid = struct.pack("<HHIH", 22, 16, 4, 1) + bytes.fromhex("000000001000800000aa00389b71")
    odd = struct.pack("<4sI", b"LIST", 3) + b"abc\0"
    found, _ = read_sound(riff(values.tobytes(), form=0xFFFE, more=guid, before=odd))
    np.testing.assert_array_equal(found[0] * 32768, values)


def test_twenty_bits_in_a_container_of_24() -> None:
    raw = (np.array([2**18, -(2**19)]) * 16).astype("<i4").view(np.uint8).reshape(2, 4)[:, :3].tobytes()
    file = riff(raw, bits=20, block=3)
    np.testing.assert_array_equal(read_sound(file)[0], [[0.5, -1.0]])


def test_long_files_hold_their_length_in_64_bits() -> None:
    values = np.arange(6, dtype="<i2")
    wide = struct.pack("<4sIQQQI", b"ds64", 28, 0, values.nbytes, 6, 0)
    file = riff(values.tobytes(), magic=b"RF64", before=wide, says=0xFFFFFFFF)
    np.testing.assert_array_equal(read_sound(file)[0] * 32768, values[None])


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b"", "empty"),
        (b"RIFF", "no wav file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "no wav file"),
        (b"RIFX" + riff(bytes(8))[4:], "big-endian"),
        (riff(bytes(100), says=4000), "promises 4,000 bytes of samples .* and 100 "),
        (riff(bytes(100), says=0xFFFFFFF0), "promises 4,294,967,280 bytes"),
        (riff(bytes(100), says=0xFFFFFFFF), "never written"),
        (riff(b""), "no samples"),
        (riff(bytes(100), says=0), "says 0 and 100 bytes follow"),
        (riff(bytes(7)), "no whole frames of 2"),
        (riff(bytes(8), channels=0, block=2), "0 channels"),
        (riff(bytes(8), channels=9000, block=18_000), "9000 channels"),
        (riff(bytes(8), rate=0), "0 samples per second"),
        (riff(bytes(8), rate=2**31), "samples per second"),
        (riff(bytes(8), form=2, bits=4), "Microsoft ADPCM"),
        (riff(bytes(8), form=777), "unknown format 777"),
        (riff(bytes(10), bits=40), "40 bits in frames of 5 bytes"),
        (riff(bytes(8), form=0xFFFE), "extended format"),
        (riff(bytes(8))[:30], "10 of at least 16 bytes"),
        (riff(bytes(8))[:40], "without a data chunk"),
        (riff(bytes(8))[:12], "without a fmt chunk"),
        (riff(struct.pack("<2f", 0.1, float("nan")), form=3, bits=32), "NaN"),
        (riff(struct.pack("<2f", 0.1, float("inf")), form=3, bits=32), "NaN or infinite"),
    ],
)
def test_damage_is_one_sentence(file: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.wav"
    path.write_bytes(file)
    with pytest.raises(UserError, match=said) as error:
        read_sound(path)
    assert "odd.wav" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_cut_anywhere_is_noticed() -> None:
    whole = wav_bytes(noise(2, 50), RATE)
    for length in range(len(whole)):
        with pytest.raises(UserError):
            read_sound(whole[:length])
    read_sound(whole)


def test_random_damage_raises_nothing_but_sentences() -> None:
    rng = np.random.default_rng(0)
    whole = np.frombuffer(wav_bytes(noise(1, 30), RATE), np.uint8)
    for _ in range(300):
        damaged = whole.copy()
        damaged[rng.integers(0, 48, 3)] = rng.integers(0, 256, 3)
        with suppress(UserError):
            read_sound(damaged.tobytes())


@pytest.mark.parametrize(("depth", "step"), [(16, 2**-16), (24, 2**-24), (32, 0.0)])
def test_what_is_written_is_read_again(depth: int, step: float, tmp_path: Path) -> None:
    values = noise(2, 101)
    assert write_sound(tmp_path / "a.wav", values, 11_025, depth) == 0
    found, rate = read_sound(tmp_path / "a.wav")
    assert rate == 11_025
    assert np.abs(found - values).max() <= step
    again = tmp_path / "b.wav"
    write_sound(again, found, rate, depth)
    np.testing.assert_array_equal(read_sound(again)[0], found)


def test_the_standard_library_reads_what_we_write(tmp_path: Path) -> None:
    values = np.array([[0.5, -0.5, 0.25], [1.0, -1.0, 0.0]], np.float32)
    write_sound(tmp_path / "a.wav", values, 8000)
    with standard.open(str(tmp_path / "a.wav"), "rb") as file:
        assert file.getparams()[:4] == (2, 2, 8000, 3)
        written = np.frombuffer(file.readframes(3), "<i2").reshape(3, 2)
    np.testing.assert_array_equal(written, [[16384, 32767], [-16384, -32768], [8192, 0]])


def test_clipping_is_counted_and_rounding_is_to_the_nearest(tmp_path: Path) -> None:
    values = np.array([[1.5, -2.0, 0.4 / 32768, 0.6 / 32768, 1.0]], np.float32)
    assert write_sound(tmp_path / "a.wav", values, 8000) == 2
    np.testing.assert_array_equal(read_sound(tmp_path / "a.wav")[0][0] * 32768, [32767, -32768, 0, 1, 32767])


def test_pieces_make_the_file_that_the_whole_makes(tmp_path: Path) -> None:
    values = noise(1, 1001)
    with WavWriter(tmp_path / "a.wav", RATE) as writer:
        for start in range(0, 1001, 300):
            writer.write(values[:, start : start + 300])
        assert not (tmp_path / "a.wav").exists()
    write_sound(tmp_path / "b.wav", values, RATE)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    with Recording(tmp_path / "a.wav") as recording:
        np.testing.assert_array_equal(recording.read(200, 50), read_sound(tmp_path / "b.wav")[0][:, 200:250])
        assert recording.read(990, 50).shape == (1, 11)
        assert recording.read(2000, 50).shape == (1, 0)


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with suppress(RuntimeError), WavWriter(tmp_path / "a.wav", RATE) as writer:
        writer.write(noise(1, 10))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        WavWriter(tmp_path / "file" / "a.wav", RATE)


def test_a_file_beyond_four_gigabytes_becomes_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is lowered instead of writing that much."""
    monkeypatch.setattr(wav, "_FOUR_GIGABYTES", 200)
    values = noise(1, 500)
    write_sound(tmp_path / "a.wav", values, RATE)
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RF64"
    assert np.abs(read_sound(tmp_path / "a.wav")[0] - values).max() <= 2**-16


def test_a_window_of_a_long_file_is_read_without_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with path.open("wb") as file:  # sparse: two gigabytes that take no room
        file.write(riff(b"", says=2 * 10**9))
        file.seek(44 + 2 * 10**9 - 1)
        file.write(b"\x40")
    assert read_sound_header(path).frames == 10**9
    with Recording(path) as recording:
        np.testing.assert_array_equal(recording.read(10**9 - 2), [[0, 0.5]])
    with pytest.raises(UserError, match="more than the"):
        read_sound(path)


def test_other_formats_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    for head in (b"fLaC", b"OggS", b"ID3\x03", b"\xff\xfb\x90\x00"):
        with pytest.raises(UserError, match=r"pip install gantlet\[audio\]"):
            read_sound(head + bytes(100))
    with pytest.raises(UserError, match=r"gantlet\[audio\]"):
        write_sound(tmp_path / "a.flac", noise(1, 10), RATE)
    with pytest.raises(UserError, match="written as"):
        write_sound(tmp_path / "a.aiff", noise(1, 10), RATE)


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_flac_and_ogg_through_soundfile(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    time = np.arange(RATE) / RATE
    values = np.stack([0.5 * np.sin(2 * np.pi * 440 * time), 0.3 * np.sin(2 * np.pi * 330 * time)]).astype(np.float32)
    write_sound(tmp_path / f"a{suffix}", values, RATE)
    found, rate = read_sound(tmp_path / f"a{suffix}")
    assert rate == RATE
    assert found.shape == values.shape
    assert np.abs(found - values).max() < (1e-4 if suffix == ".flac" else 0.1)
    with Recording(tmp_path / f"a{suffix}") as recording:
        np.testing.assert_allclose(recording.read(100, 50), found[:, 100:150], atol=1e-6)
    whole = (tmp_path / f"a{suffix}").read_bytes()
    with pytest.raises(UserError):
        read_sound(whole[: len(whole) // 2])
