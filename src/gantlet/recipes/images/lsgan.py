"""LSGAN: Least Squares Generative Adversarial Networks (Mao et al., 2017), arXiv:1611.04076."""

from __future__ import annotations

from collections.abc import Sequence

from gantlet.losses.adversarial import least_squares
from gantlet.networks import dcgan as networks
from gantlet.recipe import Recipe
from gantlet.recipes.image_gan import apart, image_gan
from gantlet.recipes.optimizers import adam

TINY = dict(channels=1, resolution=8, latent_dim=8, g_width=8, d_width=8, batch_size=8)
# Chosen on MNIST, one seed (docs/lab-log.md, 2026-11-21); measured over three in benchmarks/results/spine.json.
QUICK: dict[str, dict[str, object]] = {"lsgan": dict(latent_dim=64, g_width=16, d_width=16, lr=1e-3)}


def lsgan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 64,  # side, or (height, width); filled from the data
    latent_dim: int = 1024,  # size of z (section 4)
    g_width: int = 64,  # feature maps before G's last layer; the paper's VGG-like G is for 112 pixels only
    d_width: int = 64,  # feature maps of D's first layer
    lr: float = 2e-4,  # Adam; the paper takes 1e-3 on LSUN
    beta1: float = 0.5,  # section 4
    batch_size: int = 64,  # section 4
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """DCGAN's networks with targets 1 for real, 0 for fake, and 1 for G (a = 0, b = c = 1); no sigmoid anywhere."""
    return image_gan(
        G=networks.Generator(latent_dim, channels, resolution, g_width),
        D=networks.Discriminator(channels, resolution, d_width),
        loss=least_squares,
        judge=apart,
        boundary=0.5,
        latent_dim=latent_dim,
        g_optimizer=adam(lr, (beta1, 0.999)),
        d_optimizer=adam(lr, (beta1, 0.999)),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
