"""cGAN: Conditional Generative Adversarial Nets (Mirza & Osindero, 2014), arXiv:1411.1784. Fully connected, labelled.

`cgan_2014` is the published MNIST experiment (section 4.1); `cgan` the same game with Adam and LeakyReLU.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gantlet.losses.adversarial import nonsaturating
from gantlet.networks import initialisation, mlp
from gantlet.recipe import Recipe
from gantlet.recipes.image_gan import apart, image_gan, uniform
from gantlet.recipes.images.gan import HALVED, leaky, schedule_2014
from gantlet.recipes.optimizers import adam, sgd

TINY = dict(channels=1, resolution=8, num_classes=3, latent_dim=8, batch_size=8)
# Chosen on MNIST, one seed (docs/lab-log.md, 2026-11-21); measured over three in benchmarks/results/spine.json.
QUICK: dict[str, dict[str, object]] = {"cgan": dict(latent_dim=64, width=512, batch_size=64), "cgan_2014": dict()}


def cgan(
    *,
    channels: int = 1,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 28,  # side, or (height, width); filled from the data
    num_classes: int = 10,  # filled from the data, which must have labels
    latent_dim: int = 100,  # size of z, uniform (section 4.1)
    width: int = 1200,  # hidden units after latent and label have met (section 4.1)
    lr: float = 2e-4,  # Adam of Radford 2016, section 4
    beta1: float = 0.5,  # idem
    batch_size: int = 100,  # section 4.1
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018)
) -> Recipe:
    """Label and latent have a hidden layer each in G (1000 and 200 into 1200); D 512-256 with a projection."""
    return image_gan(
        G=mlp.Generator(latent_dim, channels, resolution, (200, width), num_classes, activation=leaky),
        D=mlp.Discriminator(channels, resolution, num_classes=num_classes),
        loss=nonsaturating,
        latent_dim=latent_dim,
        latent=uniform,
        g_optimizer=adam(lr, (beta1, 0.999)),
        d_optimizer=adam(lr, (beta1, 0.999)),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )


def cgan_2014(
    *,
    channels: int = 1,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 28,  # side, or (height, width); filled from the data
    num_classes: int = 10,  # filled from the data, which must have labels
    latent_dim: int = 100,  # size of z, uniform (section 4.1)
    batch_size: int = 100,  # section 4.1
) -> Recipe:
    """The published experiment: maxout D (240x5 for x, 50x5 for y, joint 240x4), SGD with rising momentum.

    Dropout .5 in both players. D's cost is halved and the inputs of D are dropped as in the code of `gan_2014`.
    """
    G = mlp.Generator(
        latent_dim, channels, resolution, (200, 1200), num_classes, output=mlp.sigmoid_output, dropout=0.5
    )
    schedule = partial(schedule_2014, decay=1.00004)  # section 4.1
    D = mlp.MaxoutDiscriminator(channels, resolution, num_classes=num_classes)
    G.apply(initialisation.uniform(0.05))
    D.apply(initialisation.uniform(0.005))
    return image_gan(
        G=G,
        D=D,
        loss=HALVED,
        latent_dim=latent_dim,
        latent=uniform,
        judge=apart,
        g_optimizer=sgd(0.1, 0.5),
        d_optimizer=sgd(0.1, 0.5),
        g_schedule=schedule,
        d_schedule=schedule,
        batch_size=batch_size,
    )
