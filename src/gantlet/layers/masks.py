"""Holes in pictures: masks [N, 1, H, W], 1 in the hole and 0 elsewhere, as pure functions of uniform numbers in [0, 1).

Lengths are shares of the shorter side, so a family of masks means the same at every size.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import torch
from torch import Tensor

RECTANGLE_NUMBERS = 4  # uniform numbers that one rectangle takes
STROKE_NUMBERS = 3  # uniform numbers that one vertex of a stroke takes
FEWEST_VERTICES = 4  # of a stroke (Yu 2019, appendix)


def rectangles(uniform: Tensor, height: int, width: int, smallest: float = 0.2, largest: float = 0.5) -> Tensor:
    """Return the union of K rectangles wholly inside the picture. `uniform` [N, K, 4]: height, width, top, left."""
    side = min(height, width)
    sides = ((smallest + (largest - smallest) * uniform[:, :, :2]) * side).round().clamp_min(1)
    room = torch.stack([height - sides[:, :, 0], width - sides[:, :, 1]], 2)
    first = (uniform[:, :, 2:] * (room + 1)).floor()  # every place equally likely, borders included
    down, across = _axes(uniform, height, width)
    rows = (down >= first[:, :, 0, None]) & (down < (first + sides)[:, :, 0, None])
    columns = (across >= first[:, :, 1, None]) & (across < (first + sides)[:, :, 1, None])
    return (rows[:, :, :, None] & columns[:, :, None, :]).any(1, keepdim=True).float()


def strokes(uniform: Tensor, height: int, width: int, thinnest: float = 0.04, thickest: float = 0.18) -> Tensor:
    """Return zigzag brush strokes: free-form masks. `uniform` [N, S, V, 3] for at most S strokes of V vertices.

    Yu 2019 (DeepFill v2), appendix: turns of 2 pi / 5 +- 2 pi / 15 to alternating sides, lengths up to a quarter of
    the diagonal, widths 10 to 45 of 256 pixels, round joints; at least four vertices, at least one stroke. Paths are
    folded back at the borders, where the paper cuts them off, so that all vertices are found at once.
    """
    turn = 2 * pi / 5 + (uniform[..., 0] - 0.5) * (4 * pi / 15)
    vertices = torch.arange(uniform.shape[2], device=uniform.device)
    angle = torch.where(vertices % 2 == 0, 2 * pi - turn, turn)
    length = uniform[..., 1] * (height**2 + width**2) ** 0.5 / 4
    start = uniform[:, :, 0, :2]
    y = _folded(start[..., :1] * height + _path(length * angle.sin()), height)
    x = _folded(start[..., 1:] * width + _path(length * angle.cos()), width)
    extra = uniform[..., 2]  # at vertex 0 the width, at 1 the number of vertices, at 2 whether the stroke is drawn
    radius = (thinnest + (thickest - thinnest) * extra[:, :, 0]) * min(height, width) / 2
    spare = uniform.shape[2] - FEWEST_VERTICES + 1
    count = FEWEST_VERTICES + (extra[:, :, 1] * spare).floor()
    drawn = (extra[:, :, 2] < 0.5) | (torch.arange(uniform.shape[1], device=uniform.device) == 0)
    down, across = _axes(uniform, height, width)
    nearest = torch.full((*uniform.shape[:2], height, width), float("inf"), device=uniform.device)
    for i in range(1, uniform.shape[2]):  # a segment at a time: all at once is nine times the memory
        last = (vertices[i] < count)[..., None].float()  # a segment beyond the end shrinks to the last point
        y_end = torch.where(last > 0, y[..., i : i + 1], y[..., i - 1 : i])
        x_end = torch.where(last > 0, x[..., i : i + 1], x[..., i - 1 : i])
        y[..., i : i + 1], x[..., i : i + 1] = y_end, x_end
        squared = _distance_squared(down, across, (y[..., i - 1], x[..., i - 1]), (y[..., i], x[..., i]))
        nearest = torch.minimum(nearest, squared)
    inside = (nearest <= radius.square()[:, :, None, None]) & drawn[:, :, None, None]
    return inside.any(1, keepdim=True).float()


def dots(uniform: Tensor, height: int, width: int, share: float = 0.2) -> Tensor:
    """Return square dots that cover `share` of the picture, in the cells of a grid. `uniform` [N, 1, rows, columns]."""
    return (_enlarged(uniform, height, width) < share).float()


def lettering(uniform: Tensor, height: int, width: int, share: float = 0.5) -> Tensor:
    """Return marks in lines like those of a text written over the picture. `uniform` [N, 1, rows, columns].

    Cells of a grid are inked with probability `share` in three rows of every five; a column in six is left blank, and
    the lines begin at a random row. Half the picture is hidden at share 1, a quarter on average at 0.5.
    """
    rows, columns = uniform.shape[2:]
    begin = (uniform[:, :, :1, :1] * 5).floor()
    line = (torch.arange(rows, device=uniform.device)[:, None] + begin) % 5 < 3
    word = torch.arange(columns, device=uniform.device) % 6 < 5
    inked = (uniform < share) & line & word
    return _enlarged(inked.float(), height, width)


def half(uniform: Tensor, height: int, width: int) -> Tensor:
    """Return the upper, lower, left or right half. `uniform` [N]."""
    down, across = _axes(uniform, height, width)
    upper = (down < height // 2)[:, None].expand(height, width)
    left = (across < width // 2)[None, :].expand(height, width)
    halves = torch.stack([upper, ~upper, left, ~left]).float()
    return halves[(uniform * 4).long()][:, None]


def centre(height: int, width: int, hole_height: int, hole_width: int, like: Tensor) -> Tensor:
    """Return the mask [1, 1, H, W] of a central hole, on the device of `like`."""
    mask = torch.zeros(1, 1, height, width, device=like.device)
    top, left = (height - hole_height) // 2, (width - hole_width) // 2
    mask[..., top : top + hole_height, left : left + hole_width] = 1
    return mask


def one_of(masks: Sequence[Tensor], weights: Sequence[float], uniform: Tensor) -> Tensor:
    """Return for each sample one of several masks, each as often as its weight says. `uniform` [N]."""
    edges = torch.tensor(weights, device=uniform.device).cumsum(0)
    chosen = torch.searchsorted(edges / edges[-1], uniform, right=True).clamp_max(len(masks) - 1)
    return torch.stack(list(masks))[chosen, torch.arange(len(uniform), device=uniform.device)]


def composite(inputs: Tensor, filling: Tensor, mask: Tensor) -> Tensor:
    """Return the filling in the hole and the inputs, bit for bit, outside it."""
    return torch.where(mask > 0.5, filling, inputs)


def _axes(like: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return the numbers of rows [H] and of columns [W]."""
    return torch.arange(height, device=like.device), torch.arange(width, device=like.device)


def _path(steps: Tensor) -> Tensor:
    """Return where a path of steps [N, S, V] is at each vertex, the first at 0."""
    return steps.cumsum(2) - steps[..., :1]


def _folded(position: Tensor, size: int) -> Tensor:
    """Return positions reflected at 0 and `size` until they lie between."""
    return size - (position.remainder(2 * size) - size).abs()


def _distance_squared(down: Tensor, across: Tensor, start: tuple[Tensor, Tensor], end: tuple[Tensor, Tensor]) -> Tensor:
    """Return the squared distance [N, S, H, W] of each pixel's centre from segments between points of [N, S] each."""
    y, x = down + 0.5 - start[0][..., None], across + 0.5 - start[1][..., None]  # [N, S, H], [N, S, W]
    dy, dx = (end[0] - start[0])[..., None], (end[1] - start[1])[..., None]
    length = (dy.square() + dx.square()).clamp_min(1e-6)
    along = ((y * dy / length)[..., None] + (x * dx / length)[..., None, :]).clamp_(0, 1)
    off_y = y[..., None] - along * dy[..., None]
    off_x = x[..., None, :] - along * dx[..., None]
    return off_y.square_().add_(off_x.square_())


def _enlarged(cells: Tensor, height: int, width: int) -> Tensor:
    """Return cells [N, 1, rows, columns] spread over the picture, each pixel in the cell it lies in."""
    down, across = _axes(cells, height, width)
    rows, columns = down * cells.shape[2] // height, across * cells.shape[3] // width
    return cells[:, :, rows][:, :, :, columns]
