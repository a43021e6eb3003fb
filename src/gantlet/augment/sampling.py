"""Pictures read at other places, bilinearly: moved, turned, scaled. Differentiable as often as one likes."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

PADDINGS = ("zeros", "border", "reflection")  # in the order of torch's own numbers


def move(x: Tensor, matrix: Tensor, padding: str) -> Tensor:
    """Return x [N, C, H, W] read at matrix [N, 3, 3] @ (column, row, 1), one matrix per picture.

    Clips [N, C, T, H, W] are read with one matrix per clip.

    Places are counted in pixels from the centre of the picture, columns to the right, rows downwards. `padding` is
    what lies outside: "zeros", "border" or "reflection" (about the centres of the outermost pixels).
    """
    if x.dim() == 5:
        return move(x.flatten(1, 2), matrix, padding).view(x.shape)
    height, width = x.shape[-2:]
    columns = torch.arange(width, device=x.device, dtype=matrix.dtype) - (width - 1) / 2
    rows = torch.arange(height, device=x.device, dtype=matrix.dtype) - (height - 1) / 2
    places = torch.stack([columns.expand(height, width), rows[:, None].expand(height, width)], dim=-1)
    places = places.flatten(0, 1) @ matrix[:, :2, :2].mT + matrix[:, None, :2, 2]  # [N, H * W, 2]
    half = torch.tensor([max(width - 1, 1) / 2, max(height - 1, 1) / 2], device=x.device, dtype=matrix.dtype)
    grid = (places / half).view(-1, height, width, 2)
    read: Tensor = _Read.apply(x.to(grid.dtype), grid, padding)  # type: ignore[no-untyped-call]
    return read


def exact(x: Tensor) -> Tensor:
    """Return pictures in float32 at least: what autocast hands over in bf16 has too few digits to compute places in."""
    return x if x.dtype == torch.float64 else x.float()


class _Read(torch.autograd.Function):
    """grid_sample, linear in x. Its own backward has no derivative (torch 2.13); as a pair of adjoints it has all."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor, padding: str) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.padding, ctx.shape = padding, x.shape
        return F.grid_sample(x, grid, "bilinear", padding, align_corners=True)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (grid,) = ctx.saved_tensors
        return _Write.apply(gradients[0], grid, ctx.padding, ctx.shape), None, None  # type: ignore[no-untyped-call]


class _Write(torch.autograd.Function):
    """The adjoint of _Read: every pixel is added back to the places it was read from."""

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, grid: Tensor, padding: str, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.padding = padding
        nothing = pixels.new_zeros(1).expand(shape)  # only the gradient of the grid would read it
        kind = PADDINGS.index(padding)
        written: Tensor = torch.ops.aten.grid_sampler_2d_backward(pixels, nothing, grid, 0, kind, True, (True, False))[
            0
        ]
        return written

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (grid,) = ctx.saved_tensors
        return _Read.apply(gradients[0], grid, ctx.padding), None, None, None  # type: ignore[no-untyped-call]
