"""The `bgc` pipe of ADA: Training GANs with Limited Data (Karras et al., 2020), arXiv:2006.06676, appendix B.

Blit (flip, quarter turns, whole-pixel moves), geometry (scale, turn, stretch, move) and colour. All geometry of a
picture is one matrix and one bilinear read, where the authors filter with a wavelet around theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import torch
from torch import Tensor

from gantlet.augment.sampling import exact, move


def bgc(x: Tensor, p: Tensor) -> Tensor:
    """Return pictures x [N, C, H, W] to which each augmentation was applied with probability p, a tensor of one number.

    Of clips [N, C, T, H, W] all frames are changed alike. Colour of three channels is RGB; of any other number,
    brightness, contrast and inversion act on all alike.
    """
    with torch.autocast(x.device.type, enabled=False):
        x = exact(x)
        return recolour(move(x, geometry(x, p), "reflection"), p)


def geometry(x: Tensor, p: Tensor) -> Tensor:
    """Return one matrix [N, 3, 3] per picture, from places in the new picture to places in the old one."""
    count, (height, width) = len(x), x.shape[-2:]
    some = sometimes(x, p)
    one, zero = x.new_ones(count), x.new_zeros(count)
    matrix = scaled(1 - 2 * some(torch.floor(uniform(x) * 2), zero), one)  # mirror
    matrix = matrix @ turned(some(torch.floor(uniform(x) * 4) * (pi / 2), zero))  # quarter turns
    across, down = ((uniform(x) * 2 - 1) * 0.125 * side for side in (width, height))
    matrix = matrix @ moved(*_both(across.round(), down.round(), x, p))  # whole pixels
    scale = some(torch.exp2(normal(x) * 0.2), one)
    matrix = matrix @ scaled(1 / scale, 1 / scale)
    half = 1 - torch.sqrt(1 - p)  # two turns, before and after the stretch, so that either happens with probability p
    matrix = matrix @ turned(sometimes(x, half)((uniform(x) * 2 - 1) * pi, zero))
    stretch = some(torch.exp2(normal(x) * 0.2), one)
    matrix = matrix @ scaled(1 / stretch, stretch)
    matrix = matrix @ turned(sometimes(x, half)((uniform(x) * 2 - 1) * pi, zero))
    return matrix @ moved(*_both(normal(x) * 0.125 * width, normal(x) * 0.125 * height, x, p))


def recolour(x: Tensor, p: Tensor) -> Tensor:
    """Return pictures with new colours: one affine map of RGB per picture."""
    some, count = sometimes(x, p), len(x)
    ends = [1] * (x.dim() - 2)
    one, zero = x.new_ones(count), x.new_zeros(count)
    axis = x.new_full((3, 3), 1 / 3)  # projects a colour on grey: v v^T, v = (1, 1, 1) / sqrt(3)
    same = torch.eye(3, device=x.device, dtype=x.dtype)
    shift = some(normal(x) * 0.2, zero)  # brightness
    colour = same * some(torch.exp2(normal(x) * 0.5), one)[:, None, None]  # contrast
    shift = shift * colour[:, 0, 0]
    upside = some(torch.floor(uniform(x) * 2), zero)[:, None, None]  # inversion of luma, hue kept
    mirror = same - 2 * axis * upside
    colour, shift = mirror @ colour, shift * mirror.sum(2)[:, 0]
    if x.shape[1] != 3:
        gain = colour.sum(2).mean(1)
        return x * gain.view(-1, 1, *ends) + shift.view(-1, 1, *ends)
    angle = some((uniform(x) * 2 - 1) * pi, zero)[:, None, None]
    cross = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=x.device, dtype=x.dtype) / 3**0.5
    hue = axis + angle.cos() * (same - axis) + angle.sin() * cross  # Rodrigues, about the grey axis
    saturate = some(torch.exp2(normal(x)), one)[:, None, None]
    colour = (axis + saturate * (same - axis)) @ hue @ colour  # neither moves grey, so the shift stays
    return (colour @ x.flatten(2)).view(x.shape) + shift.view(-1, 1, *ends)


def sometimes(x: Tensor, p: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Return choose(changed [N], unchanged [N]): the first with probability p, drawn anew for every call."""
    return lambda changed, unchanged: torch.where(uniform(x) < p, changed, unchanged)


def _both(across: Tensor, down: Tensor, x: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """Return a move in two directions or none, the same choice for both."""
    chosen = (uniform(x) < p).to(x.dtype)
    return across * chosen, down * chosen


def uniform(x: Tensor) -> Tensor:
    """Return [N] numbers in [0, 1)."""
    return torch.rand(len(x), device=x.device, dtype=x.dtype)


def normal(x: Tensor) -> Tensor:
    """Return [N] standard normal numbers."""
    return torch.randn(len(x), device=x.device, dtype=x.dtype)


def _matrix(*entries: Tensor) -> Tensor:
    return torch.stack(entries, dim=-1).view(-1, 3, 3)


def scaled(across: Tensor, down: Tensor) -> Tensor:
    """Return [N, 3, 3] that multiplies columns by `across` [N] and rows by `down` [N]."""
    zero, one = torch.zeros_like(across), torch.ones_like(across)
    return _matrix(across, zero, zero, zero, down, zero, zero, zero, one)


def turned(angle: Tensor) -> Tensor:
    """Return [N, 3, 3] that turns by `angle` [N]."""
    zero, one, sine, cosine = torch.zeros_like(angle), torch.ones_like(angle), angle.sin(), angle.cos()
    return _matrix(cosine, -sine, zero, sine, cosine, zero, zero, zero, one)


def moved(across: Tensor, down: Tensor) -> Tensor:
    """Return [N, 3, 3] that moves by so many pixels [N]."""
    zero, one = torch.zeros_like(across), torch.ones_like(across)
    return _matrix(one, zero, across, zero, one, down, zero, zero, one)
