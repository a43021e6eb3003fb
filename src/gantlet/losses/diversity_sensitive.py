"""A reward for outputs that differ as their latents do (Yang et al., 2019, arXiv:1901.09024)."""

from __future__ import annotations

from torch import Tensor


def diversity_sensitive(first: Tensor, second: Tensor, z_first: Tensor, z_second: Tensor) -> Tensor:
    """Return -|first - second| / |z_first - z_second| per pair, [N], with mean absolute differences.

    Outputs [N, ...], latents [N, D]; both means run over all their dimensions but the batch.
    """
    apart = (first - second).float().abs().flatten(1).mean(1)
    return -apart / (z_first - z_second).abs().mean(1).add(1e-12)
