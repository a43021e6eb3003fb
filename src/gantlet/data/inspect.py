"""What a source holds, what is odd about it, and what training would make of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gantlet.data.arrays import Table
from gantlet.data.files import Entry
from gantlet.data.images import ImageData
from gantlet.data.inspect_clips import ClipInspection, inspect_clips
from gantlet.data.inspect_sounds import SoundInspection, inspect_sounds
from gantlet.data.inspect_text import TextInspection, inspect_text
from gantlet.data.intensity import Intensity
from gantlet.data.oddities import few, repeated, table, tally, uneven
from gantlet.data.pictures import Progress, check_finite
from gantlet.data.recordings import holds_sounds
from gantlet.data.shape import Pixels, Shape, check_resolution, common_shape
from gantlet.data.shots import holds_clips
from gantlet.data.sources import Arrays, Pictures, opened
from gantlet.data.splits import SPLITS, NoSuchSplit, check_split, choose_split, listing
from gantlet.data.texts import holds_text
from gantlet.errors import UserError
from gantlet.media.foreign import shown
from gantlet.media.image import Header, read_header, read_image


@dataclass
class Inspection:
    """What was found; `odd` holds plain sentences, the other fields what they rest on."""

    name: str
    kind: str  # "folder of pictures", "idx files", ...
    split: str
    splits: list[str]
    count: int = 0  # pictures of this split, broken ones included
    sizes: dict[str, int] = field(default_factory=dict)  # "32x32" (height x width) -> pictures
    modes: dict[str, int] = field(default_factory=dict)  # "grey, uint8" -> pictures
    classes: dict[str, int] = field(default_factory=dict)  # class -> pictures
    duplicates: list[list[str]] = field(default_factory=list)  # groups of pictures with the very same pixels
    broken: dict[str, str] = field(default_factory=dict)  # file -> what is wrong with it
    constant: list[str] = field(default_factory=list)  # pictures of one colour
    values: tuple[float, float] | None = None  # smallest and largest raw value
    odd: list[str] = field(default_factory=list)
    training: dict[str, Any] = field(default_factory=dict)  # resolution, channels, num_classes, intensity, count

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain dicts and lists."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return a report for people, one plain line each."""
        parts = f"{self.split} part of {', '.join(self.splits)}" if len(self.splits) > 1 else "one part"
        out = [f"{self.name}: {self.kind}, {self.count:,} pictures ({parts})"]
        out.append(f"sizes: {table(self.sizes)}")
        out.append(f"kinds: {table(self.modes)}")
        if self.values is not None:
            out.append(f"values: {self.values[0]:g} to {self.values[1]:g}")
        out.append(f"classes: {table(self.classes, 12)}" if self.classes else "classes: no labels")
        out += [f"odd: {sentence}" for sentence in self.odd] or ["odd: nothing"]
        out += [f"broken: {sentence}" for sentence in self.broken.values()]
        out += [f"same pixels: {listing(group, 6)}" for group in self.duplicates[:20]]
        if self.training:
            side = self.training["resolution"]
            size = f"{side}x{side}" if isinstance(side, int) else f"{side[0]}x{side[1]}"
            unit = self.training["intensity"]
            out.append(
                f"training sees: {self.training['count']:,} pictures of {size}, channels: {self.training['channels']}, "
                f"{unit['dtype']} {unit['low']:g} to {unit['high']:g} mapped to -1 to 1"
            )
        return out


def inspect(
    source: str | Path,
    *,
    split: str = "train",
    resolution: int | tuple[int, int] | None = None,
    labels: str | Path | None = None,
    label_pattern: str | None = None,
    clips: bool = False,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Inspection | SoundInspection | TextInspection | ClipInspection:
    """Look at every picture of one split: what is there, what is odd, what training would do. Writes no cache.

    The arguments are those of `open_images`; broken pictures are listed instead of refused. A source of recordings is
    listened to instead, with the classes that `label_pattern` finds in the names; text is read, clips are watched; with
    `clips` folders of frames and film strips are, too.

    Raises:
        UserError: as `open_images`, except for broken pictures.
    """
    check_split(split)
    size = check_resolution(resolution)
    if clips or holds_clips(source):
        if label_pattern is not None:
            raise UserError("--label-pattern is for recordings; give --labels, or folders.")
        return inspect_clips(source, split=split, resolution=resolution, labels=labels, progress=progress)
    if holds_text(source):
        if size is not None or labels is not None or label_pattern is not None:
            raise UserError(f"{shown(source)}: holds text, without --resolution, --labels and --label-pattern.")
        return inspect_text(source, split=split)
    if holds_sounds(source):
        if size is not None:
            raise UserError(f"{shown(source)}: holds recordings, which have no --resolution; leave it out.")
        return inspect_sounds(source, split=split, labels=labels, label_pattern=label_pattern, progress=progress)
    if label_pattern is not None:
        raise UserError("--label-pattern is for recordings; give --labels, or folders.")
    with opened(source, labels, cache, progress) as found:
        if isinstance(found, Pictures):
            return _inspect_pictures(found, split, size, progress)
        return _inspect_arrays(found, split, size)


class _Looks:
    """Gathers what single pictures show: repeats, constant ones, the range of values."""

    def __init__(self) -> None:
        self.names: dict[bytes, list[str]] = {}
        self.constant: list[str] = []
        self.low = np.inf
        self.highs: dict[str, float] = {}  # of the pictures of each dtype

    def add(self, name: str, pixels: Pixels) -> None:
        """Take one picture [H, W, C] into account."""
        head = f"{pixels.dtype.name}{pixels.shape}".encode()
        digest = hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).digest()
        self.names.setdefault(digest, []).append(name)
        low, high = float(pixels.min()), float(pixels.max())
        self.low = min(self.low, low)
        self.highs[pixels.dtype.name] = max(self.highs.get(pixels.dtype.name, high), high)
        if low == high or (pixels == pixels[:1, :1]).all():
            self.constant.append(name)

    def highest(self, dtype: str) -> float:
        """Return the largest value once all pictures are of this dtype: 8 bits become 16 times 257."""
        scales = {own: 257 if (own, dtype) == ("uint8", "uint16") else 1 for own in self.highs}
        return max(high * scales[own] for own, high in self.highs.items())

    def into(self, out: Inspection) -> None:
        """Write the findings."""
        out.duplicates = [sorted(group) for group in self.names.values() if len(group) > 1]
        out.constant = sorted(self.constant)
        out.values = (self.low, max(self.highs.values())) if self.names else None


def _inspect_pictures(
    found: Pictures, split: str, size: tuple[int, int] | None, progress: Progress | None
) -> Inspection:
    files, layout = found.files, found.layout
    part = layout.parts[choose_split(str(files.path), split, layout.parts)]
    out = Inspection(found.name, found.kind, split, list(layout.parts), len(part.entries))
    looks, headers = _Looks(), dict[int, Header]()
    for done, (index, entry, data) in enumerate(files.read_all(enumerate(part.entries)), 1):
        try:
            headers[index] = _look(looks, files.shown(entry), entry, data)
        except UserError as error:
            out.broken[entry.name] = str(error)
        if progress is not None:
            progress(done, len(part.entries))
    looks.into(out)
    out.sizes = tally(f"{header.height}x{header.width}" for header in headers.values())
    out.modes = tally(f"{_colour(header.channels)}, {header.dtype} ({header.mode})" for header in headers.values())
    if part.labels is not None:
        counts = Counter(part.labels)
        out.classes = {shown(name): counts[name] for name in layout.classes}
    if headers:
        try:
            shape = common_shape(list(headers.values()), size, shown(files.path))
        except UserError as error:
            out.odd.append(str(error))
        else:
            out.training = _training(shape, looks, len(headers), len(out.classes))
    dtype = str(out.training["intensity"]["dtype"]) if out.training else ""
    out.odd += [*layout.notes, *_oddities(out, looks.highest(dtype) if dtype else None)]
    return out


def _look(looks: _Looks, name: str, entry: Entry, data: bytes | UserError) -> Header:
    if isinstance(data, UserError):
        raise data
    header = read_header(data, name)
    looks.add(entry.name, check_finite(read_image(data, name), name))
    return header


def _training(shape: Shape, looks: _Looks, count: int, num_classes: int) -> dict[str, Any]:
    intensity = Intensity.of(np.array([looks.low, looks.highest(shape.dtype)]).astype(shape.dtype))
    side = shape.height if shape.height == shape.width else [shape.height, shape.width]
    facts = {"resolution": side, "channels": shape.channels, "num_classes": num_classes}
    return {**facts, "count": count, "intensity": intensity.to_json()}


def _inspect_arrays(found: Arrays, split: str, size: tuple[int, int] | None) -> Inspection:
    there = [name for name in SPLITS if name == split or _has(found.load, name)]
    table = found.load(split)
    pixels = table.pixels
    count, height, width, channels = pixels.shape
    out = Inspection(found.name, found.kind, split, there, count)
    looks = _Looks()
    for index, picture in enumerate(pixels):
        looks.add(str(index), picture)
    looks.into(out)
    out.sizes = {f"{height}x{width}": count}
    out.modes = {f"{_colour(channels)}, {pixels.dtype.name}": count}
    data = ImageData("", split, pixels, table.labels, table.classes, table.intensity or Intensity.of(pixels), "")
    out.classes = dict(zip(table.classes, data.class_counts()))
    facts = data.facts()
    if size is not None:
        facts["resolution"] = size[0] if size[0] == size[1] else list(size)
    out.training = {**facts, "count": count, "intensity": data.intensity.to_json()}
    out.odd = [*found.notes, *_oddities(out, out.values[1] if out.values else None)]
    return out


def _has(load: Callable[[str], Table], split: str) -> bool:
    try:
        load(split)
    except NoSuchSplit:
        return False
    except UserError:
        return True
    return True


def _oddities(out: Inspection, highest: float | None) -> list[str]:
    """Return one sentence for each thing that a person should know before training; `highest` is the largest value."""
    odd = []
    if out.broken:
        odd.append(f"{len(out.broken):,} of {out.count:,} pictures cannot be read; --skip-broken leaves them out")
    if len(out.sizes) > 1:
        odd.append(f"{len(out.sizes):,} different sizes: pictures are cropped at their centre and resized")
    side = out.training.get("resolution", 0)
    if max(side if isinstance(side, list) else [side]) > 64:
        odd.append(
            "large: training without a GPU scales the longer side to 64 pixels unless --resolution says otherwise"
        )
    if len(out.modes) > 1:
        odd.append("different kinds of pictures: all are brought to the richest, transparency onto black")
    odd += repeated(out.duplicates, "pictures", "the pixels of another exactly")
    if out.constant:
        odd.append(f"{len(out.constant):,} pictures are of one colour ({listing(out.constant, 3)})")
    odd += uneven([count for count in out.classes.values() if count], "pictures")
    empty = [name for name, count in out.classes.items() if not count]
    if empty:
        odd.append(f"{len(empty):,} classes have no picture here ({listing(empty)})")
    unit = out.training.get("intensity")
    if unit and highest is not None and highest < unit["low"] + 0.25 * (unit["high"] - unit["low"]):
        odd.append(f"values reach only {highest:g} of {unit['high']:g}: pictures will look dark")
    odd += few(out.count, "pictures")
    return odd


def _colour(channels: int) -> str:
    return {1: "grey", 3: "RGB", 4: "RGBA"}.get(channels, f"{channels} channels")
