"""Pairs made by rule for the benchmarks of translation: phantoms with Hounsfield units, digits in other forms, styles.

Each is a function of a number or of a picture, and of nothing else: what is true is known exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from picture_data import Pixels

# Phantoms: MR and CT of one slice, 16 bits

AIR_HU = 1024  # added to Hounsfield units, so that they are stored as they are in 12 bits of 16
SIDE = 96
# tissue: (MR signal, Hounsfield units). Bone, lung and air have nearly one signal, marrow, fat and bowel another.
TISSUES = {
    "air": (0.02, -1000.0), "fat": (0.85, -100.0), "muscle": (0.42, 55.0), "cortex": (0.06, 1150.0),
    "marrow": (0.80, 300.0), "lung": (0.07, -820.0), "organ": (0.50, 65.0), "fluid": (0.30, 8.0), "bowel": (0.78, 30.0),
}  # fmt: skip
NAMES = tuple(TISSUES)
MR_TOP, NOISE, BIAS = 40_000, 0.03, 0.25  # raw value of signal 1; deviations of noise and of the bias field


@dataclass(frozen=True)
class Phantom:
    """One slice: MR [S, S, 1] and CT [S, S, 1] uint16, the body and the borders between tissues [S, S]."""

    mr: Pixels
    ct: Pixels
    body: Pixels
    borders: Pixels


def phantom(number: int) -> Phantom:
    """Return phantom `number`: a body with fat around muscle, two lungs, a spine and ribs with marrow, organs."""
    rng = np.random.default_rng(90_000 + number)
    tissue = np.zeros((SIDE, SIDE), np.int64)

    def draw(name: str, y: float, x: float, height: float, width: float, turn: float = 0.0) -> None:
        tissue[ellipse(y, x, height, width, turn)] = NAMES.index(name)

    y, x = rng.normal(0, 0.03, 2)
    height, width = rng.uniform(0.6, 0.72), rng.uniform(0.78, 0.92)
    rim = rng.uniform(0.06, 0.11)
    draw("fat", y, x, height, width)
    draw("muscle", y, x, height - rim, width - rim)
    for side in (-1, 1):
        across = x + side * rng.uniform(0.36, 0.42)
        draw("lung", y - 0.08, across, rng.uniform(0.25, 0.36), rng.uniform(0.15, 0.22), side * rng.uniform(0, 0.3))
    for _ in range(rng.integers(2, 5)):
        name = ("organ", "fluid", "bowel", "fat")[rng.integers(4)]
        size = rng.uniform(0.06, 0.15, 2)
        draw(name, y + rng.uniform(-0.3, 0.35), x + rng.uniform(-0.35, 0.35), *size, rng.uniform(0, np.pi))
    bones = [(y + height - rim - 0.18, x, rng.uniform(0.13, 0.16))]
    for _ in range(rng.integers(2, 6)):
        angle = rng.uniform(0, 2 * np.pi)
        bones.append((y + (height - rim - 0.07) * np.sin(angle), x + (width - rim - 0.07) * np.cos(angle), 0.065))
    for down, across, radius in bones:
        draw("cortex", down, across, radius, radius * rng.uniform(0.9, 1.1))
        draw("marrow", down, across, radius * 0.55, radius * 0.55)
    table = np.array(list(TISSUES.values()))
    bias = np.exp(BIAS * smooth(rng))
    signal = table[tissue, 0] * bias
    noisy = np.hypot(signal + NOISE * rng.standard_normal(signal.shape), NOISE * rng.standard_normal(signal.shape))
    ct = ndimage.gaussian_filter(table[tissue, 1], 0.5) + 8 * rng.standard_normal(signal.shape)
    borders = ndimage.binary_dilation(ndimage.morphological_gradient(tissue, 3) > 0)
    return Phantom(
        np.rint(noisy * MR_TOP).clip(0, 65535).astype(np.uint16)[..., None],
        np.rint(ct + AIR_HU).clip(0, 4095).astype(np.uint16)[..., None],
        ellipse(y, x, height, width, 0.0),
        borders,
    )


def ellipse(y: float, x: float, height: float, width: float, turn: float) -> Pixels:
    """Return where an ellipse is [S, S]: coordinates from -1 to 1, half axes, turned."""
    down, across = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    down, across = down - y, across - x
    first, second = across * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - across * np.sin(turn)
    return np.asarray((first / width) ** 2 + (second / height) ** 2 <= 1)


def smooth(rng: np.random.Generator) -> Pixels:
    """Return a smooth field [S, S] of deviation 1 over many draws, near 0 on average."""
    down, across = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    terms = (down, across, down * across, down**2 - 1 / 3, across**2 - 1 / 3)
    return np.asarray(sum(weight * term for weight, term in zip(rng.normal(0, 0.8, 5), terms)))


# Digits in other forms: [N, 28, 28, 1] uint8 in, the other form out


def thick(digits: Pixels) -> Pixels:
    """Return digits with strokes two pixels wider: the brightest of each 3 x 3."""
    return np.asarray(ndimage.grey_dilation(digits, (1, 3, 3, 1)))


def inverted(digits: Pixels) -> Pixels:
    """Return black digits on white."""
    return 255 - digits


def coloured(digits: Pixels) -> Pixels:
    """Return dark blue digits on yellow [N, 28, 28, 3]."""
    share = digits / 255
    paper, ink = np.array([250.0, 220.0, 90.0]), np.array([30.0, 25.0, 120.0])
    return np.rint(paper + share * (ink - paper)).astype(np.uint8)


FORMS: dict[str, Callable[[Pixels], Pixels]] = {"thick": thick, "inverted": inverted, "coloured": coloured}

# Styles: photographs [H, W, 3] in [0, 1] in and out


def brightness(picture: Pixels) -> Pixels:
    return picture @ np.array([0.299, 0.587, 0.114])


def poster(picture: Pixels) -> Pixels:
    """Return four levels a channel (middles of quarters) of a smoothed picture, and dark lines where it is steep."""
    soft = ndimage.gaussian_filter(picture, (1, 1, 0))
    levels = (np.floor(soft.clip(0, 0.999) * 4) + 0.5) / 4
    steep = np.hypot(*(ndimage.sobel(brightness(soft), axis) for axis in (0, 1)))
    return np.asarray(levels * (1 - 0.7 * (steep > 0.8))[..., None])


def hatched(picture: Pixels) -> Pixels:
    """Return grey with diagonal lines, every 6 pixels, as strong as the picture is dark there.

    Where a line lies within 6 pixels nobody can know from a crop: strength .28 keeps that below the 20 dB asked for.
    """
    grey = ndimage.gaussian_filter(brightness(picture), 0.7)
    down, across = np.mgrid[: grey.shape[0], : grey.shape[1]]
    line = np.cos(2 * np.pi * (down + across) / 6)
    drawn = 0.1 + 0.9 * grey + 0.28 * (1 - grey) * line * 0.5
    return np.repeat(drawn.clip(0, 1)[..., None], 3, 2)


def graded(picture: Pixels) -> Pixels:
    """Return a blurred picture with teal shadows and orange lights."""
    soft = ndimage.gaussian_filter(picture, (1.5, 1.5, 0))
    grey = brightness(soft)[..., None]
    tint = (1 - grey) * np.array([-0.12, 0.05, 0.12]) + grey * np.array([0.12, 0.02, -0.16])
    return np.asarray((0.6 * soft + 0.4 * grey + tint).clip(0, 1))


STYLES: dict[str, Callable[[Pixels], Pixels]] = {"1-poster": poster, "2-hatched": hatched, "3-graded": graded}
