"""Spectral normalisation (Miyato 2018): weights divided by their largest singular value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

Layer = TypeVar("Layer", bound=nn.Module)


class SpectralNorm(nn.Module):
    """W -> W / sigma(W), sigma = u^T W v with u, v from power iteration on the weight as a matrix [out, rest].

    A forward pass reads u and v and never moves them; `power_iteration` does, once after each update of the weights
    (Algorithm 1). So a pass for real and one for fake, an accumulated batch or an evaluation change nothing.
    For a convolution this is the norm of the reshaped weight, as in the paper, not of the true operator.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("u", F.normalize(torch.randn(matrix.shape[0], generator=generator), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(matrix.shape[1], generator=generator), dim=0))
        self.iterate(matrix, 15)

    @torch.no_grad()
    def iterate(self, weight: Tensor, times: int = 1) -> None:
        """Move u and v towards the leading singular vectors of `weight`."""
        matrix = weight.flatten(1)
        for _ in range(times):
            self.v.copy_(F.normalize(matrix.t().mv(self.u), dim=0, eps=1e-12))
            self.u.copy_(F.normalize(matrix.mv(self.v), dim=0, eps=1e-12))

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            # Copies, because `iterate` writes in place while a graph may still hold u and v.
            sigma = self.u.clone().dot(weight.flatten(1).mv(self.v.clone()))
            return weight / sigma


def spectral_norm(layer: Layer) -> Layer:
    """Return `layer` (convolution, linear or embedding) with its weight spectrally normalised."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    parametrize.register_parametrization(layer, "weight", SpectralNorm(weight), unsafe=True)
    return layer


def spectral(network: Layer) -> Layer:
    """Put spectral norm on every convolution, linear layer and embedding of a network and return it."""
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
            spectral_norm(module)
    return network


def power_iteration(network: nn.Module) -> None:
    """Advance every spectral norm in `network` by one power iteration: a `Player.constrain`, after each update."""
    for module in normalised(network):
        original = module.original
        assert isinstance(original, Tensor)
        assert isinstance(module[0], SpectralNorm)
        module[0].iterate(original)


def normalised(network: nn.Module) -> list[parametrize.ParametrizationList]:
    """Return the places of a network that have spectral norm."""
    lists = [module for module in network.modules() if isinstance(module, parametrize.ParametrizationList)]
    return [found for found in lists if isinstance(found[0], SpectralNorm)]


def constraint(network: nn.Module) -> Callable[[nn.Module], None] | None:
    """Return `power_iteration` for a network with spectral norm, None for others: the walk is not free."""
    return power_iteration if normalised(network) else None
