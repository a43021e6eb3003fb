"""The maximum mean discrepancy between two sets of points, as a loss. Computed in float32, outside autocast.

A kernel is a function of two sets of points; distances come from one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Kernel = Callable[[Tensor, Tensor], Tensor]  # (points x [N, F], points y [M, F]) -> [N, M]


def products_and_distances(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return <x_i, y_j> and |x_i - y_j|^2, [N, M] each.

    Distances are taken after a shift, which changes none of them: far from the origin they would drown in rounding,
    which may even take them below 0, where they are cut.
    """
    centre = y.detach().mean(0)
    a, b = x - centre, y - centre
    distances = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * (a @ b.T)
    return x @ y.T, distances.clamp_min(0)


def rational_quadratic(scales: Sequence[float], linear: float = 0.0) -> Kernel:
    """Return k(x, y) = sum_a (1 + |x - y|^2 / 2a)^-a + linear <x, y> (Binkowski 2018: rq, and rq* with linear = 1)."""

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        products, distances = products_and_distances(x, y)
        values = linear * products
        for scale in scales:
            values = values + torch.exp(-scale * torch.log1p(distances / (2 * scale)))
        return values

    return kernel


def gaussian(widths: Sequence[float]) -> Kernel:
    """Return k(x, y) = sum_s exp(-|x - y|^2 / 2 s^2) (Li 2017: widths 1, 2, 4, 8, 16)."""

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        _, distances = products_and_distances(x, y)
        return torch.stack([torch.exp(-distances / (2 * width**2)) for width in widths]).sum(0)

    return kernel


def unbiased_mmd2(kernel: Kernel, x: Tensor, y: Tensor) -> Tensor:
    """Return the unbiased estimate of MMD^2, a scalar that may be negative, for x [N, F], y [M, F] with N, M >= 2.

    Source: Gretton 2012, Eq. 3: pairs of a point with itself are left out.
    """
    n, m = len(x), len(y)
    xx, xy, yy = _blocks(kernel, x, y)
    within = (xx.sum() - xx.trace()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1))
    return within - 2 * xy.mean()


def biased_mmd2(kernel: Kernel, x: Tensor, y: Tensor) -> Tensor:
    """Return the biased estimate of MMD^2, a scalar >= 0 up to rounding (Gretton 2012, Eq. 5)."""
    xx, xy, yy = _blocks(kernel, x, y)
    return xx.mean() + yy.mean() - 2 * xy.mean()


def witness(kernel: Kernel, points: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """Return f(p) = E k(p, real) - E k(p, fake) per point, [N]: high where there is more real than fake (Gretton 2012).

    All are features [N, F]; gradients flow into all three.
    """
    with torch.autocast(points.device.type, enabled=False):
        points, real, fake = _full(points), _full(real), _full(fake)
        return kernel(points, real).mean(1) - kernel(points, fake).mean(1)


def _blocks(kernel: Kernel, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return k(x, x), k(x, y), k(y, y), cut from one matrix: a quarter too much work in a third of the operations."""
    with torch.autocast(x.device.type, enabled=False):
        both, n = torch.cat([_full(x), _full(y)]), len(x)
        matrix = kernel(both, both)
    return matrix[:n, :n], matrix[:n, n:], matrix[n:, n:]


def _full(x: Tensor) -> Tensor:
    """Return x in float32 at least: differences of close bfloat16 features would be noise."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
