"""Picture sizes: any height and width, from a small base grid that doubles stage by stage."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def height_width(resolution: int | Sequence[int]) -> tuple[int, int]:
    """Return (height, width) of a resolution given as one number (square) or as a pair."""
    if isinstance(resolution, int):
        return resolution, resolution
    height, width = resolution
    return int(height), int(width)


def num_stages(resolution: int | Sequence[int], smallest: int = 4) -> int:
    """Return how often the short side can be halved before it falls below `smallest`; at least once.

    64 -> 4 (base 4), 32 -> 3 (base 4), 28 -> 2 (base 7), 8 -> 1 (base 4).
    """
    side, stages = min(height_width(resolution)), 0
    while side >= 2 * smallest:
        side, stages = -(-side // 2), stages + 1
    return max(stages, 1)


def base_grid(resolution: int | Sequence[int], stages: int) -> tuple[int, int]:
    """Return the smallest grid that reaches at least `resolution` after `stages` doublings."""
    height, width = height_width(resolution)
    return -(-height // 2**stages), -(-width // 2**stages)


def crop(x: Tensor, resolution: int | Sequence[int]) -> Tensor:
    """Cut x [N, C, H, W] to the centre of the wanted size; free when it fits already."""
    height, width = height_width(resolution)
    if x.shape[-2:] == (height, width):
        return x
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


def even_padding(resolution: int | Sequence[int], stages: int) -> tuple[int, int, int, int]:
    """Return (left, right, top, bottom) that lets a picture be halved `stages` times without a remainder."""
    (height, width), (rows, columns) = height_width(resolution), base_grid(resolution, stages)
    across, down = columns * 2**stages - width, rows * 2**stages - height
    return across // 2, across - across // 2, down // 2, down - down // 2
