"""What BigGAN does when it samples: truncated latents, and batch norm with statistics of such latents (Brock 2019)."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from math import erf, sqrt
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from gantlet.draws import SampleDraws
from gantlet.errors import UserError
from gantlet.recipe import Draws, Nets

STANDING_BATCH = 64  # samples per batch of standing statistics


def truncated(z: Tensor, truncation: float | None) -> Tensor:
    """Return standard normal z [N, dim] mapped to the standard normal truncated to [-truncation, truncation].

    The paper draws numbers beyond the threshold anew until they fall within (section 3.1), which gives that
    distribution. Here each number is pushed through it exactly, without a loop: F_t^-1(F(z)) with F(z) uniform, that is
    sqrt(2) erfinv(erf(t / sqrt 2) erf(z / sqrt 2)). So sample i still depends on its own draw alone, a wide threshold
    leaves it as it is, and a narrower one moves it gradually towards the centre. None truncates nothing.

    Raises UserError unless the threshold is positive.
    """
    if truncation is None:
        return z
    if not truncation > 0:
        raise UserError(
            f"The truncation is the largest size of a latent number and must be positive, not {truncation}."
        )
    inside = erf(truncation / sqrt(2)) * torch.erf(z / sqrt(2))
    return (sqrt(2) * torch.erfinv(inside)).clamp(-truncation, truncation)


class StandingStatistics:
    """Networks whose batch norms hold the statistics of their own samples at one truncation, averaged over batches.

    Without them evaluation reads the running averages of training, which fit untruncated latents and older weights
    (Brock 2019, appendix C; "standing statistics" in the authors' code). The latents and labels behind them are a fixed
    stream, drawn by number like any samples: they depend on no seed and on no batch that is asked for, so sample i
    still depends on (seed, i) alone. The last result for each network is kept for as long as its weights stay the same.
    """

    def __init__(self, latent_dim: int, num_classes: int) -> None:
        self._latent_dim, self._num_classes = latent_dim, num_classes
        self._kept: WeakKeyDictionary[nn.Module, tuple[tuple[float | None, int], nn.Module]] = WeakKeyDictionary()

    def __call__(self, G: nn.Module, truncation: float | None, batches: int) -> nn.Module:
        """Return G in evaluation mode with statistics of `batches` batches of 64 samples; G itself stays as it is."""
        wanted = (truncation, batches)
        kept = self._kept.get(G)
        if kept is None or kept[0] != wanted or not _same_weights(G, kept[1]):
            with torch.inference_mode(False), torch.no_grad():
                kept = wanted, self._gather(G, truncation, batches)
            self._kept[G] = kept
        return kept[1]

    def _gather(self, G: nn.Module, truncation: float | None, batches: int) -> nn.Module:
        twin = copy.deepcopy(G).train().requires_grad_(False)
        for module in twin.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None  # a plain average over all batches
        device = next(twin.parameters()).device
        for batch in range(batches):
            draws = SampleDraws(0, range(batch * STANDING_BATCH, (batch + 1) * STANDING_BATCH), device)
            z = truncated(draws.normal("standing z", self._latent_dim), truncation)
            y = (draws.uniform("standing y") * self._num_classes).long() if self._num_classes else None
            twin(z, y)
        return twin.eval()


def _same_weights(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(_weights(a), _weights(b), strict=True))


def _weights(network: nn.Module) -> list[Tensor]:
    """Return all parameters, and the buffers that are no statistics of batch norm (those of spectral norm)."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    statistics = {id(buffer) for norm in norms for buffer in norm.buffers()}
    tensors = itertools.chain(network.parameters(), network.buffers())
    return [tensor for tensor in tensors if id(tensor) not in statistics]


def truncating_sampler(latent_dim: int, num_classes: int) -> Callable[..., Tensor]:
    """Return the function that draws new samples from G, with truncation and standing statistics as options."""
    statistics = StandingStatistics(latent_dim, num_classes)

    def sample(
        nets: Nets,
        draws: Draws,
        label: Tensor | None = None,
        truncation: float | None = None,  # largest size of a latent number; None for any
        standing: int = 0,  # batches behind batch norm's statistics (100 in the paper); 0: the averages of training
    ) -> Tensor:
        G = statistics(nets.G, truncation, standing) if standing else nets.G
        pictures: Tensor = G(truncated(draws.normal("z", latent_dim), truncation), label)
        return pictures

    return sample
