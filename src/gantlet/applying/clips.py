"""`gantlet apply` with a model of pictures on clips: frame after frame, of any length.

Memory is constant but for .webp and .npz, whose frames are held until all are there.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.applying.inputs import in_order
from gantlet.applying.pictures import translate
from gantlet.applying.translator import Translator, translator
from gantlet.errors import UserError
from gantlet.media import film
from gantlet.media.clip import ANIMATIONS, SUFFIXES, WRITABLE, ClipWriter, Reel, check_clip_name, open_clip
from gantlet.media.foreign import shown
from gantlet.media.picture import READABLE, Picture, suffix_of
from gantlet.model import Model
from gantlet.report.status import Standing, Status, choose_status

UNKNOWN_RATE = 10.0  # frames a second, where a file does not say


@dataclass
class ClipsDone:
    """What a run did: clips, frames, those it made a second, and notes."""

    files: int = 0
    frames: int = 0
    took: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Frames made per second of the clock."""
        return self.frames / max(self.took, 1e-9)


def takes(source: Path, out: Path) -> bool:
    """Tell whether an input is a clip, or a folder of such, that this module takes.

    A folder is one if it holds a video, or an animated .webp and no pictures of other kinds. A .gif into a .gif or a
    folder is one, or pictures with several frames (applying/pictures.py), where more is asked for than a clip of
    results.
    """
    if source.is_dir():
        files = [each for each in source.rglob("*") if not each.name.startswith(".")]
        kinds = {suffix_of(each) for each in files}
        if kinds & set(film.SUFFIXES):
            return True
        stills = kinds & (set(READABLE) - set(ANIMATIONS))
        return not stills and any(_moves(each) for each in files if suffix_of(each) == ".webp")
    suffix = source.suffix.lower()
    if suffix in film.SUFFIXES:
        return True
    if suffix not in SUFFIXES or not source.is_file():
        return False
    try:
        several = (open_clip(source, suffix, source).count or 0) > 1
    except UserError:
        return out.suffix.lower() in WRITABLE and out.suffix.lower() != ".npz"
    return several


def _moves(path: Path) -> bool:
    """Tell whether a .webp is an animation."""
    with suppress(UserError):
        return (open_clip(path, ".webp", path).count or 0) > 1
    return False


def apply_clips(
    model: Model,
    source: str | Path,
    out: Path,
    *,
    strength: float | None = None,
    tile: int | None = None,
    quiet: bool = True,
    **options: Any,
) -> ClipsDone:
    """Apply a model of pictures to the frames of a clip, or of all clips in a folder; size, times and order are kept.

    `out` is a .gif, .webp, .mp4, .webm or .npz, or a folder, where each clip keeps its name and kind (.gif where that
    cannot be written). Sound is left aside.

    Raises UserError for what does not fit: unreadable clips, options, places.
    """
    run = translator(model, strength=strength, tile=tile, **options)
    source, out = Path(source), Path(out)
    reels = [(path, open_clip(path, path.suffix.lower(), path)) for path in _files(source)]
    places = [_place(path, source, out) for path, _ in reels]
    for place in places:
        check_clip_name(place)
    if twice := [place for place, times in Counter(places).items() if times > 1]:
        name = shown(twice[0].relative_to(out).with_suffix(""))
        raise UserError(f"INPUT {shown(source)} holds {name} twice, in two kinds; leave one of them.")
    done, status = ClipsDone(), choose_status(quiet)
    total = sum(reel.count or 0 for _, reel in reels)
    began = time.monotonic()
    status.start(f"{model.about['recipe']} on {shown(source)}")
    try:
        for (_, reel), place in zip(reels, places):
            with ClipWriter(place, reel.rate or UNKNOWN_RATE) as writer:
                for number, frame in enumerate(frames_of(run, reel)):
                    writer.write(frame, None if reel.times is None else reel.times[number])
                    done.frames += 1
                    _tell(status, done.frames, total, began)
            done.files += 1
            done.notes += [f"{reel.name}: {note}" for note in reel.notes]
    finally:
        status.stop()
    done.took = time.monotonic() - began
    return done


def frames_of(run: Translator, reel: Reel) -> Iterator[NDArray[np.uint8]]:
    """Yield what becomes of the frames of a reel, [H', W', 1 or 3] uint8."""
    for frame in reel.frames():
        made = translate(run, Picture(frame[None]), reel.name).made.pixels[0]
        if made.dtype != np.uint8 or made.shape[2] not in (1, 3):
            raise UserError(
                f"{reel.name}: the model makes {made.shape[2]} channels of {made.dtype}, and a clip holds 8-bit grey "
                "or colour; apply it to a folder of frames."
            )
        yield made


def _tell(status: Status, frames: int, total: int, began: float) -> None:
    seconds = max(time.monotonic() - began, 1e-9)
    fraction = min(frames / total, 1.0) if total else 0.0
    left = seconds * (1 - fraction) / fraction if fraction else None
    status.update(Standing(fraction, frames, frames / seconds, left))


def _files(source: Path) -> list[Path]:
    """Return the clips of a file or folder. Raises UserError if there is none."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise UserError(f"INPUT {shown(source)} does not exist; give a clip or a folder of clips.")
    found = [each for each in source.rglob("*") if each.suffix.lower() in SUFFIXES and not each.name.startswith(".")]
    if not found:
        raise UserError(f"INPUT {shown(source)} holds no clip ({', '.join(SUFFIXES)}).")
    return sorted(found, key=lambda each: in_order(str(each.relative_to(source))))


def _place(path: Path, source: Path, out: Path) -> Path:
    """Return where the result of a clip goes. Raises UserError if it would lie over its input."""
    folder = out.is_dir() or not out.suffix
    if source.is_dir() and not folder:
        raise UserError(f"--out {shown(out)} is one file and INPUT a folder of clips; give a folder.")
    place = out
    if folder:
        name = path.relative_to(source) if source.is_dir() else Path(path.name)
        place = out / (name if path.suffix.lower() in WRITABLE else name.with_suffix(".gif"))
    if place.resolve() == path.resolve():
        raise UserError(f"--out {shown(out)} would write over INPUT; choose another place.")
    return place
