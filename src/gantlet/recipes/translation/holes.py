"""Where inpainting learns to fill: a random hole per sample, of one of several kinds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gantlet.layers import masks
from gantlet.recipe import Draws

Holes = Callable[[Draws, int, int], Tensor]

FINE = 48  # cells of the fine grid of dots and lettering along the shorter side
COUNT, VERTICES = 4, 10  # strokes of a mask and vertices of a stroke, at most


def random_holes(rectangles: float, strokes: float, marks: float, halves: float) -> Holes:
    """Return the function (draws, height, width) -> masks [N, 1, H, W] that mixes kinds by these weights.

    Rectangles: one or two, a fifth to a half of the shorter side. Strokes: free-form. Marks: lettering or dots, half
    each. Halves: one side of the picture. Raises ValueError if no weight is above 0.
    """
    if min(rectangles, strokes, marks, halves) < 0 or rectangles + strokes + marks + halves <= 0:
        raise ValueError("rectangles, strokes, marks and halves must not be negative, and one must be above 0")

    def draw(draws: Draws, height: int, width: int) -> Tensor:
        made, weights = [], []
        if rectangles:
            uniform = draws.uniform("rectangles", 2, masks.RECTANGLE_NUMBERS)
            both = [masks.rectangles(uniform[:, :1], height, width), masks.rectangles(uniform, height, width)]
            made += both
            weights += [rectangles / 2] * 2
        if strokes:
            made.append(masks.strokes(draws.uniform("strokes", COUNT, VERTICES, masks.STROKE_NUMBERS), height, width))
            weights.append(strokes)
        if marks:
            cells = draws.uniform("marks", 1, *_cells(height, width))
            made += [masks.lettering(cells, height, width), masks.dots(cells, height, width)]
            weights += [marks / 2] * 2
        if halves:
            made.append(masks.half(draws.uniform("halves"), height, width))
            weights.append(halves)
        return torch.cat(made) if len(made) == 1 else masks.one_of(made, weights, draws.uniform("kind"))

    return draw


def _cells(height: int, width: int) -> tuple[int, int]:
    """Return the fine grid: square cells of two pixels or more."""
    size = max(min(height, width) / FINE, 2.0)
    return max(int(height / size), 1), max(int(width / size), 1)
