"""Path length regularisation (Karras 2020, section 3.2): steps in w should change the picture by a constant amount."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor


def path_lengths(synthesis: Callable[[Tensor], Tensor], w: Tensor, direction: Tensor) -> Tensor:
    """Return |J_w^T direction| per sample, [N], with its graph kept: float32, outside autocast, in every precision.

    w [N, layers, latent_dim] with the graph of the mapping; direction [N, C, H, W] from N(0, 1), which is divided by
    sqrt(H W). Squares are summed over latent_dim and averaged over layers, as the authors' code does.
    """
    with torch.autocast(w.device.type, enabled=False):
        w = w.float()
        pictures = synthesis(w).float()
        projected = (pictures * direction).sum() / sqrt(direction.shape[-2] * direction.shape[-1])
        (gradient,) = torch.autograd.grad(projected, w, create_graph=True)
    # Not zero under the root: its derivative there is infinite.
    return gradient.square().sum(2).mean(1).add(1e-12).sqrt()
