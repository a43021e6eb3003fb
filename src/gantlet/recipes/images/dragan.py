"""DRAGAN: On Convergence and Stability of GANs (Kodali et al., 2017), arXiv:1705.07215."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from gantlet.losses.adversarial import nonsaturating
from gantlet.losses.penalties import perturbed_gradient_penalty
from gantlet.networks import dcgan as networks
from gantlet.recipe import Progress, Recipe
from gantlet.recipes.image_gan import image_gan
from gantlet.recipes.optimizers import adam

TINY = dict(channels=1, resolution=8, latent_dim=8, g_width=8, d_width=8, batch_size=8)
# Chosen on MNIST, one seed (docs/lab-log.md, 2026-11-21); measured over three in benchmarks/results/spine.json.
QUICK: dict[str, dict[str, object]] = {"dragan": dict(latent_dim=64, g_width=16, d_width=16, lr=1e-3)}


def dragan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 64,  # side, or (height, width); filled from the data
    latent_dim: int = 100,  # size of z
    g_width: int = 64,  # feature maps before G's last layer
    d_width: int = 64,  # feature maps of D's first layer
    penalty_weight: float = 10.0,  # lambda of Algorithm 1
    lr: float = 2e-4,  # Adam
    beta1: float = 0.5,  # of Adam, as in DCGAN (Radford 2016, section 4)
    batch_size: int = 64,  # samples per update
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """The plain loss plus a penalty that keeps D's gradient norm at 1 around the data, only there.

    Public versions disagree; ours is the paper's: delta = 0.5 std(X) U[0, 1) noise, k = 1, the norm over all pixels.
    D has no batch norm, because the penalty is per sample.
    """

    def penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, progress: Progress) -> Tensor:
        noise = progress.uniform("perturbation", *real.shape[1:])
        return penalty_weight * perturbed_gradient_penalty(critic, real, noise)

    return image_gan(
        G=networks.Generator(latent_dim, channels, resolution, g_width),
        D=networks.Discriminator(channels, resolution, d_width, norm=None),
        loss=nonsaturating,
        penalty=penalty,
        latent_dim=latent_dim,
        g_optimizer=adam(lr, (beta1, 0.999)),
        d_optimizer=adam(lr, (beta1, 0.999)),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
