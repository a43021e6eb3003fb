"""DCGAN: Unsupervised Representation Learning with Deep Convolutional GANs (Radford et al., 2016), arXiv:1511.06434.

The same networks carry three more games here, each a file: lsgan.py, wgan.py, dragan.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from gantlet.losses.adversarial import nonsaturating
from gantlet.networks import dcgan as networks
from gantlet.recipe import Recipe
from gantlet.recipes.image_gan import apart, image_gan
from gantlet.recipes.optimizers import adam

TINY = dict(channels=1, resolution=8, latent_dim=8, g_width=8, d_width=8, batch_size=8)
# Chosen on MNIST, one seed (docs/lab-log.md, 2026-11-21); measured over three in benchmarks/results/spine.json.
QUICK: dict[str, dict[str, object]] = {"dcgan": dict(latent_dim=64, g_width=16, d_width=16, lr=1e-3, batch_size=64)}


def dcgan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 64,  # side, or (height, width); filled from the data
    latent_dim: int = 100,  # size of z, normal here; the paper's is uniform (Fig. 1)
    g_width: int = 128,  # feature maps before G's last layer: 1024-512-256-128 at 64 pixels (Figure 1)
    d_width: int = 128,  # feature maps of D's first layer (as G; the authors' script later took 64)
    lr: float = 2e-4,  # Adam (section 4)
    beta1: float = 0.5,  # section 4
    batch_size: int = 128,  # section 4
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """Strided convolutions and batch norm in both, judged apart: a batch mixing real and fake plays another game."""
    return image_gan(
        G=networks.Generator(latent_dim, channels, resolution, g_width),
        D=networks.Discriminator(channels, resolution, d_width),
        loss=nonsaturating,
        judge=apart,
        latent_dim=latent_dim,
        g_optimizer=adam(lr, (beta1, 0.999)),
        d_optimizer=adam(lr, (beta1, 0.999)),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
