"""Line plots as small SVG text, for a page: no library, no script, readable on light and dark."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gantlet.report.numbers import rounded, short

Point = tuple[float, float]
PALETTE = ("#3b82d6", "#d9730d", "#2f9e62", "#c2459b", "#8a63d2", "#a88400", "#0e94a0", "#d64550")
MOST_POINTS = 500
_LETTER = 6.3  # mean width of a letter at 11 px


@dataclass(frozen=True)
class _Frame:
    """The plotting area in pixels and the ranges it shows (y already a logarithm if log)."""

    left: float
    top: float
    right: float
    bottom: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)


def curve_svg(
    series: Mapping[str, Sequence[Point]],
    title: str,
    x_label: str = "samples",
    log_y: bool = False,
    width: int = 480,
    height: int = 260,
) -> str:
    """Return one plot as an SVG element; points that are not finite leave a gap."""
    log_y = log_y and any(y > 0 for points in series.values() for _, y in points if math.isfinite(y))
    lines = {name: thin([_usable(point, log_y) for point in points]) for name, points in series.items()}
    finite = [point for points in lines.values() for point in points if point is not None]
    legend, legend_height = _legend(series, width)
    top = 30.0 + legend_height
    height = max(height, int(top) + 140)
    head = (
        f'<svg class="curve" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{html.escape(title)}" font-family="system-ui, sans-serif" font-size="11" fill="currentColor">'
        f'<text x="8" y="18" font-size="13" font-weight="600">{html.escape(title)}</text>'
    )
    if not finite:
        text = (
            f'<text x="{width / 2:g}" y="{height / 2:g}" text-anchor="middle" opacity="0.65">nothing to draw yet</text>'
        )
        return f"{head}{text}</svg>"
    x_range = _range([x for x, _ in finite], pad=0.0)
    y_range = _range([y for _, y in finite], pad=0.05)
    y_ticks = _log_ticks(*y_range) if log_y else _ticks(*y_range, most=6)
    left = 14 + _LETTER * max((len(label) for _, label in y_ticks), default=0)
    frame = _Frame(left, top, width - 16.0, height - 36.0, x_range, y_range)
    label = x_label + (" (logarithmic upwards)" if log_y else "")
    parts = [head, legend, _axes(frame, _ticks(*x_range, most=6), y_ticks, label)]
    parts += [_line(points, frame, index) for index, points in enumerate(lines.values())]
    return "".join(parts) + "</svg>"


def thin(points: Sequence[Point | None], most: int = MOST_POINTS) -> list[Point | None]:
    """Keep at most `most` points: the lowest and the highest of equal stretches; None is a gap and stays one."""
    if sum(point is not None for point in points) <= most:
        return list(points)
    kept: list[Point | None] = []
    stretches = most // 2
    for index in range(stretches):
        stretch = points[index * len(points) // stretches : (index + 1) * len(points) // stretches]
        present = [(position, point) for position, point in enumerate(stretch) if point is not None]
        if present:
            ends = {min(present, key=lambda item: item[1][1]), max(present, key=lambda item: item[1][1])}
            kept += [point for _, point in sorted(ends)]
        if len(present) < len(stretch):
            kept.append(None)
    return kept


def _usable(point: Point, log_y: bool) -> Point | None:
    x, y = point
    if not (math.isfinite(x) and math.isfinite(y)) or (log_y and y <= 0):
        return None
    x, y = _drawable(x), math.log10(y) if log_y else _drawable(y)
    return x, y


def _drawable(value: float) -> float:
    """Return a number whose differences from others neither overflow nor vanish."""
    return 0.0 if abs(value) < 1e-290 else max(-1e300, min(1e300, value))


def _range(values: Sequence[float], pad: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    spread = high - low
    if spread <= 1e-12 * max(abs(low), abs(high)) or spread == 0:
        spread = abs(high) or 1.0
        return low - 0.5 * spread, high + 0.5 * spread
    return low - pad * spread, high + pad * spread


def _ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Return round positions (1, 2 or 5 times a power of ten) with their labels."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 1e-300 else 1e-300
    step = next((power * factor for factor in (1, 2, 5) if power * factor >= rough), power * 10)
    first = math.ceil(low / step - 1e-9)
    places = [(first + index) * step for index in range(math.floor(high / step + 1e-9) - first + 1)][:20]
    return [(place, _tick_label(place, step, max(abs(low), abs(high)))) for place in places]


def _tick_label(value: float, step: float, largest: float) -> str:
    if abs(value) < step / 2:
        return "0"
    if largest >= 1e12 or largest < 1e-3:
        return f"{value:.3g}"
    factor, suffix = next((f, s) for f, s in ((1e9, "B"), (1e6, "M"), (1e3, "k"), (1.0, "")) if largest >= f or f == 1)
    decimals = min(6, max(0, -math.floor(math.log10(step / factor) + 1e-9)))
    return f"{value / factor:.{decimals}f}{suffix}"


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return powers of ten, with their doubles and fives where there are few; positions are logarithms."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    stride = max(1, math.ceil(len(powers) / 10))
    factors = (1, 2, 5) if high - low < 2.5 else (1,)
    places = [power + math.log10(factor) for power in powers if power % stride == 0 for factor in factors]
    inside = [(place, short(10.0 ** min(place, 308))) for place in places if low <= place <= high]
    if len(inside) >= 2:
        return inside
    return [
        (math.log10(value), label)
        for value, label in _ticks(10.0 ** max(low, -300), 10.0 ** min(high, 308), most=5)
        if value > 0
    ]


def _axes(
    frame: _Frame, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]], x_label: str
) -> str:
    """Return the grid, the axis, its ticks and all labels."""
    lines = [f'<path d="M{frame.left:.1f} {frame.y(y):.1f}H{frame.right:.1f}"/>' for y, _ in y_ticks]
    ticks = "".join(f"M{frame.x(x):.1f} {frame.bottom:.1f}v4" for x, _ in x_ticks)
    axis = f"M{frame.left:.1f} {frame.bottom:.1f}H{frame.right:.1f}{ticks}"
    lines.append(f'<path fill="none" stroke-opacity="0.5" d="{axis}"/>')
    words = [_word(frame.left - 6, frame.y(y) + 4, label, "end") for y, label in y_ticks]
    words += [_word(frame.x(x), frame.bottom + 17, label, "middle") for x, label in x_ticks]
    words.append(_word((frame.left + frame.right) / 2, frame.bottom + 32, x_label, "middle"))
    return f'<g stroke="currentColor" stroke-opacity="0.15">{"".join(lines)}</g><g opacity="0.75">{"".join(words)}</g>'


def _word(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _line(points: Sequence[Point | None], frame: _Frame, index: int) -> str:
    """Return one series as a path that lifts the pen at gaps, with dots where points are few."""
    commands: list[str] = []
    pen = "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        commands.append(f"{pen}{frame.x(point[0]):.1f} {frame.y(point[1]):.1f}" + ("h0" if pen == "M" else ""))
        pen = "L"
    stroke = _stroke(index)
    line = f'<path fill="none" {stroke} stroke-linejoin="round" stroke-linecap="round" d="{"".join(commands)}"/>'
    present = [point for point in points if point is not None]
    if len(present) > 30:
        return line
    color = PALETTE[index % len(PALETTE)]
    dots = "".join(f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="2.5"/>' for x, y in present)
    return f'{line}<g fill="{color}">{dots}</g>'


def _stroke(index: int) -> str:
    dash = ' stroke-dasharray="5 4"' if index >= len(PALETTE) else ""
    return f'stroke="{PALETTE[index % len(PALETTE)]}" stroke-width="1.5"{dash}'


def _legend(series: Mapping[str, Sequence[Point]], width: int) -> tuple[str, float]:
    """Return the names with their last values, in as many rows as they need, and the height of those rows."""
    parts: list[str] = []
    x, row = 8.0, 0
    for index, (name, points) in enumerate(series.items()):
        finite = [y for _, y in points if math.isfinite(y)]
        missing = len(points) - len(finite)
        text = _cut(name, 44) + (f"  {rounded(finite[-1])}" if finite else "")
        text += f" ({missing} not finite)" if missing else ""
        span = 34 + _LETTER * len(text)
        if x > 8 and x + span > width:
            x, row = 8.0, row + 1
        y = 36 + 16 * row
        parts.append(f'<path {_stroke(index)} d="M{x:.0f} {y - 4}h14"/>')
        parts.append(f'<text x="{x + 19:.0f}" y="{y}" opacity="0.85">{html.escape(text)}</text>')
        x += span
    return "".join(parts), 16.0 * (row + 1) if parts else 0.0


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
