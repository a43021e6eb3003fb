"""BiGAN: Adversarial Feature Learning (Donahue et al., 2017), arXiv:1605.09782. Permutation-invariant, as on MNIST.

ALI (Dumoulin et al., 2017), arXiv:1606.00704, is the same game, found at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from gantlet.losses.adversarial import nonsaturating
from gantlet.losses.penalties import gradient_norm_squared
from gantlet.networks import bigan as networks
from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import report_diversity, report_game, sampler, uniform
from gantlet.recipes.optimizers import adam
from gantlet.recipes.signs import IMAGE_GAN

TINY = dict(channels=1, resolution=8, latent_dim=4, width=16, batch_size=8, d_norm=False, r1_gamma=1.0, r1_every=2)
QUICK: dict[str, dict[str, object]] = {
    # First guess. After 125,000 samples of MNIST 1-NN on E(x) was right on 94.7 % of the test split (one seed).
    "bigan": dict(width=512, d_norm=False, r1_gamma=1.0, r1_every=4, lr=5e-4, constant_samples=1_000_000)
}


def judged(nets: Nets, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the logits of (x, E(x)), those of (G(z), z), and G(z)."""
    fake = nets.G(z)
    return nets.D(x, nets.E(x)), nets.D(fake, z), fake


def encode(nets: Nets, pictures: Tensor) -> Tensor:
    """Return E(x), [N, latent_dim]."""
    z: Tensor = nets.E(pictures)
    return z


def falling_rate(lr: float, constant: int, decay: int) -> Callable[[Progress], Mapping[str, Any]]:
    """Return a schedule: `lr` for `constant` samples, then exponentially down to a hundredth in `decay` samples."""
    return lambda progress: {"lr": lr * 0.01 ** min(max(progress.samples - constant, 0) / decay, 1.0)}


def bigan(
    *,
    channels: int = 1,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 28,  # side, or (height, width); filled from the data
    latent_dim: int = 50,  # size of z, uniform in [-1, 1) (authors' code for MNIST)
    width: int = 1024,  # units of the two hidden layers of E, G and D (authors' code)
    d_norm: bool = True,  # batch norm in D (authors' code)
    r1_gamma: float = 0.0,  # R1 on D's pair (x, E(x)), applied as gamma / 2 (Mescheder 2018); 0 as published
    r1_every: int = 1,  # steps between penalties, which are so much stronger then
    lr: float = 2e-4,  # Adam (authors' code)
    beta1: float = 0.5,  # authors' code
    weight_decay: float = 2.5e-5,  # L2 (authors' code)
    constant_samples: int = 12_000_000,  # samples before the rate decays: 200 epochs of MNIST (authors' code)
    decay_samples: int = 12_000_000,  # samples in which it falls to a hundredth, exponentially (authors' code)
    batch_size: int = 128,  # authors' code
    average_halflife: int = 10_000,  # of G's and E's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """D judges pairs: (x, E(x)) is real, (G(z), z) is fake; E and G together play for the opposite verdict.

    At the optimum E inverts G. Reconstructions are never compared with pictures: they keep the meaning, not the pixels.
    """

    def discriminator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real_logits, fake_logits, _ = judged(nets, batch["image"], uniform(progress, latent_dim))
        report_game(progress, real_logits, fake_logits)
        return {"adversarial": nonsaturating.discriminator(real_logits, fake_logits).mean()}

    def generator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real_logits, fake_logits, fake = judged(nets, batch["image"], uniform(progress, latent_dim))
        report_diversity(progress, batch["image"], fake)
        # Section 3.4's inverse objective: D's own loss with the two verdicts exchanged.
        return {"adversarial": nonsaturating.discriminator(fake_logits, real_logits).mean()}

    def r1_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        pair = nets.D.pair(batch["image"], nets.E(batch["image"]))
        return {"r1": r1_gamma / 2 * gradient_norm_squared(nets.D.of_pair, pair).mean()}

    G = networks.Generator(latent_dim, channels, resolution, width)
    E = networks.Encoder(channels, resolution, latent_dim, width)
    D = networks.JointDiscriminator(channels, resolution, latent_dim, width, d_norm)
    optimizer = adam(lr, (beta1, 0.999), weight_decay)
    rate = falling_rate(lr, constant_samples, decay_samples)
    penalty = (Phase(player="D", loss=r1_loss, every=r1_every),) if r1_gamma else ()
    return Recipe(
        players={
            "G": Player(
                networks={"G": G, "E": E}, optimizer=optimizer, average_halflife=average_halflife, schedule=rate
            ),
            "D": Player(networks={"D": D}, optimizer=optimizer, schedule=rate),
        },
        phases=(Phase(player="D", loss=discriminator_loss), Phase(player="G", loss=generator_loss), *penalty),
        batch_size=batch_size,
        sample=sampler(uniform, latent_dim),
        encode=encode,
        signs=IMAGE_GAN,
    )
