"""A picture of curves through numbered points: axes, a legend, one colour a curve. Drawn with Pillow alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#332288", "#882255")  # Okabe & Ito first
INK, SOFT, PAPER = "#222222", "#d8d8d8", "#ffffff"
SIZE, MARGIN = (1200, 840), (110, 60, 40, 90)  # width, height; left, top, right, bottom
SIGN = 7  # radius of a point

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Place = Callable[[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """Points (x, y, what stands beside it), joined in their order; `cross` for a single mark such as a floor."""

    name: str
    points: Sequence[tuple[float, float, str]]
    cross: bool = False


def scatter(curves: Sequence[Curve], title: str, x: str, y: str, note: str = "") -> NDArray[np.uint8]:
    """Return the picture [H, W, 3] uint8; points that are not finite are left out."""
    picture = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(picture)
    font, small = (ImageFont.load_default(size) for size in (22, 17))
    finite = [(px, py) for curve in curves for px, py, _ in curve.points if math.isfinite(px) and math.isfinite(py)]
    xs, ys = _span([point[0] for point in finite]), _span([point[1] for point in finite])
    left, top, right, bottom = MARGIN
    box = left, top, SIZE[0] - right, SIZE[1] - bottom

    def place(px: float, py: float) -> tuple[float, float]:
        across, up = (px - xs[0]) / (xs[1] - xs[0]), (py - ys[0]) / (ys[1] - ys[0])
        return box[0] + across * (box[2] - box[0]), box[3] - up * (box[3] - box[1])

    for tick in _ticks(*xs):
        at = place(tick, ys[0])[0]
        draw.line((at, box[1], at, box[3]), SOFT)
        draw.text((at, box[3] + 8), f"{tick:g}", INK, small, "mt")
    for tick in _ticks(*ys):
        at = place(xs[0], tick)[1]
        draw.line((box[0], at, box[2], at), SOFT)
        draw.text((box[0] - 8, at), f"{tick:g}", INK, small, "rm")
    draw.rectangle(box, outline=INK)
    draw.text(((box[0] + box[2]) / 2, 16), title, INK, font, "mt")
    draw.text(((box[0] + box[2]) / 2, box[3] + 34), x, INK, font, "mt")
    draw.text((box[0], SIZE[1] - 10), note, INK, small, "ls")
    _upright(picture, y, font, (30, (box[1] + box[3]) // 2))
    for number, curve in enumerate(curves):
        colour = INK if curve.cross else COLOURS[number % len(COLOURS)]
        _curve(draw, curve, colour, place, small)
        at = box[1] + 22 + 28 * number
        _mark(draw, (box[0] + 24, at), colour, curve.cross)
        draw.text((box[0] + 42, at), curve.name, colour, small, "lm")
    return np.asarray(picture)


def _curve(draw: ImageDraw.ImageDraw, curve: Curve, colour: str, place: Place, font: Font) -> None:
    spots = [(*place(px, py), label) for px, py, label in curve.points if math.isfinite(px) and math.isfinite(py)]
    if len(spots) > 1 and not curve.cross:
        draw.line([(px, py) for px, py, _ in spots], colour, 3)
    for px, py, label in spots:
        _mark(draw, (px, py), colour, curve.cross)
        draw.text((px + 9, py + 5), label, colour, font, "lt")


def _mark(draw: ImageDraw.ImageDraw, at: tuple[float, float], colour: str, cross: bool) -> None:
    x, y = at
    if cross:
        draw.line((x - SIGN, y - SIGN, x + SIGN, y + SIGN), colour, 4)
        draw.line((x - SIGN, y + SIGN, x + SIGN, y - SIGN), colour, 4)
    else:
        draw.ellipse((x - SIGN, y - SIGN, x + SIGN, y + SIGN), fill=colour, outline=PAPER, width=2)


def _upright(picture: Image.Image, text: str, font: Font, at: tuple[int, int]) -> None:
    width, height = (math.ceil(side) for side in ImageDraw.Draw(picture).textbbox((0, 0), text, font, "lt")[2:])
    label = Image.new("RGB", (width + 4, height + 8), PAPER)
    ImageDraw.Draw(label).text((2, 2), text, INK, font, "lt")
    turned = label.rotate(90, expand=True)
    picture.paste(turned, (at[0] - turned.width // 2, at[1] - turned.height // 2))


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Return an interval around the values with some room on both sides."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or max(abs(high), 1.0) * 0.1
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Return about six round numbers in an interval."""
    raw = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    return [round(k * step, 12) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
