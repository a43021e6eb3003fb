"""A hundred inputs of `gantlet apply` that are wrong, odd, or look wrong: how each is made and what may become of it.

A case writes its files into an empty folder and returns the words after RUN. Where it says "make", a result of the
input's size is due; "refuse", exit code 2 with one sentence; "either", one of both.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 30, 40
Make = Callable[[Path], list[str]]


@dataclass(frozen=True)
class Case:
    """One call: the model (inpaint of colour, or denoise of grey), what is due, the files and words."""

    model: str
    due: str
    make: Make


def picture(mode: str = "RGB", width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Return a picture of noise on a ramp in a mode of Pillow."""
    rng = np.random.default_rng(width * 1000 + height)
    ramp = np.linspace(0, 180, width)[None, :, None] + rng.integers(0, 60, (height, width, 3))
    image = Image.fromarray(ramp.astype(np.uint8))
    if mode == "I;16":
        return Image.fromarray(ramp[..., 0].astype(np.uint16) * 257)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray((ramp[..., 1] > 90).astype(np.uint8) * 255))
    if mode == "LA":
        return image.convert("LA")
    if mode in ("HSV", "LAB", "F", "I"):
        return image.convert("L").convert(mode) if mode in ("F", "I") else cast(image, mode)
    return image.convert(mode)


def cast(image: Image.Image, mode: str) -> Image.Image:
    """Return an image whose numbers are taken for another mode: a real conversion may need a colour profile."""
    return Image.frombytes(mode, image.size, image.tobytes())


def encoded(form: str, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture(mode).save(buffer, form, **options)
    return buffer.getvalue()


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def to(folder: Path, name: str = "out.png") -> list[str]:
    return ["--out", str(folder / name)]


def holding(name: str, data: bytes, out: str = "out.png") -> Make:
    """Return what writes one file and asks for its result."""
    return lambda folder: [str(put(folder, name, data)), *to(folder, out)]


def drawn(name: str, form: str, mode: str = "RGB") -> Make:
    return holding(name, encoded(form, mode))


def sized(width: int, height: int, mode: str = "RGB") -> Make:
    def make(folder: Path) -> list[str]:
        picture(mode, width, height).save(folder / "in.png")
        return [str(folder / "in.png"), *to(folder)]

    return make


def saved(array: Any, name: str = "in.npy", out: str = "out.npy") -> Make:
    def make(folder: Path) -> list[str]:
        np.save(folder / name, array, allow_pickle=True)
        return [str(folder / name), *to(folder, out)]

    return make


def asked(*words: str, out: str = "out.png", mode: str = "RGB") -> Make:
    """Return what asks for a sound picture with other words; @ stands for the folder."""

    def make(folder: Path) -> list[str]:
        picture(mode).save(folder / "in.png")
        (folder / "empty").mkdir()
        return [str(folder / "in.png"), *to(folder, out), *(word.replace("@", str(folder)) for word in words)]

    return make


def masked(mask: Callable[[Path], Any], name: str = "mask.png") -> Make:
    """Return what fills a sound picture by a mask that a function writes."""

    def make(folder: Path) -> list[str]:
        picture().save(folder / "in.png")
        mask(folder / name)
        return [str(folder / "in.png"), "--mask", str(folder / name), *to(folder)]

    return make


def in_folder(*named: tuple[str, bytes], out: str = "made") -> Make:
    def make(folder: Path) -> list[str]:
        (folder / "in").mkdir()
        for name, data in named:
            put(folder / "in", name, data)
        return [str(folder / "in"), *to(folder, out)]

    return make


def frames(form: str) -> bytes:
    buffer = io.BytesIO()
    first, second = picture(), picture().transpose(Image.Transpose.ROTATE_180)
    first.save(buffer, form, save_all=True, append_images=[second])
    return buffer.getvalue()


def png(bits: int, colour: int, width: int = WIDTH, height: int = HEIGHT, body: bytes | None = None) -> bytes:
    """Return a PNG with any header; sums are right, the rest need not be."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    values = body if body is not None else zlib.compress(bytes(HEIGHT * (1 + WIDTH * 8)))
    palette = chunk(b"PLTE", bytes(range(48))) if colour == 3 else b""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + palette + chunk(b"IDAT", values) + chunk(b"IEND", b"")


def kinds() -> dict[str, Case]:
    """Return files of every mode, right and wrong ones."""
    found: dict[str, Case] = {}
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        found[f"png {mode}"] = Case("inpaint", "make", drawn("in.png", "PNG", mode))
    for mode in ("1", "L", "I;16"):
        found[f"png {mode} to grey"] = Case("denoise", "make", drawn("in.png", "PNG", mode))
    for mode in ("RGB", "RGBA", "P"):
        found[f"png {mode} to grey"] = Case("denoise", "refuse", drawn("in.png", "PNG", mode))
    for form, mode, due in (
        ("JPEG", "CMYK", "refuse"),
        ("TIFF", "CMYK", "refuse"),
        ("TIFF", "LAB", "refuse"),
        ("JPEG", "L", "make"),
        ("JPEG", "YCbCr", "make"),
        ("TIFF", "F", "either"),
        ("TIFF", "I", "either"),
        ("WEBP", "RGBA", "make"),
        ("BMP", "P", "make"),
        ("GIF", "P", "make"),
        ("PPM", "RGB", "make"),
    ):
        suffix = {"JPEG": "jpg", "TIFF": "tif"}.get(form, form.lower())
        make = drawn(f"in.{suffix}", form, mode)
        found[f"{suffix} {mode}"] = Case("inpaint", due, make)
    heads = {"16-bit palette": png(16, 3), "32 bits": png(32, 2), "no width": png(8, 2, width=0)}
    heads |= {"a billion pixels": png(8, 2, 40_000, 25_000), "no pixels": png(8, 2, body=b""), "short": png(8, 2, 400)}
    heads["palette index beyond"] = png(8, 3, body=zlib.compress(b"\xff" * HEIGHT * (1 + WIDTH)))
    for name, data in heads.items():
        due = "either" if name == "palette index beyond" else "refuse"
        found[f"png {name}"] = Case("inpaint", due, holding("in.png", data))
    for size in ((1, 1), (1, 50), (50, 1)):
        found[f"{size[0]} x {size[1]}"] = Case("inpaint", "refuse", sized(*size))
    for size in ((2, 2), (3, 5), (2, 900), (17, 31)):
        found[f"{size[0]} x {size[1]}"] = Case("inpaint", "make", sized(*size))
        found[f"{size[0]} x {size[1]} grey"] = Case("denoise", "make", sized(*size, mode="L"))
    return found


def damaged() -> dict[str, Case]:
    """Return files cut short or of another kind than their name."""
    found: dict[str, Case] = {}
    for form, suffix in (("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("TIFF", "tif"), ("BMP", "bmp")):
        for share in (0.02, 0.6):
            make = holding(f"in.{suffix}", cut(encoded(form), share))
            found[f"{suffix} cut at {share:.0%}"] = Case("inpaint", "refuse", make)
    contents = {
        "empty.png": b"",
        "text.png": b"hello\n" * 40,
        "page.jpg": b"<html><body>404</body></html>",
        "zeros.png": bytes(900),
        "drawing.svg": b"<svg/>",
        "paper.pdf": b"%PDF-1.4",
        "noname": b"hello",
        "a.xyz": b"1",
    }
    for name, data in contents.items():
        found[f"file {name}"] = Case("inpaint", "refuse", holding(name, data))
    found["png named jpg"] = Case("inpaint", "make", drawn("in.jpg", "PNG"))
    found["jpeg named png"] = Case("inpaint", "make", drawn("in.png", "JPEG"))
    found["animated gif to png"] = Case("inpaint", "refuse", holding("in.gif", frames("GIF")))
    found["animated gif to gif"] = Case("inpaint", "make", holding("in.gif", frames("GIF"), "out.gif"))
    for form in ("WEBP", "PNG", "TIFF"):
        make = holding(f"in.{form.lower()}", frames(form))
        found[f"animated {form.lower()}"] = Case("inpaint", "refuse", make)
    arrays: dict[str, tuple[Any, str]] = {
        "of int64": (np.zeros((30, 40, 3), np.int64), "refuse"),
        "of complex": (np.zeros((30, 40, 3), complex), "refuse"),
        "of objects": (np.array([{}], object), "refuse"),
        "of nothing": (np.zeros((0, 40, 3)), "refuse"),
        "of five sides": (np.zeros((1, 1, 30, 40, 3)), "refuse"),
        "of NaN": (np.full((30, 40, 3), np.nan), "refuse"),
        "beyond 1": (np.full((30, 40, 3), 700.0), "refuse"),
        "of floats": (np.full((30, 40, 3), 0.5, np.float32), "make"),
        "of five channels": (np.zeros((1, 30, 40, 5), np.uint8), "refuse"),
        "of bool": (np.ones((30, 40, 3), bool), "refuse"),
    }
    for name, (array, due) in arrays.items():
        found[f"npy {name}"] = Case("inpaint", due, saved(array))
    return found


def cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def mistaken() -> dict[str, Case]:
    """Return sound pictures with wrong masks, options, folders and places."""
    found: dict[str, Case] = {}
    masks: dict[str, tuple[str, Callable[[Path], Any]]] = {
        "smaller": ("refuse", lambda path: picture("L", 20, 30).save(path)),
        "turned": ("refuse", lambda path: picture("L", HEIGHT, WIDTH).save(path)),
        "1 x 1": ("refuse", lambda path: picture("L", 1, 1).save(path)),
        "empty": ("refuse", lambda path: path.write_bytes(b"")),
        "absent": ("refuse", lambda path: None),
        "folder": ("refuse", lambda path: path.mkdir()),
        "cut": ("refuse", lambda path: path.write_bytes(cut(encoded("PNG"), 0.5))),
        "colour": ("make", lambda path: picture().save(path)),
        "16 bits": ("make", lambda path: picture("I;16").save(path)),
        "1 bit": ("make", lambda path: picture("1").save(path)),
        "transparent": ("make", lambda path: picture("LA").save(path)),
    }
    for name, (due, mask) in masks.items():
        found[f"mask {name}"] = Case("inpaint", due, masked(mask))
    options = {
        "strength 2": ["--strength", "2"],
        "strength word": ["--strength", "much"],
        "tile 5": ["--tile", "5"],
        "tile below 0": ["--tile", "-64"],
        "window turned": ["--window", "9,1"],
        "window of one": ["--window", "9"],
        "unknown option": ["--colour", "red"],
        "crop below 0": ["--crop", "-1"],
        "metrics alone": ["--metrics", "@/m.csv"],
        "sheet of jpg": ["--sheet", "@/sheet.jpg"],
        "references absent": ["--references", "@/no", "--metrics", "@/m.csv"],
        "references empty": ["--references", "@/empty", "--metrics", "@/m.csv"],
        "piece": ["--piece", "3"],
        "style": ["--style", "1"],
    }
    for name, words in options.items():
        found[name] = Case("inpaint", "refuse", asked(*words))
    found["mask for denoise"] = Case("denoise", "refuse", asked("--mask", "@/in.png", mode="L"))
    for name in ("out.xyz", "out.jpg", "in.png", "in.png/out.png"):
        found[f"out {name}"] = Case("inpaint", "refuse", asked(out=name))
    found["input absent"] = Case("inpaint", "refuse", lambda folder: [str(folder / "no.png"), *to(folder)])
    png_bytes = encoded("PNG")
    found["folder empty"] = Case("inpaint", "refuse", in_folder())
    found["folder of text"] = Case("inpaint", "refuse", in_folder(("a.txt", b"hello")))
    found["folder of twins"] = Case("inpaint", "refuse", in_folder(("a.png", png_bytes), ("a.bmp", encoded("BMP"))))
    found["folder to a file"] = Case("inpaint", "refuse", in_folder(("a.png", png_bytes), out="out.png"))
    return found


def cases() -> dict[str, Case]:
    """Return all by name."""
    return {**kinds(), **damaged(), **mistaken()}
