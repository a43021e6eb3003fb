"""WaveGAN: Adversarial Audio Synthesis (Donahue, McAuley & Puckette, 2018), arXiv:1802.04208.

The paper is unconditional; labels, where there are any, enter G beside z and D as a projection (Miyato & Koyama, 2018).
`wavegan_gp` is its game, `wavegan` the fast one: one update of D with a lazy R1 penalty (Mescheder 2018) costs about a
sixth of five updates with a gradient penalty.
"""

from __future__ import annotations

from gantlet.losses.adversarial import nonsaturating, wasserstein
from gantlet.networks.wavegan import Discriminator, Generator
from gantlet.recipe import Recipe
from gantlet.recipes.audio.sound_gan import of_sounds, waves
from gantlet.recipes.image_gan import image_gan, lazy_r1, uniform
from gantlet.recipes.images.wgan_gp import gradient_penalty
from gantlet.recipes.optimizers import adam, inverse_decay

DATA = "sounds"
TINY = dict(
    channels=1, sample_rate=8000, length=2048, num_classes=3, latent_dim=8, g_width=4, d_width=4, stages=3, batch_size=8
) | dict(d_updates=2, r1_every=2, average_halflife=100)
QUICK: dict[str, dict[str, object]] = {  # first guess, not measured yet
    "wavegan": dict(g_width=16, d_width=16, lr=5e-4, r1_gamma=1.0, r1_every=8, batch_size=32),
    "wavegan_gp": dict(g_width=16, d_width=16, lr=3e-4, d_updates=2, batch_size=32),
}


def wavegan(
    *,
    channels: int = 1,  # of the sounds; filled from the data
    sample_rate: int = 16_000,  # Hz, for the record; filled from the data
    length: int = 16_384,  # samples (section 3.1); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form, the paper's
    latent_dim: int = 100,  # size of z (appendix D)
    g_width: int = 64,  # d: feature maps before G's last layer (appendix D)
    d_width: int = 64,  # d: feature maps of D's first layer (appendix D)
    stages: int = 5,  # layers of either, each a factor of 4 in time (appendix D)
    shuffle: int = 2,  # n of phase shuffle (section 3.2); 0 for none
    r1_gamma: float = 10.0,  # applied as gamma / 2 (Mescheder 2018)
    r1_every: int = 16,  # steps between penalties, which are so much stronger then (Karras 2020)
    lr: float = 2e-4,  # Adam, ours
    lr_halving: int | None = None,  # samples after which lr has halved, as lr / (1 + samples / this); None for constant
    beta1: float = 0.0,  # Mescheder 2018
    beta2: float = 0.99,  # idem
    batch_size: int = 64,  # appendix D
    average_halflife: int = 10_000,  # of G's moving average, in samples; the paper keeps none
) -> Recipe:
    """WaveGAN's networks in the non-saturating game with one update of D and lazy R1."""
    game = image_gan(
        G=Generator(latent_dim, channels, (length,), g_width, stages, num_classes),
        D=Discriminator(channels, (length,), d_width, stages, shuffle, num_classes),
        loss=nonsaturating,
        latent_dim=latent_dim,
        latent=uniform,
        g_optimizer=adam(lr, (beta1, beta2)),
        d_optimizer=adam(lr, (beta1, beta2)),
        g_schedule=inverse_decay(lr, lr_halving),
        d_schedule=inverse_decay(lr, lr_halving),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
    return of_sounds(lazy_r1(game, r1_gamma, r1_every), waves)


def wavegan_gp(
    *,
    channels: int = 1,  # of the sounds; filled from the data
    sample_rate: int = 16_000,  # Hz, for the record; filled from the data
    length: int = 16_384,  # samples (section 3.1); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form, the paper's
    latent_dim: int = 100,  # size of z (appendix D)
    g_width: int = 64,  # d: feature maps before G's last layer (appendix D)
    d_width: int = 64,  # d: feature maps of D's first layer (appendix D)
    stages: int = 5,  # layers of either, each a factor of 4 in time (appendix D)
    shuffle: int = 2,  # n of phase shuffle (section 3.2)
    gp_weight: float = 10.0,  # lambda (appendix D)
    d_updates: int = 5,  # appendix D
    lr: float = 1e-4,  # Adam (appendix D)
    beta1: float = 0.5,  # appendix D
    beta2: float = 0.9,  # appendix D
    batch_size: int = 64,  # appendix D
    average_halflife: int = 10_000,  # of G's moving average, in samples; the paper keeps none
) -> Recipe:
    """The paper's game: WGAN-GP, five updates of the critic, phase shuffle."""
    game = image_gan(
        G=Generator(latent_dim, channels, (length,), g_width, stages, num_classes),
        D=Discriminator(channels, (length,), d_width, stages, shuffle, num_classes),
        loss=wasserstein,
        penalty=gradient_penalty(gp_weight),
        d_updates=d_updates,
        latent_dim=latent_dim,
        latent=uniform,
        g_optimizer=adam(lr, (beta1, beta2)),
        d_optimizer=adam(lr, (beta1, beta2)),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
    return of_sounds(game, waves)
