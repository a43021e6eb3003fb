"""GAN: Generative Adversarial Networks (Goodfellow et al., 2014), arXiv:1406.2661. Fully connected.

`gan_2014` is the published MNIST experiment (goodfeli/adversarial, `mnist.yaml`): maxout D with dropout, SGD with
momentum. `gan` is the same game with the optimizer and the activations that later made it dependable.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from gantlet.losses.adversarial import AdversarialLoss, nonsaturating
from gantlet.networks import initialisation, mlp
from gantlet.recipe import Progress, Recipe
from gantlet.recipes.image_gan import apart, image_gan, uniform
from gantlet.recipes.optimizers import adam, sgd

TINY = dict(channels=1, resolution=8, latent_dim=8, batch_size=8)
QUICK: dict[str, dict[str, object]] = {
    # Chosen on MNIST, one seed (docs/lab-log.md, 2026-11-21); measured over three in benchmarks/results/spine.json.
    "gan": dict(latent_dim=64, width=512, batch_size=64),
    "gan_2014": dict(),
}


def leaky() -> nn.Module:
    """Return LeakyReLU(.2)."""
    return nn.LeakyReLU(0.2)


def gan(
    *,
    channels: int = 1,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 28,  # side, or (height, width); filled from the data
    latent_dim: int = 100,  # size of z (`mnist.yaml`), uniform in [-1, 1): ours
    width: int = 1200,  # hidden units of G (Goodfellow 2014, code); D has 512 and 256
    lr: float = 2e-4,  # Adam of Radford 2016, section 4
    beta1: float = 0.5,  # idem
    batch_size: int = 100,  # Goodfellow 2014, code
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018)
) -> Recipe:
    """The 2014 game with Adam and LeakyReLU: D 512-256, G 1200-1200, -log D trick."""
    return image_gan(
        G=mlp.Generator(latent_dim, channels, resolution, (width, width), activation=leaky),
        D=mlp.Discriminator(channels, resolution),
        loss=nonsaturating,
        latent_dim=latent_dim,
        latent=uniform,
        g_optimizer=adam(lr, (beta1, 0.999)),
        d_optimizer=adam(lr, (beta1, 0.999)),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )


def halved(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Return half of D's cross-entropies, as their cost is written (`AdversaryCost2`): under SGD half the rate."""
    return nonsaturating.discriminator(real_logits, fake_logits) / 2


HALVED = AdversarialLoss(halved, nonsaturating.generator)


def schedule_2014(
    progress: Progress, lr: float = 0.1, epoch: int = 50_000, decay: float = 1.000004
) -> dict[str, float]:
    """Return lr 0.1 / decay^step down to 1e-6, momentum .5 -> .7 over 250 epochs of 50,000 digits (`mnist.yaml`)."""
    momentum = 0.5 + 0.2 * min(progress.samples / (250 * epoch), 1.0)
    return {"lr": max(lr / decay**progress.step, 1e-6), "momentum": momentum}


def gan_2014(
    *,
    channels: int = 1,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 28,  # side, or (height, width); filled from the data
    latent_dim: int = 100,  # size of z (`mnist.yaml`), normal (the code's default)
    width: int = 1200,  # hidden units of G (`mnist.yaml`)
    maxout_units: int = 240,  # of D, 5 pieces each (`mnist.yaml`)
    batch_size: int = 100,  # `mnist.yaml`
) -> Recipe:
    """The published experiment: maxout D with dropout, SGD 0.1 with rising momentum, weights U(.05) and U(.005).

    G ends in a sigmoid and D sees pictures in [0, 1], as published. The output bias starts at 0 instead of at the
    data's marginals. Fragile, as it was: a lesson, not a default.
    """
    G = mlp.Generator(latent_dim, channels, resolution, (width, width), output=mlp.sigmoid_output)
    D = mlp.MaxoutDiscriminator(channels, resolution, maxout_units)
    G.apply(initialisation.uniform(0.05))
    D.apply(initialisation.uniform(0.005))
    return image_gan(
        G=G,
        D=D,
        loss=HALVED,
        latent_dim=latent_dim,
        judge=apart,
        g_optimizer=sgd(0.1, 0.5),
        d_optimizer=sgd(0.1, 0.5),
        g_schedule=schedule_2014,
        d_schedule=schedule_2014,
        batch_size=batch_size,
    )
