"""GAN with R1: Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), arXiv:1801.04406.

The penalty is lazy, a phase of its own (Karras et al., 2020, Analyzing and Improving the Image Quality of StyleGAN,
appendix B); labels enter D as a projection (Miyato & Koyama, 2018). The networks are small, made for two cores.
"""

from __future__ import annotations

from collections.abc import Sequence

from gantlet.losses.adversarial import nonsaturating
from gantlet.networks import strided
from gantlet.recipe import Recipe
from gantlet.recipes.image_gan import image_gan, lazy_r1
from gantlet.recipes.optimizers import adam, inverse_decay

TINY = dict(
    channels=1, resolution=8, num_classes=3, latent_dim=8, g_width=8, d_width=8, hidden=16, r1_every=2, batch_size=8
)  # fmt: skip
QUICK: dict[str, dict[str, object]] = {
    # docs/lab-log.md, 2026-11-22 (networks, penalty, rate); benchmarks/results/spine.json (as a whole)
    "r1gan": dict(g_width=16, d_width=32, hidden=256, r1_gamma=2.0, r1_every=8, lr=2e-3, lr_halving=100_000)
}


def r1gan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    latent_dim: int = 64,  # size of z
    g_width: int = 64,  # feature maps before G's last layer
    d_width: int = 64,  # feature maps of D's first layer
    hidden: int = 1024,  # units of the fully connected layer in each
    r1_gamma: float = 10.0,  # gamma of Eq. 9, applied as gamma / 2 (section 4.1)
    r1_every: int = 1,  # steps between penalties, which are so much stronger then
    lr: float = 1e-4,  # Adam (appendix D)
    lr_halving: int | None = None,  # samples after which lr has halved, as lr / (1 + samples / this); None for constant
    beta1: float = 0.0,  # appendix D
    beta2: float = 0.99,  # appendix D
    batch_size: int = 64,  # appendix D
    average_halflife: int = 10_000,  # of G's moving average, in samples (the paper keeps .999 per step)
) -> Recipe:
    """The non-saturating game with gamma/2 |grad D(x)|^2 on real pictures, no norm in D: it converges locally."""

    game = image_gan(
        G=strided.Generator(latent_dim, channels, resolution, g_width, num_classes, hidden),
        D=strided.Discriminator(channels, resolution, d_width, num_classes, hidden),
        loss=nonsaturating,
        latent_dim=latent_dim,
        g_optimizer=adam(lr, (beta1, beta2)),
        d_optimizer=adam(lr, (beta1, beta2)),
        g_schedule=inverse_decay(lr, lr_halving),
        d_schedule=inverse_decay(lr, lr_halving),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
    return lazy_r1(game, r1_gamma, r1_every)
