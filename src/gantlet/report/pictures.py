"""Pictures inside a page: files as data URIs of a bounded size."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

_PNG_KINDS = ("1", "L", "RGB")
_MOST_PNG_PIXELS = 160_000
_MOST_PIXELS = 50_000_000  # of a picture that is read at all


@dataclass(frozen=True)
class Picture:
    """A picture ready for a page, and whether its pixels are few enough to be shown as squares."""

    uri: str
    width: int
    height: int
    coarse: bool


def load_picture(path: Path, largest: int, most_bytes: int) -> Picture | None:
    """Return a picture no longer than `largest` pixels and no heavier than `most_bytes`; None if unreadable."""
    try:
        # Only what a run writes: among Pillow's other formats are some that start programs (EPS) or fill memory.
        with Image.open(path, formats=("PNG",)) as file:
            if file.width * file.height > _MOST_PIXELS:
                return None
            file.load()
            image = file if file.mode in _PNG_KINDS else _flat(file)
            small = image.copy()
    except Exception:  # what Pillow raises for damaged files is nearly everything
        return None
    small.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    kind, content = _encode(small, most_bytes)
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
    return Picture(uri, small.width, small.height, coarse=max(small.size) < 400)


def load_animation(path: Path, most_bytes: int) -> Picture | None:
    """Return an animated GIF as it is; None if there is none, it is unreadable, or heavier than `most_bytes`."""
    try:
        if path.stat().st_size > most_bytes:
            return None
        content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=("GIF",)) as file:
            width, height = file.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    uri = f"data:image/gif;base64,{base64.b64encode(content).decode('ascii')}"
    return Picture(uri, width, height, coarse=max(width, height) < 400)


def _flat(image: Image.Image) -> Image.Image:
    """Return an image with transparency or a palette in RGB on white."""
    if "A" not in image.mode and "transparency" not in image.info:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def _encode(image: Image.Image, most_bytes: int) -> tuple[str, bytes]:
    """Return PNG while it is small and light enough, else JPEG of falling quality, else a smaller picture."""
    content = io.BytesIO()
    if image.width * image.height <= _MOST_PNG_PIXELS:
        image.save(content, format="PNG")
        if content.tell() <= most_bytes:
            return "png", content.getvalue()
    for quality in (90, 80, 65):
        content = io.BytesIO()
        image.convert("RGB").save(content, format="JPEG", quality=quality, optimize=True)
        if content.tell() <= most_bytes:
            return "jpeg", content.getvalue()
    if min(image.size) < 2:
        return "jpeg", content.getvalue()
    return _encode(image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS), most_bytes)
