"""Penalties on a discriminator's gradient or weights. They run in float32, outside autocast, in every precision."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Critic = Callable[[Tensor], Tensor]  # images [N, ...] -> logits [N], labels already bound


def input_gradient(critic: Critic, x: Tensor) -> Tensor:
    """Return d(critic)/dx per sample, [N, numel], float32, with its graph kept.

    The sum over the batch, not its mean, is differentiated: sample i's logit depends on x_i alone (no batch norm in the
    critic), so row i is that sample's own gradient. `create_graph` because the penalty is itself differentiated.
    """
    with torch.autocast(x.device.type, enabled=False):
        x = x.detach().float().requires_grad_(True)
        (gradient,) = torch.autograd.grad(critic(x).float().sum(), x, create_graph=True)
    return gradient.flatten(1)


def gradient_norm_squared(critic: Critic, x: Tensor) -> Tensor:
    """Return the squared norm of the critic's gradient per sample, [N]: R1 on real x, R2 on fake x (Mescheder 2018)."""
    return input_gradient(critic, x).square().sum(1)


def interpolated_gradient_penalty(
    critic: Critic, real: Tensor, fake: Tensor, mix: Tensor, centre: float = 1.0
) -> Tensor:
    """Return (|grad f(x)| - centre)^2 at x = mix * real + (1 - mix) * fake, [N] (Gulrajani 2017, Eq. 3).

    `mix` is uniform in [0, 1), one number per sample [N]: not per pixel, the trap of many copies. The norm runs over
    all dimensions but the batch.
    """
    mix = mix.view(-1, *[1] * (real.dim() - 1))
    norm = input_gradient(critic, mix * real + (1 - mix) * fake).square().sum(1).add(1e-12).sqrt()
    return (norm - centre).square()


def perturbed_gradient_penalty(critic: Critic, real: Tensor, noise: Tensor, centre: float = 1.0) -> Tensor:
    """Return (|grad D(x + delta)| - centre)^2 around the data only, [N], delta = 0.5 std(real) noise (Kodali 2017).

    `noise` has the shape of `real`; the paper draws it uniform in [0, 1).
    """
    norm = input_gradient(critic, real + 0.5 * real.std() * noise).square().sum(1).add(1e-12).sqrt()
    return (norm - centre).square()


def clip_weights(limit: float) -> Callable[[nn.Module], None]:
    """Return a constraint that clips every parameter to [-limit, limit] (Arjovsky 2017, Algorithm 1).

    Parameters only: clipping the buffers of batch norm would falsify its statistics.
    """

    @torch.no_grad()
    def clip(network: nn.Module) -> None:
        for parameter in network.parameters():
            parameter.clamp_(-limit, limit)

    return clip
