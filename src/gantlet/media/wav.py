"""RIFF/WAVE, read and written by ourselves (Microsoft, Multimedia Programming Interface 1991; RF64: EBU Tech 3306)."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import UserError
from gantlet.media.foreign import reason, shown

Wave = NDArray[Any]  # float32 [C, T] in [-1, 1]

PCM, FLOAT, ALAW, MULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
BITS = {PCM: (8, 16, 24, 32), FLOAT: (32, 64), ALAW: (8,), MULAW: (8,)}
COMPRESSED = {2: "Microsoft ADPCM", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x50: "MPEG", 0x55: "MP3", 0xFF: "AAC"}
DEPTHS = (16, 24, 32)  # that are written: PCM of 16 and 24 bits, floats of 32
MAX_CHANNELS, MAX_RATE = 64, 1_000_000
_UNKNOWN = 0xFFFFFFFF  # a length that lies in the ds64 chunk, or that a stream never wrote
_FOUR_GIGABYTES = 2**32 - 1  # bytes: what the 32 bits of a RIFF length hold
_GUID = bytes.fromhex("000000001000800000aa00389b71")  # of WAVE_FORMAT_EXTENSIBLE, after the two bytes of the format
_RESERVED = 28  # bytes of a ds64 chunk
_AGAIN = "save it again as 16-bit or 24-bit PCM or 32-bit float"


@dataclass(frozen=True)
class WavHeader:
    """What a wav file says of itself."""

    sample_rate: int  # Hz
    channels: int
    bits: int  # of one stored value
    form: int  # PCM, FLOAT, ALAW or MULAW
    start: int  # where the samples begin, in bytes
    frames: int  # values of each channel

    @property
    def frame_bytes(self) -> int:
        """Return the bytes of one value of every channel."""
        return self.channels * self.bits // 8

    @property
    def depth(self) -> str:
        """Return the kind of value in words."""
        return {PCM: f"{self.bits}-bit", FLOAT: f"{self.bits}-bit float", ALAW: "A-law", MULAW: "mu-law"}[self.form]


def read_wav_header(file: IO[bytes], name: str) -> WavHeader:
    """Return the header of a wav file that can be sought in.

    Raises UserError for anything that is no whole RIFF or RF64 wav of PCM, floats, A-law or mu-law.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    where = shown(name)
    if not size:
        raise UserError(f"{where}: the file is empty; replace it or leave it out.")
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE":
        what = "a big-endian RIFX file" if head[:4] == b"RIFX" else "no wav file (it does not begin with RIFF ... WAVE)"
        raise UserError(f"{where}: {what}; replace it, or {_AGAIN}.")
    said: tuple[int, ...] | None = None
    wide = 0
    at = 12
    while at + 8 <= size:
        file.seek(at)
        kind, length = struct.unpack("<4sI", file.read(8))
        if kind == b"ds64" and length >= 16:
            wide = struct.unpack("<8xQ", file.read(16))[0]
        elif kind == b"fmt ":
            said = _format(file.read(min(length, 40)), where)
        elif kind == b"data":
            if said is None:
                raise UserError(f"{where}: its samples come before their format (no fmt chunk); {_AGAIN}.")
            length = wide if length == _UNKNOWN and wide else length
            return _header(said, at + 8, length, size - at - 8, where)
        at += 8 + length + length % 2
    missing = "fmt chunk (the format of its samples)" if said is None else "data chunk (its samples)"
    raise UserError(f"{where}: {size:,} bytes without a {missing}: cut off or damaged; fetch it again.")


def _format(chunk: bytes, where: str) -> tuple[int, ...]:
    """Return (form, channels, rate, bits) of a fmt chunk. Raises UserError for what cannot be."""
    if len(chunk) < 16:
        raise UserError(f"{where}: its fmt chunk has {len(chunk)} of at least 16 bytes: damaged; fetch it again.")
    form, channels, rate, _, block, bits = struct.unpack("<HHIIHH", chunk[:16])
    if form == EXTENSIBLE:
        if len(chunk) < 40 or chunk[26:40] != _GUID:
            raise UserError(f"{where}: an extended format that is not known; {_AGAIN}.")
        form = struct.unpack("<H", chunk[24:26])[0]
    if form not in BITS:
        what = f"compressed as {COMPRESSED[form]}" if form in COMPRESSED else f"of the unknown format {form}"
        raise UserError(f"{where}: {what}, which is not read; {_AGAIN}.")
    if not 1 <= channels <= MAX_CHANNELS:
        raise UserError(
            f"{where}: says it has {channels} channels (1 to {MAX_CHANNELS} are read): damaged, or {_AGAIN}."
        )
    if not 1 <= rate <= MAX_RATE:
        raise UserError(
            f"{where}: says {rate:,} samples per second (1 to {MAX_RATE:,} are read): damaged, or {_AGAIN}."
        )
    stored = (
        block * 8 // channels if form == PCM and block % channels == 0 else bits
    )  # 20 bits lie in a container of 24
    if stored not in BITS[form] or block * 8 != channels * stored or not 0 < bits <= stored:
        raise UserError(
            f"{where}: {bits} bits in frames of {block} bytes for {channels} channels is not read; {_AGAIN}."
        )
    return form, channels, rate, stored


def _header(said: tuple[int, ...], start: int, length: int, there: int, where: str) -> WavHeader:
    """Check the length of the samples against what follows. Raises UserError naming both."""
    form, channels, rate, bits = said
    frame = channels * bits // 8
    if length == _UNKNOWN:
        raise UserError(f"{where}: its length was never written (a recording that was piped or broke off); {_AGAIN}.")
    if length > there:
        raise UserError(
            f"{where}: its header promises {length:,} bytes of samples ({length // frame / rate:.2f} s) and {there:,} "
            f"({there // frame / rate:.2f} s) are there: cut off; fetch it again or leave it out."
        )
    if not length:
        left = f" and {there:,} bytes follow" if there else ""
        raise UserError(f"{where}: holds no samples (its header says 0{left}); fetch it again or leave it out.")
    if length % frame:
        raise UserError(f"{where}: {length:,} bytes are no whole frames of {frame}: damaged; fetch it again.")
    return WavHeader(rate, channels, bits, form, start, length // frame)


def decode(raw: bytes, header: WavHeader) -> Wave:
    """Return stored values as [C, T] float32, full scale at 1; 16-bit values are divided by 32768, others likewise."""
    flat: NDArray[Any]
    if header.form == FLOAT:
        flat = np.frombuffer(raw, f"<f{header.bits // 8}").astype(np.float32)
    elif header.form in (ALAW, MULAW):
        flat = _law_table(header.form)[np.frombuffer(raw, np.uint8)]
    elif header.bits == 8:
        flat = (np.frombuffer(raw, np.uint8).astype(np.float32) - 128) / 128
    elif header.bits == 24:
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        flat = wide.view("<i4")[:, 0].astype(np.float32) / 2**31
    else:
        flat = np.frombuffer(raw, f"<i{header.bits // 8}").astype(np.float32) / 2 ** (header.bits - 1)
    return np.ascontiguousarray(flat.reshape(-1, header.channels).T)


def _law_table(form: int) -> Wave:
    """Return the 256 values of A-law or mu-law (ITU-T G.711), scaled to 16 bits and then to 1."""
    code = np.arange(256)
    if form == MULAW:
        code = code ^ 0xFF
        size = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
        return np.where(code & 0x80, -size, size).astype(np.float32) / 32768
    code = code ^ 0x55
    power, step = (code & 0x70) >> 4, (code & 0x0F) << 4
    size = np.where(power == 0, step + 8, (step + 0x108) << np.maximum(power - 1, 0))
    return np.where(code & 0x80, size, -size).astype(np.float32) / 32768


def encode(wave: Wave, depth: int) -> tuple[bytes, int]:
    """Return stored values of [C, T] and how many were clipped: integers are rounded, and hold -1 to 1."""
    values = np.ascontiguousarray(np.asarray(wave, np.float32).T)
    if depth == 32:
        return values.astype("<f4").tobytes(), 0
    full = 2.0 ** (depth - 1)
    clipped = int((np.abs(values) > 1).sum())
    whole = np.rint(np.nan_to_num(values.astype(np.float64)) * full).clip(-full, full - 1)
    if depth == 16:
        return whole.astype("<i2").tobytes(), clipped
    return whole.astype("<i4").view(np.uint8).reshape(*whole.shape, 4)[..., :3].tobytes(), clipped


class WavWriter:
    """Writes a wav piece by piece: 16 or 24 bits, or 32-bit floats; the file takes its name when it is whole.

    Use it in a `with`: an exception leaves nothing behind. `clipped` counts the values beyond full scale. A file of
    more than 4 GiB becomes RF64, for which 28 bytes are kept free at its head.
    """

    def __init__(self, path: str | Path, sample_rate: int, channels: int = 1, depth: int = 16) -> None:
        if depth not in DEPTHS or not 1 <= channels <= MAX_CHANNELS or not 1 <= sample_rate <= MAX_RATE:
            raise ValueError(f"a wav of {channels} channels, {sample_rate} Hz and {depth} bits cannot be written")
        self.path, self.sample_rate, self.channels, self.depth = Path(path), int(sample_rate), channels, depth
        self.frames = self.clipped = 0
        self._temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        self._file: IO[bytes] | None = self._try(self._open)
        self._head()

    def _open(self) -> IO[bytes]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self._temporary.open("w+b")

    def _try(self, act: Callable[[], Any]) -> Any:
        """Do something to the file. Raises UserError, and leaves nothing, if the disk refuses."""
        try:
            return act()
        except OSError as error:
            self.discard()
            raise UserError(
                f"{shown(self.path)}: cannot be written ({reason(error)}); choose another place."
            ) from error

    def _head(self) -> None:
        file, frame = self._file, self.channels * self.depth // 8
        assert file is not None
        size = self.frames * frame
        wide = 72 + size >= _FOUR_GIGABYTES
        space = struct.pack("<QQQI", 72 + size, size, self.frames, 0) if wide else bytes(_RESERVED)
        form = struct.pack(
            "<HHIIHH", FLOAT if self.depth == 32 else PCM, self.channels, self.sample_rate, self.sample_rate * frame,
            frame, self.depth,
        )  # fmt: skip
        whole = b"".join(
            (
                struct.pack(
                    "<4sI4s", b"RF64" if wide else b"RIFF", _UNKNOWN if wide else 72 + size + size % 2, b"WAVE"
                ),
                struct.pack("<4sI", b"ds64" if wide else b"JUNK", _RESERVED) + space,
                struct.pack("<4sI", b"fmt ", 16) + form,
                struct.pack("<4sI", b"data", _UNKNOWN if wide else size),
            )
        )
        self._try(lambda: (file.seek(0), file.write(whole)))

    def write(self, wave: Wave) -> None:
        """Add [C, n] or [n] values in [-1, 1]."""
        piece = wave if wave.ndim == 2 else wave[None]
        if piece.shape[0] != self.channels or self._file is None:
            raise ValueError(f"[{self.channels}, n] is expected by an open writer, not {list(piece.shape)}")
        raw, clipped = encode(piece, self.depth)
        file = self._file
        self._try(lambda: file.write(raw))
        self.clipped += clipped
        self.frames += piece.shape[1]

    def close(self) -> None:
        """Fix the header and give the file its name."""
        if self._file is None:
            return
        file = self._file
        if self.frames * self.channels * self.depth // 8 % 2:
            self._try(lambda: file.write(b"\0"))
        self._head()
        self._try(file.close)
        self._file = None
        self._try(lambda: os.replace(self._temporary, self.path))

    def discard(self) -> None:
        """Remove what was written."""
        file = getattr(self, "_file", None)
        with suppress(OSError):
            if file is not None:
                file.close()
            self._temporary.unlink(missing_ok=True)
        self._file = None

    def __enter__(self) -> WavWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
