"""Open 100 damaged or odd recordings, each beside two sound ones, and count what happens.

    python benchmarks/damaged_recordings.py [--seed 0] [--count 100]

Half are chosen cases: odd ones that must be read right (values compared), and broken ones that must be refused in one
sentence that names the file. The rest are flips, cuts and splices at random places, of which either is no fault: a wav
carries no checksum. Anything else, or more than five seconds, is a failure. Writes results/damaged_recordings.json and
exits with 1 on a failure. Files of flac and ogg are among them if soundfile is installed.
"""

from __future__ import annotations

import argparse
import gzip
import io
import signal
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import numpy as np
from numpy.typing import NDArray

from damaged import try_all
from gantlet.data.sounds import open_sounds
from gantlet.errors import UserError
from gantlet.media.audio import read_sound

LIMIT_SECONDS = 5
RESULTS = Path(__file__).parent / "results" / "damaged_recordings.json"
READ, REFUSED, EITHER = "read right", "refused", "either"
PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
Values = NDArray[np.float64]


class TimeUp(BaseException):
    """The time limit; no Exception, so that nothing takes it for a damaged file."""


@dataclass(frozen=True)
class Case:
    """A file, what must become of it, and the values [C, T] it holds, to this exactness."""

    name: str
    data: bytes
    wanted: str
    values: Values | None = None
    exact: float = 1e-6
    suffix: str = ".wav"


def tone(rate: int, channels: int, seconds: float = 0.25) -> Values:
    """Return soft tones [C, T], each channel another."""
    at = np.arange(int(rate * seconds)) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * 200 * (c + 1) * at + c) for c in range(channels)])


def stored(values: Values, bits: int, form: int = PCM) -> bytes:
    """Return values [C, T] as little-endian samples."""
    flat = np.ascontiguousarray(values.T)
    if form == FLOAT:
        return flat.astype("<f4" if bits == 32 else "<f8").tobytes()
    if bits == 8:
        return (np.rint(flat * 128) + 128).clip(0, 255).astype(np.uint8).tobytes()
    whole = np.rint(flat * 2.0 ** (bits - 1)).astype("<i8")
    return whole.view(np.uint8).reshape(*whole.shape, 8)[..., : bits // 8].tobytes()


def chunk(mark: bytes, data: bytes, size: int | None = None) -> bytes:
    """Return a RIFF chunk with its pad byte; `size` may lie."""
    return struct.pack("<4sI", mark, len(data) if size is None else size) + data + b"\0" * (len(data) % 2)


def head(form: int, channels: int, rate: int, bits: int, align: int | None = None) -> bytes:
    """Return a fmt chunk; an extensible one says so of itself."""
    frame = channels * bits // 8 if align is None else align
    sub, form = (form & 0xFF, EXTENSIBLE) if form > 0x100 else (0, form)
    fields = struct.pack("<HHIIHH", form, channels, rate, rate * frame % 2**32, frame % 2**16, bits)
    if form == EXTENSIBLE:
        fields += struct.pack("<HHIH", 22, bits, (1 << channels) - 1, sub)
        fields += bytes.fromhex("000000001000800000aa00389b71")
    return chunk(b"fmt ", fields)


def riff(*chunks: bytes, mark: bytes = b"RIFF", size: int | None = None) -> bytes:
    """Return a file of chunks; `size` may lie."""
    body = b"WAVE" + b"".join(chunks)
    return struct.pack("<4sI", mark, len(body) if size is None else size) + body


def wav(values: Values, rate: int, bits: int = 16, form: int = PCM) -> bytes:
    """Return a plain wav."""
    return riff(head(form, len(values), rate, bits), chunk(b"data", stored(values, bits, form & 0xFF)))


def odd() -> Iterator[Case]:
    """Yield recordings that are unusual and must be read right."""
    for bits, form, exact in ((8, PCM, 1 / 127), (16, PCM, 2e-5), (24, PCM, 1e-6), (32, PCM, 1e-6), (32, FLOAT, 1e-6),
                              (64, FLOAT, 1e-6)):  # fmt: skip
        kind = f"{bits}-bit {'float' if form == FLOAT else 'integer'}"
        yield Case(kind, wav(tone(8000, 1), 8000, bits, form), READ, tone(8000, 1), exact)
    for name, channels, rate, bits, form in (
        ("stereo", 2, 44_100, 16, PCM), ("5.1 extensible", 6, 48_000, 24, 0x100 | PCM), ("7.1", 8, 48_000, 16, PCM),
        ("96 kHz 24-bit", 2, 96_000, 24, 0x100 | PCM), ("192 kHz float", 1, 192_000, 32, 0x100 | FLOAT),
        ("11,025 Hz", 1, 11_025, 16, PCM), ("4 kHz", 1, 4000, 16, PCM),
    ):  # fmt: skip
        values = tone(rate, channels)
        yield Case(name, wav(values, rate, bits, form), READ, values, 2e-5)
    one, form = tone(8000, 1), head(PCM, 1, 8000, 16)
    data, samples = chunk(b"data", stored(one, 16)), stored(one, 16)
    yield Case("a LIST before the data", riff(form, chunk(b"LIST", b"INFOabc"), data), READ, one, 2e-5)
    yield Case("JUNK before the head", riff(chunk(b"JUNK", bytes(27)), form, data), READ, one, 2e-5)
    yield Case("chunks after the data", riff(form, data, chunk(b"id3 ", bytes(99))), READ, one, 2e-5)
    yield Case("an odd number of 8-bit values", wav(one[:, :1999], 8000, 8), READ, one[:, :1999], 1 / 127)
    yield Case("one sample", wav(one[:, 1:2], 8000), READ, one[:, 1:2], 2e-5)
    yield Case("a wrong size of the whole", riff(form, data, size=10), EITHER)
    yield Case("sizes unknown, as pipes write", riff(form, chunk(b"data", samples, 2**32 - 1), size=2**32 - 1), EITHER)
    sizes = struct.pack("<QQQI", 36 + 36 + len(samples), len(samples), one.shape[1], 0)
    large = riff(
        chunk(b"ds64", sizes), form, chunk(b"data", samples, 2**32 - 1), mark=b"RF64", size=2**32 - 1
    )  # fmt: skip
    yield Case("RF64", large, READ, one, 2e-5)
    yield Case("capital ending", wav(one, 8000), READ, one, 2e-5, ".WAV")
    loud = one * 3
    yield Case("floats beyond full scale", wav(loud, 8000, 32, FLOAT), READ, loud, 1e-6)
    codes = np.arange(256, dtype=np.uint8).tobytes() * 8
    yield Case("12 bits in 16", riff(head(PCM, 1, 8000, 12, 2), data), READ, one, 2e-5)
    yield Case("A-law", riff(head(A_LAW, 1, 8000, 8), chunk(b"data", codes)), EITHER)
    yield Case("mu-law", riff(head(MU_LAW, 1, 8000, 8), chunk(b"data", codes)), EITHER)
    if find_spec("soundfile"):
        yield from foreign()


def foreign() -> Iterator[Case]:
    """Yield files that soundfile reads, whole, cut and under a wrong ending."""
    import soundfile

    values = tone(16_000, 2)
    for kind, subtype, exact in (("flac", "PCM_16", 1e-4), ("flac", "PCM_24", 1e-5), ("ogg", "VORBIS", 0.3)):
        file = io.BytesIO()
        soundfile.write(file, values.T, 16_000, format=kind.upper(), subtype=subtype)
        data = file.getvalue()
        yield Case(f"{kind} {subtype}", data, READ, values, exact, f".{kind}")
        yield Case(f"{kind} {subtype} cut in half", data[: len(data) // 2], REFUSED, suffix=f".{kind}")
        yield Case(f"{kind} under the name of a wav", data, EITHER)
    yield Case("a wav under the name of a flac", wav(values, 16_000), EITHER, suffix=".flac")


def broken() -> Iterator[Case]:
    """Yield recordings that must be refused."""
    one = tone(8000, 1)
    samples, form, whole = stored(one, 16), head(PCM, 1, 8000, 16), wav(one, 8000)
    data, floats = chunk(b"data", samples), tone(8000, 1)
    for name, raw in {
        "empty": b"", "ten bytes": whole[:10], "a text": b"no sound at all\n" * 9, "zeros": bytes(4000),
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100), "RIFF but no WAVE": whole.replace(b"WAVE", b"AVI "),
        "gzipped": gzip.compress(whole, mtime=0), "an AIFF": b"FORM" + bytes(4) + b"AIFFCOMM" + bytes(99),
        "no head": riff(data), "no data": riff(form), "head cut short": whole[:30],
        "no values": riff(form, chunk(b"data", b"")), "cut in half": whole[: len(whole) // 2],
        "a byte short": whole[:-1],
        "data promise more": riff(form, chunk(b"data", samples, 10**6)),
        "half a sample too much": riff(head(PCM, 2, 8000, 16), chunk(b"data", samples[:-2])),
        "no channels": riff(head(PCM, 0, 8000, 16), data), "rate 0": riff(head(PCM, 1, 0, 16), data),
        "no bits": riff(head(PCM, 1, 8000, 0), data), "36 bits": riff(head(PCM, 1, 8000, 36, 5), data),
        "65,535 channels": riff(head(PCM, 65_535, 8000, 16), data), "4 GHz": riff(head(PCM, 1, 4 * 10**9, 16), data),
        "frames of another size": riff(head(PCM, 1, 8000, 16, 7), data), "ADPCM": riff(head(2, 1, 8000, 4, 256), data),
        "MPEG in a wav": riff(head(0x55, 1, 8000, 0, 1), data), "an unknown form": riff(head(0x77, 1, 8000, 16), data),
        "float of 16 bits": riff(head(FLOAT, 1, 8000, 16), data),
        "head of four bytes": riff(chunk(b"fmt ", bytes(4)), data),
        "RF64 without sizes": riff(form, chunk(b"data", samples, 2**32 - 1), mark=b"RF64"),
        "RF64 of exabytes": riff(
            chunk(b"ds64", struct.pack("<QQQI", 2**60, 2**60, 2**59, 0)), form, chunk(b"data", samples, 2**32 - 1),
            mark=b"RF64",
        ), "a chunk beyond the end": riff(chunk(b"LIST", b"x" * 8, 2**31), form, data),
    }.items():  # fmt: skip
        yield Case(name, raw, REFUSED)
    for name, value in {"NaN": np.nan, "infinity": np.inf, "1e30": 1e30}.items():
        spoilt = floats.copy()
        spoilt[0, 77] = value
        yield Case(f"{name} among floats", wav(spoilt, 8000, 32, FLOAT), REFUSED)


def at_random(count: int, rng: np.random.Generator) -> Iterator[Case]:
    """Yield wavs with random damage, most of it in the head."""
    for index in range(count):
        values = tone(8000, 1 + index % 2)
        raw = bytearray(wav(values, 8000, (8, 16, 24, 32)[index % 4]))
        way = ("flip in the head", "flip", "cut", "splice", "longer")[int(rng.choice(5, p=[0.5, 0.1, 0.2, 0.1, 0.1]))]
        at = int(rng.integers(0, 44 if "head" in way else len(raw)))
        if way.startswith("flip"):
            raw[at] ^= 1 << int(rng.integers(0, 8))
        elif way == "cut":
            del raw[at:]
        elif way == "splice":
            raw[at : at + 40] = rng.integers(0, 256, 40, dtype=np.uint8).tobytes()[: len(raw) - at]
        else:
            raw += rng.integers(0, 256, 300, dtype=np.uint8).tobytes()
        yield Case(f"{way} at {at}", bytes(raw), REFUSED if way == "cut" else EITHER)


def attempt(case: Case, folder: Path) -> tuple[str, str]:
    """Open a folder with the recording and two others under the time limit; return the outcome and what was said."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeUp

    path = folder / f"case{case.suffix}"
    path.write_bytes(case.data)
    for name in ("a", "b"):
        (folder / f"{name}.wav").write_bytes(wav(tone(8000, 1) * (0.5 if name == "a" else 0.9), 8000))
    signal.signal(signal.SIGALRM, ring)
    signal.alarm(LIMIT_SECONDS)
    try:
        sounds = open_sounds(folder)
        if len(sounds) != 3:
            return "failure: lost without a word", "; ".join(sounds.notes)
        return compare(case, path)
    except UserError as error:
        said = str(error)
        if not said.isprintable() or path.name not in said:
            return "failure: not one line that names the file", said
        return ("refused" if case.wanted != READ else "failure: refused"), said
    except TimeUp:
        return "failure: time", f"more than {LIMIT_SECONDS} s"
    except Exception as error:  # the very thing that is counted
        return f"failure: {type(error).__name__}", str(error)
    finally:
        signal.alarm(0)


def compare(case: Case, path: Path) -> tuple[str, str]:
    """Return whether a recording that could be opened should have been, and holds the values it should."""
    found, rate = read_sound(path)
    said = f"{list(found.shape)} at {rate:,} Hz"
    if case.wanted == REFUSED:
        return "failure: accepted", said
    if case.values is None:
        return "read", said
    if found.shape != case.values.shape:
        return "failure: another shape", said
    apart = float(np.abs(found - case.values).max())
    return ("read" if apart <= case.exact else "failure: other values"), f"{said}, at most {apart:.2g} off"


def main() -> int:
    """Try all cases; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    chosen = [*odd(), *broken()]
    cases = [*chosen, *at_random(max(options.count - len(chosen), 0), np.random.default_rng(options.seed))]
    return try_all(cases, attempt, "recordings", options.seed, RESULTS)


if __name__ == "__main__":
    sys.exit(main())
