"""WGAN: Wasserstein GAN (Arjovsky et al., 2017), arXiv:1701.07875."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gantlet.losses.adversarial import wasserstein
from gantlet.losses.penalties import clip_weights
from gantlet.networks import dcgan as networks
from gantlet.recipe import Progress, Recipe
from gantlet.recipes.image_gan import apart, image_gan
from gantlet.recipes.optimizers import rmsprop

TINY = dict(channels=1, resolution=8, latent_dim=8, g_width=8, d_width=8, d_updates=2, warm_steps=1, batch_size=8)
# Chosen on MNIST, one seed (docs/lab-log.md, 2026-11-21); measured over three in benchmarks/results/spine.json.
QUICK: dict[str, dict[str, object]] = {
    "wgan": dict(latent_dim=64, g_width=32, d_width=32, lr=5e-4, d_updates=2, warm_steps=0)
}


def critic_updates(d_updates: int, warm_steps: int) -> Callable[[Progress], int]:
    """Return how often the critic is updated: 100 times in the first steps and at every 500th, unless these are 0."""

    def updates(progress: Progress) -> int:
        return 100 if warm_steps and (progress.step < warm_steps or progress.step % 500 == 0) else d_updates

    return updates


def wgan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 64,  # side, or (height, width); filled from the data
    latent_dim: int = 100,  # size of z (authors' code)
    g_width: int = 64,  # feature maps before G's last layer (authors' code)
    d_width: int = 64,  # feature maps of the critic's first layer (authors' code)
    clip: float = 0.01,  # c of Algorithm 1
    d_updates: int = 5,  # n_critic of Algorithm 1
    warm_steps: int = 25,  # first steps with 100 critic updates, as at every 500th later (authors' code); 0 for neither
    lr: float = 5e-5,  # RMSprop, alpha of Algorithm 1; momentum destabilises the critic
    batch_size: int = 64,  # m of Algorithm 1
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """A critic with clipped weights approximates the Wasserstein distance; its loss falls as the samples improve."""

    return image_gan(
        G=networks.Generator(latent_dim, channels, resolution, g_width),
        D=networks.Discriminator(channels, resolution, d_width),
        loss=wasserstein,
        judge=apart,
        latent_dim=latent_dim,
        g_optimizer=rmsprop(lr),
        d_optimizer=rmsprop(lr),
        d_updates=critic_updates(d_updates, warm_steps),
        constrain=clip_weights(clip),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
