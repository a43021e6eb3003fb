"""SN-GAN: Spectral Normalization for GANs (Miyato et al., 2018), arXiv:1802.05957; with labels the projection
discriminator of cGANs with Projection Discriminator (Miyato & Koyama, 2018), arXiv:1802.05637.
"""

from __future__ import annotations

from collections.abc import Sequence

from gantlet.layers.spectral_norm import spectral
from gantlet.losses.adversarial import hinge
from gantlet.networks import cnn, resnet
from gantlet.recipe import Recipe
from gantlet.recipes.image_gan import image_gan
from gantlet.recipes.optimizers import adam, linear_decay

TINY = dict(channels=1, resolution=8, num_classes=3, latent_dim=8, g_width=8, d_width=8, batch_size=8)
# Chosen on MNIST, one seed (docs/lab-log.md, 2026-11-21); measured over three in benchmarks/results/spine.json.
QUICK: dict[str, dict[str, object]] = {
    "sngan": dict(g_width=16, d_width=16, d_updates=1, fakes_per_real=1, lr=1e-3, decay_samples=None, batch_size=32),
    "sngan_cnn": dict(latent_dim=64, g_width=16, d_width=16, lr=1e-3),
}


def sngan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    latent_dim: int = 128,  # size of z (Table 4)
    g_width: int = 256,  # feature maps of G's blocks (Table 4a)
    d_width: int = 128,  # feature maps of D's blocks (Table 4b)
    d_updates: int = 5,  # n_dis (section 4)
    fakes_per_real: int = 2,  # G's batch of 128 against D's 64 (authors' code)
    lr: float = 2e-4,  # Adam (0, 0.9), setting of the residual networks (section 4)
    decay_samples: int
    | None = 3_200_000,  # learning rate falls to 0 over 50k steps of 64 (authors' code); None for none
    batch_size: int = 64,  # of D (section 4)
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """The residual networks: spectral norm on every layer of D, hinge loss, sum pooling.

    With classes: conditional batch norm in G, projection in D. One power iteration follows each update of D.
    """
    return image_gan(
        G=resnet.Generator(latent_dim, channels, resolution, g_width, num_classes),
        D=spectral(resnet.Discriminator(channels, resolution, d_width, num_classes)),
        loss=hinge,
        latent_dim=latent_dim,
        d_updates=d_updates,
        fakes_per_real=fakes_per_real,
        g_optimizer=adam(lr, (0.0, 0.9)),
        d_optimizer=adam(lr, (0.0, 0.9)),
        g_schedule=linear_decay(lr, decay_samples),
        d_schedule=linear_decay(lr, decay_samples),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )


def sngan_cnn(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    latent_dim: int = 128,  # size of z (Table 3)
    g_width: int = 64,  # feature maps before G's last layer (Table 3a)
    d_width: int = 64,  # feature maps of D's first layer (Table 3b)
    lr: float = 2e-4,  # Adam (section 4, settings of DCGAN)
    beta1: float = 0.5,  # idem
    beta2: float = 0.999,  # idem
    batch_size: int = 64,  # section 4
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """Small strided convolutions, spectral norm on every layer of D, hinge loss, one update each.

    The networks are the paper's standard CNN (Table 3) with D's 3x3 layers after the first left out: half the work,
    made for two cores; D's leaky ReLU has a slope of .2, the paper's .1. With classes: the label's embedding beside z
    in G, projection in D.
    """
    return image_gan(
        G=cnn.Generator(latent_dim, channels, resolution, g_width, num_classes),
        D=spectral(cnn.Discriminator(channels, resolution, d_width, num_classes)),
        loss=hinge,
        latent_dim=latent_dim,
        g_optimizer=adam(lr, (beta1, beta2)),
        d_optimizer=adam(lr, (beta1, beta2)),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
