"""Pixelwise feature normalisation (Karras 2018, section 4.2)."""

from __future__ import annotations

from torch import Tensor

from gantlet.layers.precision import wide


def pixel_norm(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Divide the feature vector at every position by its root mean square: x [N, C, ...], over C alone.

    For a latent z [N, latent_dim] this is the projection onto the hypersphere of radius sqrt(latent_dim).
    """
    return x * (wide(x).square().mean(1, keepdim=True) + eps).rsqrt().type_as(x)
