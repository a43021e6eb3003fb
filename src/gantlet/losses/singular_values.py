"""Singular value clipping: a critic whose layers are all 1-Lipschitz (Saito et al., 2017, section 4.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WEIGHTED = (nn.Conv2d, nn.Conv3d, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@torch.no_grad()
def clip_singular_values(network: nn.Module) -> None:
    """Cut the singular values of every layer's weight [out, rest] at 1, and the gain of batch norms at their deviation.

    A batch norm multiplies by gain / sqrt(running variance): that is held within [0, 1] (section 4.1). The paper does
    it every fifth update, for its cost; after each update the bound holds always.
    """
    for module in network.modules():
        if isinstance(module, WEIGHTED):
            module.weight.copy_(clipped(module.weight))
        elif isinstance(module, NORMS) and module.affine:
            assert module.running_var is not None
            limit = (module.running_var + module.eps).sqrt()
            module.weight.copy_(module.weight.clamp_min(0.0).minimum(limit))


def clipped(weight: Tensor) -> Tensor:
    """Return a weight [out, ...] whose singular values, as a matrix [out, rest], are at most 1.

    From the eigenvalues of the smaller of W W^T and W^T W, far less work than its singular vectors on both sides:
    W <- U min(1, 1 / s) U^T W.
    """
    matrix = weight.flatten(1).float()
    wide = matrix.shape[0] <= matrix.shape[1]
    values, vectors = torch.linalg.eigh(matrix @ matrix.t() if wide else matrix.t() @ matrix)
    factor = values.clamp_min(1e-12).rsqrt().clamp_max(1.0)
    shrink = (vectors * factor) @ vectors.t()
    cut: Tensor = shrink @ matrix if wide else matrix @ shrink
    return cut.view_as(weight).type_as(weight)
