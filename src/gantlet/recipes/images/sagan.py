"""SAGAN: Self-Attention Generative Adversarial Networks (Zhang et al., 2019), arXiv:1805.08318."""

from __future__ import annotations

from collections.abc import Sequence

from gantlet.layers.spectral_norm import spectral
from gantlet.losses.adversarial import hinge
from gantlet.networks import sagan as networks
from gantlet.networks.biggan import spectral_layers
from gantlet.recipe import Recipe
from gantlet.recipes.image_gan import image_gan
from gantlet.recipes.optimizers import adam

TINY = dict(channels=1, resolution=8, num_classes=3, latent_dim=8, g_width=4, d_width=4, batch_size=8)
QUICK: dict[str, dict[str, object]] = {
    # First guesses, not measured yet: one look at what they draw of MNIST after 50 s.
    "sagan": dict(
        latent_dim=64, g_width=8, d_width=8, g_lr=1e-3, d_lr=1e-3, beta2=0.99, batch_size=32, average_halflife=10_000
    )
}


def sagan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 128,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    latent_dim: int = 128,  # size of z (authors' code)
    g_width: int = 64,  # feature maps before G's last layer (authors' code)
    d_width: int = 64,  # feature maps of D's first block (authors' code)
    attention: int = 32,  # short side at which both attend; 0 for nowhere (Table 1: 32 is best)
    d_updates: int = 1,  # one to one (section 4.2)
    g_lr: float = 1e-4,  # Adam of G: two time scales (section 5)
    d_lr: float = 4e-4,  # Adam of D (section 5)
    beta1: float = 0.0,  # section 5
    beta2: float = 0.9,  # section 5
    batch_size: int = 256,  # authors' code: 64 on each of 4 devices
    average_halflife: int = 100_000,  # of G's moving average, in samples (our choice); the paper keeps none
) -> Recipe:
    """Hinge loss, spectral norm in both networks, attention in both, and a faster D instead of more of its updates."""
    return image_gan(
        G=spectral_layers(networks.generator(latent_dim, channels, resolution, g_width, num_classes, attention)),
        D=spectral(networks.discriminator(channels, resolution, d_width, num_classes, attention)),
        loss=hinge,
        latent_dim=latent_dim,
        d_updates=d_updates,
        g_optimizer=adam(g_lr, (beta1, beta2)),
        d_optimizer=adam(d_lr, (beta1, beta2)),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
