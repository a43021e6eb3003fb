"""How far two tensors are apart, per sample: arguments [N, ...] of one shape, results [N], float32."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def l1(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean absolute difference per sample, [N]."""
    return (x.float() - y.float()).abs().flatten(1).mean(1)


def feature_distance(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Return the mean over maps of their mean absolute differences, [N]: maps [N, ...] of a network, layer by layer.

    Feature matching as in Wang et al., 2018 (pix2pixHD), Eq. 3. What is to be constant (the maps of the real picture)
    the caller detaches. Raises ValueError if the lists are empty or of different lengths.
    """
    if not first or len(first) != len(second):
        raise ValueError(f"needs as many maps of one as of the other, not {len(first)} and {len(second)}")
    return torch.stack([l1(a, b) for a, b in zip(first, second, strict=True)]).mean(0)
