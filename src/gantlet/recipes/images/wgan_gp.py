"""WGAN-GP: Improved Training of Wasserstein GANs (Gulrajani et al., 2017), arXiv:1704.00028."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from gantlet.losses.adversarial import wasserstein
from gantlet.losses.penalties import interpolated_gradient_penalty
from gantlet.networks import dcgan, resnet
from gantlet.recipe import Progress, Recipe
from gantlet.recipes.image_gan import Penalty, image_gan
from gantlet.recipes.optimizers import adam, linear_decay

TINY = dict(channels=1, resolution=8, latent_dim=8, g_width=8, d_width=8, d_updates=2, batch_size=8)
# Chosen on MNIST, one seed (docs/lab-log.md, 2026-11-21); measured over three in benchmarks/results/spine.json.
QUICK: dict[str, dict[str, object]] = {
    "wgan_gp": dict(latent_dim=64, g_width=32, d_width=32, lr=5e-4, d_updates=2, batch_size=64),
    # docs/lab-log.md, 2026-11-21
    "wgan_gp_resnet": dict(g_width=8, d_width=8, lr=5e-4, d_updates=2, fakes_per_real=1),
}


def gradient_penalty(weight: float) -> Penalty:
    """Return weight * (|grad f(x)| - 1)^2 at points between real and fake, one random mix per sample (Eq. 3)."""

    def penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, progress: Progress) -> Tensor:
        return weight * interpolated_gradient_penalty(critic, real, fake, progress.uniform("mix"))

    return penalty


def wgan_gp(
    *,
    channels: int = 1,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 28,  # side, or (height, width); filled from the data
    latent_dim: int = 128,  # size of z (authors' code, MNIST)
    g_width: int = 64,  # DIM, feature maps before G's last layer (authors' code, MNIST)
    d_width: int = 64,  # DIM, feature maps of the critic's first layer (authors' code, MNIST)
    gp_weight: float = 10.0,  # lambda of Algorithm 1
    d_updates: int = 5,  # n_critic of Algorithm 1
    lr: float = 1e-4,  # Adam, alpha of Algorithm 1
    beta1: float = 0.5,  # authors' code, MNIST
    beta2: float = 0.9,  # idem
    batch_size: int = 50,  # authors' code, MNIST
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """A Wasserstein critic whose gradient norm is kept at 1 between real and fake; convolutional, no critic norm.

    The networks are DCGAN's: 4x4 kernels, at 28 pixels two stages, batch norm in G, weights N(0, .02), tanh. The
    authors' MNIST script has 5x5, three stages, no norm in G beside the penalty, He's and Glorot's weights, a sigmoid.
    """
    return image_gan(
        G=dcgan.Generator(latent_dim, channels, resolution, g_width),
        D=dcgan.Discriminator(channels, resolution, d_width, norm=None),
        loss=wasserstein,
        penalty=gradient_penalty(gp_weight),
        d_updates=d_updates,
        latent_dim=latent_dim,
        g_optimizer=adam(lr, (beta1, beta2)),
        d_optimizer=adam(lr, (beta1, beta2)),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )


def wgan_gp_resnet(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    latent_dim: int = 128,  # size of z (appendix F)
    g_width: int = 128,  # DIM_G (authors' code, CIFAR-10)
    d_width: int = 128,  # DIM_D (idem)
    gp_weight: float = 10.0,  # lambda of Algorithm 1
    d_updates: int = 5,  # n_critic
    fakes_per_real: int = 2,  # G's batch is twice the critic's (authors' code)
    lr: float = 2e-4,  # Adam (appendix F)
    decay_samples: int
    | None = 6_400_000,  # learning rate falls to 0 over 100k steps of 64 (authors' code); None for none
    batch_size: int = 64,  # of the critic (authors' code)
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """The residual CIFAR-10 networks of appendix F: mean pooling, no norm in the critic.

    The authors lay grey levels at 2 (x / 256) - 1 and add U(0, 1/128) to reals (dequantisation); here nothing is added.
    """
    return image_gan(
        G=resnet.Generator(latent_dim, channels, resolution, g_width),
        D=resnet.Discriminator(channels, resolution, d_width, mean=True),
        loss=wasserstein,
        penalty=gradient_penalty(gp_weight),
        d_updates=d_updates,
        fakes_per_real=fakes_per_real,
        latent_dim=latent_dim,
        g_optimizer=adam(lr, (0.0, 0.9)),
        d_optimizer=adam(lr, (0.0, 0.9)),
        g_schedule=linear_decay(lr, decay_samples),
        d_schedule=linear_decay(lr, decay_samples),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
