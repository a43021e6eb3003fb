"""R3GAN: The GAN is dead; long live the GAN! A Modern Baseline GAN (Huang et al., 2024), arXiv:2501.05441.

Left out: the augmentation of the authors' runs (its probability rises along the same cosine to .3 or .55). The
half-life of their moving average rises along it too; here it is a twentieth of the samples seen until it is the final
one (the engine's own ramp, engine/average.py): longer than theirs in the first tenth of the cosine, and on CIFAR-10
shorter afterwards, where 5 million are reached after 100 million samples and not after 20.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn

from gantlet.losses.adversarial import relativistic
from gantlet.networks import r3gan as networks
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Progress, Recipe
from gantlet.recipes.image_gan import image_gan, normal, report_game
from gantlet.recipes.optimizers import adam

TINY = dict(
    channels=1, resolution=8, num_classes=3, latent_dim=8, width=8, full_width_side=4, blocks=1, group_width=4,
    gamma=1.0, gamma_end=0.1, batch_size=8,
)  # fmt: skip
# docs/lab-log.md, 2026-11-21; lr and widths by eye on MNIST
QUICK: dict[str, dict[str, object]] = {
    "r3gan": dict(
        width=32, full_width_side=8, blocks=1, gamma=1.0, gamma_end=0.5, lr=2e-3, lr_end=5e-4, beta2=0.99,
        decay_samples=200_000, batch_size=8, average_halflife=10_000,
    )
}  # fmt: skip
# Published settings (authors' code, train.py); 2 blocks per stage, latent_dim 64, lr and beta2 are the same in all.
PRESETS: dict[str, dict[str, object]] = {
    "cifar10": dict(resolution=32, num_classes=10),  # these are the defaults
    "ffhq64": dict(resolution=64, gamma=2.0, gamma_end=0.2, batch_size=256, average_halflife=500_000),
    "ffhq256": dict(resolution=256, gamma=150.0, gamma_end=15.0, batch_size=256, average_halflife=500_000),
    "imagenet32": dict(
        resolution=32, num_classes=1000, width=1536, group_width=32, gamma=0.5, gamma_end=0.05,
        decay_samples=200_000_000, batch_size=4096, average_halflife=50_000_000,
    ),
    "imagenet64": dict(
        resolution=64, num_classes=1000, width=1536, full_width_side=64, group_width=32, gamma=1.0, gamma_end=0.1,
        decay_samples=200_000_000, batch_size=4096, average_halflife=50_000_000,
    ),
}  # fmt: skip


def r3gan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    latent_dim: int = 64,  # size of z (authors' code, like all that follows: CIFAR-10)
    width: int = 768,  # feature maps of both networks on small grids
    full_width_side: int = 32,  # side of the largest grid of full width; the maps halve at each doubling above
    blocks: int = 2,  # residual blocks per stage
    group_width: int = 16,  # maps per group of the 3x3 convolutions: cardinality 96 at width 768
    gamma: float = 0.05,  # of R1 and of R2, each applied as gamma / 2
    gamma_end: float = 0.005,  # after decay_samples, along a cosine like the other ends
    lr: float = 2e-4,  # Adam
    lr_end: float = 5e-5,  # after decay_samples
    beta2: float = 0.9,  # beta1 is 0
    beta2_end: float = 0.99,  # after decay_samples
    decay_samples: int = 20_000_000,  # samples over which the cosines run
    batch_size: int = 512,  # over all processes
    average_halflife: int = 5_000_000,  # of G's moving average, in samples: the final one
) -> Recipe:
    """The relativistic pairing game with R1 and R2 at every step: it converges locally, and needs no further tricks.

    Published sizes are in `PRESETS`. gamma depends on the data, not on the resolution alone: CIFAR-10 .05, FFHQ-64 2,
    FFHQ-256 150; watch D/r1 and D/r2 beside D/adversarial.
    """

    def schedule(progress: Progress) -> Mapping[str, Any]:
        done = progress.samples / decay_samples
        return {"lr": cosine(lr, lr_end, done), "betas": (0.0, cosine(beta2, beta2_end, done))}

    sizes = dict(width=width, num_classes=num_classes, full_width_side=full_width_side)
    sizes |= dict(blocks=blocks, group_width=group_width)
    game = image_gan(
        G=networks.Generator(latent_dim, channels, resolution, **sizes),
        D=networks.Discriminator(channels, resolution, **sizes),
        loss=relativistic,
        latent_dim=latent_dim,
        g_optimizer=adam(lr, (0.0, beta2)),
        d_optimizer=adam(lr, (0.0, beta2)),
        g_schedule=schedule,
        d_schedule=schedule,
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
    _, of_g = game.phases
    of_d = paired_loss(latent_dim, lambda progress: cosine(gamma, gamma_end, progress.samples / decay_samples))
    return replace(game, phases=(Phase(player="D", loss=of_d), of_g), sample=within_range(game.sample))


def paired_loss(latent_dim: int, gamma: Callable[[Progress], float]) -> Callable[[Nets, Batch, Progress], Losses]:
    """Return D's loss: the pairing game with gamma / 2 times R1 and R2, from one pass over real and fake."""

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real, y = batch["image"], batch.get("label")
        fake = nets.G(normal(progress, latent_dim), y)
        real_logits, fake_logits, r1, r2 = judge_with_gradients(nets.D, real, fake, y)
        middle = (real_logits.detach().mean() + fake_logits.detach().mean()) / 2  # pairs leave a constant undetermined
        report_game(progress, real_logits - middle, fake_logits - middle)
        return {
            "adversarial": relativistic.discriminator(real_logits, fake_logits).mean(),
            "r1": gamma(progress) / 2 * r1.mean(),
            "r2": gamma(progress) / 2 * r2.mean(),
        }

    return loss


def judge_with_gradients(
    D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return logits of real and fake and their squared input gradients (R1, R2), [N] each, from one pass of D.

    The penalties and the game share the forward pass, so it runs in float32 like every penalty: a second, cheaper pass
    would cost more. D must judge each sample by itself.
    """
    with torch.autocast(real.device.type, enabled=False):
        x = torch.cat([real.float(), fake.float()]).detach().requires_grad_(True)
        logits = D(x, None if y is None else torch.cat([y, y]))
        (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    real_logits, fake_logits = logits.chunk(2)
    r1, r2 = gradient.square().flatten(1).sum(1).chunk(2)
    return real_logits, fake_logits, r1, r2


def cosine(first: float, last: float, done: float) -> float:
    """Return the value after the share `done` of a half cosine from `first` to `last`, which then stays."""
    return last + (first - last) * (1 + cos(pi * min(max(done, 0.0), 1.0))) / 2


def within_range(sample: Callable[..., Tensor] | None) -> Callable[..., Tensor]:
    """Return `sample` with its pictures cut to [-1, 1]: G has no tanh."""
    assert sample is not None

    def cut(nets: Nets, draws: Draws, label: Tensor | None = None) -> Tensor:
        return sample(nets, draws, label).clamp(-1, 1)

    return cut
