"""Penalties on a discriminator's gradient or weights. They run in float32, outside autocast, in every precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable

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


def orthogonal_penalty(weights: Iterable[Tensor]) -> Tensor:
    """Return the sum over weights of |W W^T * (1 - I)|_F^2, a scalar (Brock 2019, Eq. 3, its beta left out).

    Each weight is read as a matrix [out, rest] whose rows are the filters: filters shall differ, their lengths are
    free. Embeddings are left out by not passing them.
    """
    return torch.stack([_overlap(weight) for weight in weights]).sum()


def _overlap(weight: Tensor) -> Tensor:
    with torch.autocast(weight.device.type, enabled=False):
        rows = weight.flatten(1).float()
        if rows.shape[0] <= rows.shape[1]:
            return 2 * (rows @ rows.t()).triu(1).square().sum()
        # |W W^T|_F = |W^T W|_F: of the two products the smaller one, less the diagonal. A tall first layer (24576 x 20
        # at 128 pixels) would take 2.4 GB otherwise.
        return (rows.t() @ rows).square().sum() - rows.square().sum(1).square().sum()


def instance_noise_penalty(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """Return (1 - D)^2 |grad f|^2 on real plus D^2 |grad f|^2 on fake, [N], D = sigmoid(f) (Roth 2017).

    The analytic limit of Gaussian noise on D's inputs for the Jensen-Shannon game: with weight gamma / 2 it stands for
    noise of variance gamma. The weights are differentiated too, as in the authors' code.
    """
    (real_logits, real_norm), (fake_logits, fake_norm) = (_logits_and_norm(critic, x) for x in (real, fake))
    return (1 - real_logits.sigmoid()).square() * real_norm + fake_logits.sigmoid().square() * fake_norm


def _logits_and_norm(critic: Critic, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the critic's logits and the squared norm of its gradient, [N] each, float32, with their graph."""
    with torch.autocast(x.device.type, enabled=False):
        x = x.detach().float().requires_grad_(True)
        logits = critic(x).float()
        (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return logits, gradient.flatten(1).square().sum(1)
