"""Open damaged or odd clips, each beside two sound ones, and count what happens.

    python benchmarks/damaged_clips.py [--seed 0] [--count 120]

Half are chosen cases: odd ones that must be read right (values compared), and broken ones that must be refused in one
sentence that names the file; for each the two sound clips must still be there with --skip-broken. The rest are flips,
cuts and splices at random places, of which either is no fault: a GIF carries no checksum. Anything else, or more than
five seconds, is a failure. Writes results/damaged_clips.json and exits with 1 on a failure. Video files are among them
if PyAV is installed.
"""

from __future__ import annotations

import argparse
import io
import signal
import struct
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from damaged import try_all
from gantlet.data import open_clips
from gantlet.errors import UserError
from gantlet.media import film
from gantlet.media.clip import write_clip

LIMIT_SECONDS = 5
RESULTS = Path(__file__).parent / "results" / "damaged_clips.json"
READ, REFUSED, EITHER = "read right", "refused", "either"
Frames = NDArray[np.uint8]


class TimeUp(BaseException):
    """The time limit; no Exception, so that nothing takes it for a damaged file."""


@dataclass(frozen=True)
class Case:
    """A file (or the files of a folder of frames, by name), what must become of it, and the frames it holds."""

    name: str
    data: bytes | dict[str, bytes]
    wanted: str
    frames: Frames | None = None
    exact: float = 0  # grey levels that values may be off
    suffix: str = ".gif"


def moving(frames: int = 8, height: int = 16, width: int = 16, channels: int = 1, seed: int = 0) -> Frames:
    """A bright square that walks over a slope, of few colours."""
    out = np.zeros((frames, height, width, channels), np.uint8)
    out[:] = (6 * np.arange(width))[None, None, :, None]
    for t in range(frames):
        out[t, 4:8, (t + seed) % (width - 4) : (t + seed) % (width - 4) + 4] = 250 - 30 * np.arange(channels)
    return out


def written(frames: Frames, suffix: str, rate: float = 10.0) -> bytes:
    """Return the file of a clip."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"clip{suffix}")
        write_clip(path, frames, rate)
        return path.read_bytes()


def png(frame: NDArray[Any], kind: str = "PNG") -> bytes:
    """Return the file of a picture."""
    buffer = io.BytesIO()
    Image.fromarray(frame[..., 0] if frame.ndim == 3 and frame.shape[2] == 1 else frame).save(buffer, kind)
    return buffer.getvalue()


def numbered(frames: Frames) -> dict[str, bytes]:
    """Return the files of a folder of frames."""
    return {f"frame{t}.png": png(frame) for t, frame in enumerate(frames)}


def pillow_gif(frames: Frames, **options: Any) -> bytes:
    """Return a GIF as Pillow writes it: with parts of frames, a common palette and so on."""
    images = [Image.fromarray(frame[..., 0]) for frame in frames]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], **options)
    return buffer.getvalue()


def odd() -> Iterator[Case]:
    """Yield what is unusual and right."""
    plain, colour = moving(), moving(channels=3)
    yield Case("gif of our own", written(plain, ".gif"), READ, plain)
    yield Case("gif in colour", written(colour, ".gif"), READ, colour)
    yield Case("gif of parts of frames", pillow_gif(plain, optimize=True), READ, plain)
    yield Case("gif that restores the ground", pillow_gif(plain, disposal=2), READ, plain)
    yield Case("gif without delays", pillow_gif(plain, duration=0), READ, plain)
    yield Case("gif with a comment", _with_comment(written(plain, ".gif")), READ, plain)
    yield Case("gif with bytes after its end", written(plain, ".gif") + b"and more", READ, plain)
    yield Case("webp", written(plain, ".webp"), READ, plain, suffix=".webp")
    yield Case("folder of frames", numbered(plain), READ, plain)
    yield Case("folder of more than ten frames", numbered(moving(12)), READ, moving(12))
    yield Case("folder with one frame in colour", {**numbered(plain), "frame3.png": png(colour[3] * 0 + plain[3])},
               READ, plain)  # fmt: skip
    if film.there():
        for suffix in (".mp4", ".webm"):
            large = moving(12, 32, 32, 3)
            yield Case(f"video {suffix}", written(large, suffix), READ, large, 60, suffix)


def _with_comment(data: bytes) -> bytes:
    at = data.index(b"!\xff")
    return data[:at] + b"!\xfe\x05hello\x00" + data[at:]


def broken() -> Iterator[Case]:
    """Yield what must be refused."""
    data, size = written(moving(), ".gif"), struct.Struct("<HH")
    yield Case("empty file", b"", REFUSED)
    yield Case("text", b"this is no clip at all\n" * 20, REFUSED)
    yield Case("gif of no frames", data[:13] + b";", REFUSED)
    yield Case("gif header alone", data[:13], REFUSED)
    yield Case("gif without its end", data[:-1], REFUSED)
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        yield Case(f"gif cut at {share:.0%}", data[: int(share * len(data))], REFUSED)
    yield Case("gif of 65535 x 65535", data[:6] + size.pack(65535, 65535) + data[10:], REFUSED)
    yield Case("gif of 0 x 0", data[:6] + size.pack(0, 0) + data[10:], REFUSED)
    yield Case("gif of 200,000 frames", _many(200_000), REFUSED)
    yield Case("gif with a damaged mark", data[:32] + b"\x99" + data[33:], REFUSED)
    yield Case("webp cut in the middle", written(moving(), ".webp")[:-200], REFUSED, suffix=".webp")
    yield Case("webp with a false length", b"RIFF\xff\xff\xff\x7f" + written(moving(), ".webp")[8:], REFUSED,
               suffix=".webp")  # fmt: skip
    frames = numbered(moving())
    yield Case("frames of two sizes", {**frames, "frame5.png": png(moving(1, 20, 16)[0])}, REFUSED)
    yield Case("frames with a cut one", {**frames, "frame5.png": frames["frame5.png"][:60]}, REFUSED)
    yield Case("frames with an empty one", {**frames, "frame0.png": b""}, REFUSED)
    yield Case("frames of 16 bits", {name: png(np.full((16, 16), 999 * n, np.uint16)) for n, name in enumerate(frames)},
               REFUSED)  # fmt: skip
    if film.there():
        for suffix in (".mp4", ".webm"):
            video = written(moving(24, 32, 32, 3), suffix)
            for share in (0.2, 0.6, 0.9):
                yield Case(f"{suffix} cut at {share:.0%}", video[: int(share * len(video))], REFUSED, suffix=suffix)
            yield Case(f"empty {suffix}", b"", REFUSED, suffix=suffix)
            yield Case(f"a gif called {suffix}", data, REFUSED, suffix=suffix)
            yield Case(f"a playlist called {suffix}", b"#EXTM3U\nfile:///etc/passwd\n", REFUSED, suffix=suffix)


def _many(count: int) -> bytes:
    """Return a GIF of very many frames of a pixel."""
    one = b"!\xf9\x04\x00\x05\x00\x00\x00" + b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00"
    return b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff" + one * count + b";"


def at_random(count: int, rng: np.random.Generator) -> Iterator[Case]:
    """Yield sound clips with damage at a random place."""
    files = [(written(moving(seed=1), ".gif"), ".gif"), (written(moving(seed=1), ".webp"), ".webp")]
    if film.there():
        files.append((written(moving(12, 32, 32, 3), ".mp4"), ".mp4"))
    for number in range(count):
        data, suffix = files[number % len(files)]
        raw, at = bytearray(data), int(rng.integers(0, len(data)))
        way = ("flip", "cut", "splice")[number // len(files) % 3]
        if way == "flip":
            raw[at] ^= 1 << int(rng.integers(0, 8))
        elif way == "cut":
            del raw[at:]
        else:
            raw[at : at + 40] = rng.integers(0, 256, 40, dtype=np.uint8).tobytes()[: len(raw) - at]
        yield Case(f"{suffix} {way} at {at}", bytes(raw), REFUSED if way == "cut" else EITHER, suffix=suffix)


def lay(case: Case, folder: Path) -> Path:
    """Write the clip and two sound ones beside it; return the clip's place."""
    if isinstance(case.data, dict):
        for name in ("a", "b"):
            write_clip(folder / name, moving(seed=len(name)), 10)
        (folder / "case").mkdir()
        for file, data in case.data.items():
            (folder / "case" / file).write_bytes(data)
        return folder / "case"
    for number, name in enumerate(("a", "b")):
        write_clip(folder / f"{name}.gif", moving(seed=3 + number), 10)
    path = folder / f"case{case.suffix}"
    path.write_bytes(case.data)
    return path


def attempt(case: Case, folder: Path) -> tuple[str, str]:
    """Open the clip among others under the time limit; return the outcome and what was said."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeUp

    path = lay(case, folder)
    signal.signal(signal.SIGALRM, ring)
    signal.alarm(LIMIT_SECONDS)
    try:
        clips = open_clips(folder, num_frames=1)
        if len(clips) != 3:
            return "failure: lost without a word", "; ".join(clips.notes)
        return compare(case, path)
    except UserError as error:
        said = str(error)
        if not said.isprintable() or path.name not in said:
            return "failure: not one line that names the file", said
        if len(open_clips(folder, num_frames=1, skip_broken=True)) != 2:
            return "failure: the others are lost", said
        return ("refused" if case.wanted != READ else "failure: refused"), said
    except TimeUp:
        return "failure: time", f"more than {LIMIT_SECONDS} s"
    except Exception as error:  # the very thing that is counted
        return f"failure: {type(error).__name__}", str(error)
    finally:
        signal.alarm(0)


def compare(case: Case, path: Path) -> tuple[str, str]:
    """Return whether a clip that could be opened should have been, and holds the frames it should."""
    found = open_clips(path).shots[0]
    said = f"{list(found.shape)}"
    if case.wanted == REFUSED:
        return "failure: accepted", said
    if case.frames is None:
        return "read", said
    if found.shape != case.frames.shape:
        return "failure: another shape", said
    apart = int(np.abs(found.astype(int) - case.frames).max())
    return ("read" if apart <= case.exact else "failure: other values"), f"{said}, at most {apart} off"


def archives() -> Iterator[Case]:
    """Yield zips, each of a sound clip alone, that are damaged themselves."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.gif", written(moving(), ".gif"))
    data = buffer.getvalue()
    yield Case("zip", data, READ, moving(), suffix=".zip")
    yield Case("cut zip", data[:-40], REFUSED, suffix=".zip")
    yield Case("zip with a damaged member", data[:200] + b"\x00\x01\x02" + data[203:], REFUSED, suffix=".zip")


def attempt_alone(case: Case, folder: Path) -> tuple[str, str]:
    """Open an archive by itself; return the outcome and what was said."""
    path = folder / f"case{case.suffix}"
    assert isinstance(case.data, bytes)
    path.write_bytes(case.data)
    try:
        return compare(case, path)
    except UserError as error:
        said = str(error)
        good = said.isprintable() and path.name in said and case.wanted != READ
        return ("refused" if good else "failure: refused"), said
    except Exception as error:  # the very thing that is counted
        return f"failure: {type(error).__name__}", str(error)


def main() -> int:
    """Try all cases; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=120)
    options = parser.parse_args()
    chosen, packed = [*odd(), *broken()], [*archives()]
    left = max(options.count - len(chosen) - len(packed), 0)
    cases = [*chosen, *packed, *at_random(left, np.random.default_rng(options.seed))]

    def by_itself(case: Case, folder: Path) -> tuple[str, str]:
        return (attempt_alone if case.suffix == ".zip" else attempt)(case, folder)

    return try_all(cases, by_itself, "clips", options.seed, RESULTS)


if __name__ == "__main__":
    sys.exit(main())
