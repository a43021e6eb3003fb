"""Recordings in and out: wav by ourselves, flac, ogg and mp3 through soundfile where it is installed."""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from gantlet.errors import UserError
from gantlet.media.foreign import MAX_FILE_BYTES, reading, shown
from gantlet.media.wav import MAX_RATE, PCM, Wave, WavHeader, WavWriter, decode, encode, read_wav_header

SUFFIXES = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3")
WRITTEN = (".wav", ".flac", ".ogg")
MAX_SECONDS = 24 * 3600  # that a foreign format may claim
PIECE = 2**18  # values of each channel that are asked of a foreign format at once
MOST_LOUD = 8.0  # of values whose full scale is 1: what is above was stored in another scale
_REPLACE = "replace it or leave it out"


@dataclass(frozen=True)
class SoundHeader:
    """What a recording says of itself."""

    sample_rate: int  # Hz
    channels: int
    frames: int  # values of each channel
    depth: str  # "16-bit", "24-bit", "32-bit float", "MP3", ...
    exact: bool  # every value is one of 16 bits

    @property
    def seconds(self) -> float:
        """Return how long it is."""
        return self.frames / self.sample_rate


class Recording:
    """An open recording of any length: `read(start, count)` gives [C, n] float32 without loading the rest.

    Full scale is 1; float files may go beyond it. Close it, or use it in a `with`.
    """

    def __init__(self, source: str | Path | bytes, name: str | None = None) -> None:
        self.name = shown(name or ("recording" if isinstance(source, bytes) else source))
        self._file: Any = None
        self._wav: WavHeader | None = None
        with reading(self.name, _REPLACE):
            file: IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")  # noqa: SIM115
            self._bytes = file  # soundfile leaves it open
            try:
                head = file.read(12)
                if head[:4] in (b"fLaC", b"OggS") or head[:3] == b"ID3" or _frame_of_mp3(head):
                    file.seek(0)
                    self._file = _open_foreign(file, self.name)
                    self.header = _header_of(self._file, self.name)
                else:
                    self._wav = header = read_wav_header(file, self.name)
                    self._file = file
                    exact = header.bits <= 16  # A-law and mu-law are 16 bits inside
                    self.header = SoundHeader(header.sample_rate, header.channels, header.frames, header.depth, exact)
            except BaseException:
                file.close()
                raise

    def read(self, start: int = 0, count: int | None = None) -> Wave:
        """Return the values [C, n] from `start` on: `count` of them, or as many as are left.

        Raises UserError if they are not there although the header says so, or are no finite numbers.
        """
        left = max(self.header.frames - start, 0)
        count = left if count is None else min(count, left)
        with reading(self.name, _REPLACE):
            if self._wav is not None:
                size = self._wav.frame_bytes
                self._file.seek(self._wav.start + start * size)
                raw = self._file.read(count * size)
                self._check(len(raw) // size, count, start)
                wave = decode(raw, self._wav)
            else:
                self._file.seek(start)
                wave = self._read_foreign(count)
                self._check(wave.shape[1], count, start)
        if not np.isfinite(wave).all():
            raise UserError(f"{self.name}: holds NaN or infinite values; {_REPLACE}.")
        if not self.header.exact and wave.size and float(np.abs(wave).max()) > MOST_LOUD:
            raise UserError(f"{self.name}: values reach {np.abs(wave).max():g}; floats go from -1 to 1; {_REPLACE}.")
        return wave

    def _read_foreign(self, count: int) -> Wave:
        """Return the next values of a foreign format, piece by piece: its header may promise what is not there."""
        pieces = [np.zeros((0, self.header.channels), np.float32)]
        while count > 0:
            piece = self._file.read(min(count, PIECE), dtype="float32", always_2d=True)
            pieces.append(piece)
            if len(piece) < min(count, PIECE):
                break
            count -= len(piece)
        return np.ascontiguousarray(np.concatenate(pieces).T)

    def _check(self, there: int, count: int, start: int) -> None:
        if there < count:
            raise UserError(
                f"{self.name}: its header promises {self.header.frames:,} samples and {start + there:,} are there: "
                "cut off; fetch it again or leave it out."
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._bytes.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()


def _frame_of_mp3(head: bytes) -> bool:
    """Return whether bytes begin with the sync word of an MPEG audio frame of layer III."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2


def _soundfile(name: str) -> Any:
    try:
        return importlib.import_module("soundfile")
    except Exception as error:  # OSError where its C library is missing; a broken one raises anything
        raise UserError(
            f"{name}: only wav is read and written without the library soundfile; pip install gantlet[audio], or "
            "convert it to wav."
        ) from error


def _open_foreign(file: IO[bytes], name: str) -> Any:
    return _soundfile(name).SoundFile(file)


def _header_of(file: Any, name: str) -> SoundHeader:
    """Return the header of a file that soundfile opened. Raises UserError for impossible ones."""
    rate, channels, frames = int(file.samplerate), int(file.channels), int(file.frames)
    if not 1 <= rate <= MAX_RATE or channels < 1 or not 0 < frames <= MAX_SECONDS * rate:
        raise UserError(f"{name}: says {frames:,} samples of {channels} channels at {rate:,} Hz; {_REPLACE}.")
    exact = file.format == "FLAC" and file.subtype in ("PCM_S8", "PCM_16")
    return SoundHeader(rate, channels, frames, f"{file.format} {file.subtype}".lower(), exact)


def read_sound(source: str | Path | bytes, name: str | None = None) -> tuple[Wave, int]:
    """Return a whole recording, [C, T] float32 with full scale at 1, and its samples per second.

    Raises UserError for what is no recording, damaged, cut off, or larger than 512 MiB as floats.
    """
    with Recording(source, name) as recording:
        header = recording.header
        size = 4 * header.frames * header.channels
        if size > MAX_FILE_BYTES:
            raise UserError(
                f"{recording.name}: {header.seconds:,.0f} s, {size:,} bytes as floats, more than the "
                f"{MAX_FILE_BYTES:,} that are read at once; cut it."
            )
        return recording.read(), header.sample_rate


def read_sound_header(source: str | Path | bytes, name: str | None = None) -> SoundHeader:
    """Return what a recording says of itself. Raises UserError as `Recording` does."""
    with Recording(source, name) as recording:
        return recording.header


def write_sound(path: str | Path, wave: Wave, sample_rate: int, depth: int = 16) -> int:
    """Write [C, T] or [T] as .wav (16 or 24 bits, or 32-bit floats), .flac or .ogg; return how many values clipped.

    Raises UserError for another ending, or a place that cannot be written.
    """
    path, wave = Path(path), np.asarray(wave, np.float32)
    wave = wave if wave.ndim == 2 else wave[None]
    if path.suffix.lower() == ".wav":
        with WavWriter(path, sample_rate, wave.shape[0], depth) as writer:
            writer.write(wave)
        return writer.clipped
    if path.suffix.lower() not in WRITTEN:
        raise UserError(f"{shown(path)}: sounds are written as {', '.join(WRITTEN)}; choose another name.")
    from gantlet.media.image import replace

    library = _soundfile(shown(path))
    kind = path.suffix.lower()[1:].upper()
    subtype = {"FLAC": "PCM_24" if depth > 16 else "PCM_16", "OGG": "VORBIS"}[kind]
    replace(path, lambda file: library.write(file, wave.T.clip(-1, 1), sample_rate, format=kind, subtype=subtype))
    return int((np.abs(wave) > 1).sum())


def wav_bytes(wave: Wave, sample_rate: int) -> bytes:
    """Return [C, T] as the bytes of a plain 16-bit wav (what a page or an archive holds)."""
    import struct

    raw, _ = encode(wave, 16)
    channels = wave.shape[0]
    form = struct.pack("<HHIIHH", PCM, channels, sample_rate, sample_rate * channels * 2, channels * 2, 16)
    head = struct.pack("<4sI4s4sI", b"RIFF", 36 + len(raw), b"WAVE", b"fmt ", 16) + form
    return head + struct.pack("<4sI", b"data", len(raw)) + raw
