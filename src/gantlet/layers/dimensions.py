"""One implementation for pictures [N, C, H, W] and volumes [N, C, D, H, W]: layers by number of dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


def convolution(dims: int) -> type[nn.Conv2d] | type[nn.Conv3d]:
    """Return the class of convolutions over `dims` dimensions. Raises ValueError unless they are 2 or 3."""
    return nn.Conv2d if _known(dims) == 2 else nn.Conv3d


def transposed_convolution(dims: int) -> type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]:
    """Return the class of transposed convolutions over `dims` dimensions. Raises ValueError unless they are 2 or 3."""
    return nn.ConvTranspose2d if _known(dims) == 2 else nn.ConvTranspose3d


def batch_norm(dims: int) -> type[nn.BatchNorm2d] | type[nn.BatchNorm3d]:
    """Return the class of batch norms over `dims` dimensions. Raises ValueError unless they are 2 or 3."""
    return nn.BatchNorm2d if _known(dims) == 2 else nn.BatchNorm3d


def shortest_side(resolution: int | Sequence[int]) -> int:
    """Return the shortest side of a resolution given as one number or as a side per dimension."""
    return resolution if isinstance(resolution, int) else min(int(side) for side in resolution)


def sides(resolution: int | Sequence[int], dims: int) -> tuple[int, ...]:
    """Return the side of each dimension. Raises ValueError if a sequence has another length than `dims`."""
    found = (resolution,) * _known(dims) if isinstance(resolution, int) else tuple(int(side) for side in resolution)
    if len(found) != dims:
        raise ValueError(f"a resolution of {dims} dimensions has {dims} sides, not {len(found)}")
    return found


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Repeat the far border of x [N, C, ...] until each side is a multiple; free when it is."""
    padding = [cells for side in reversed(x.shape[2:]) for cells in (0, -side % multiple)]
    return F.pad(x, padding, mode="replicate") if any(padding) else x


def cut(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the near corner of x [N, C, ...] with sides `shape`: what `pad_to_multiple` added is gone."""
    for dim, side in enumerate(shape, start=2):
        x = x.narrow(dim, 0, side) if x.shape[dim] != side else x
    return x


def _known(dims: int) -> int:
    if dims not in (2, 3):
        raise ValueError(f"pictures have 2 dimensions and volumes 3, not {dims}")
    return dims
