"""MMD GAN: Demystifying MMD GANs (Binkowski et al., 2018), arXiv:1801.01401, and MMD GAN: Towards Deeper Understanding
of Moment Matching Network (Li et al., 2017), arXiv:1705.08584.

The critic gives features, not a logit; the loss is the maximum mean discrepancy (MMD) between features of real and
fake. It is one number for the whole batch: parts of an accumulated batch, and the batches of several processes, are
compared each by themselves. Where other recipes report logits, these report the witness function of the two batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gantlet.losses.kernels import Kernel, biased_mmd2, gaussian, rational_quadratic, unbiased_mmd2, witness
from gantlet.losses.penalties import clip_weights, interpolated_gradient_penalty
from gantlet.networks import dcgan
from gantlet.networks import mmd_gan as networks
from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import normal, report_diversity, report_game, sampler, uniform
from gantlet.recipes.images.wgan import critic_updates
from gantlet.recipes.optimizers import adam, rmsprop
from gantlet.recipes.signs import IMAGE_GAN

TINY = dict(
    channels=1,
    resolution=8,
    latent_dim=8,
    g_width=8,
    d_width=8,
    code_dim=4,
    clip=0.2,
    d_updates=2,
    warm_steps=1,
    batch_size=8,
)
# docs/lab-log.md, 2026-11-21
QUICK: dict[str, dict[str, object]] = {
    "mmd_gan": dict(latent_dim=64, g_width=16, d_width=16, lr=1e-3, d_updates=1),
    "mmd_gan_2017": dict(latent_dim=64, g_width=32, d_width=32, lr=2e-4, d_updates=2, warm_steps=0),
}


def report_witness(progress: Progress, kernel: Kernel, real: Tensor, fake: Tensor) -> None:
    """Report the witness function at the features of a batch as if it were a logit: high means real."""
    with torch.no_grad():
        report_game(progress, witness(kernel, real, real, fake), witness(kernel, fake, real, fake))


def mean_squares(layers: Sequence[Tensor]) -> Tensor:
    """Return the mean square of each layer's output, summed over the layers, [N]."""
    return torch.stack([layer.float().square().flatten(1).mean(1) for layer in layers]).sum(0)


def mmd_gan(
    *,
    channels: int = 1,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 28,  # side, or (height, width); filled from the data
    latent_dim: int = 100,  # size of z, uniform (authors' code)
    g_width: int = 64,  # feature maps before G's last layer (authors' code)
    d_width: int = 64,  # feature maps of the critic's first layer (authors' code)
    code_dim: int = 16,  # features the critic gives (authors' code, MNIST)
    scales: Sequence[float] = [0.2, 0.5, 1.0, 2.0, 5.0],  # alpha of the rational quadratic kernels (section 2.1)
    linear: float = 1.0,  # weight of the linear kernel beside them: rq* (authors' code, MNIST); 0 for rq
    gp_weight: float = 1.0,  # lambda of the penalty on the witness function's gradient (authors' code, MNIST)
    activation_weight: float = 1.0,  # of the mean square of the critic's layers (authors' code, MNIST)
    d_updates: int = 5,  # critic's updates per update of G (authors' code)
    lr: float = 1e-4,  # Adam (authors' code)
    beta1: float = 0.5,  # idem
    beta2: float = 0.9,  # idem
    batch_size: int = 64,  # authors' code
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """Unbiased MMD under a mixture of rational quadratic kernels (and a linear one), with a penalty on its witness.

    Left out: the authors' clipping of each tensor's gradient at norm 1, their ten critic updates in the first 20 steps,
    and the learning rate that falls when the kernel distance of samples stops falling. Kernels are DCGAN's 4x4.
    """
    kernel = rational_quadratic(scales, linear)

    def critic_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real = batch["image"]
        fake = nets.G(uniform(progress, latent_dim))
        layers = nets.D.layers(torch.cat([real, fake]))
        real_code, fake_code = layers[-1].chunk(2)
        report_witness(progress, kernel, real_code, fake_code)

        def critic(x: Tensor) -> Tensor:
            return witness(kernel, nets.D(x), real_code, fake_code)

        return {
            "adversarial": -unbiased_mmd2(kernel, real_code, fake_code),
            "penalty": gp_weight * interpolated_gradient_penalty(critic, real, fake, progress.uniform("mix")).mean(),
            "activation": 2 * activation_weight * mean_squares(layers).mean(),  # the sum of both batches' means
        }

    def generator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real = batch["image"]
        fake = nets.G(uniform(progress, latent_dim))
        report_diversity(progress, real, fake)
        return {"adversarial": unbiased_mmd2(kernel, nets.D(real), nets.D(fake))}

    optimizer = adam(lr, (beta1, beta2))
    G = dcgan.Generator(latent_dim, channels, resolution, g_width)
    D = networks.Encoder(channels, resolution, d_width, code_dim)
    return Recipe(
        players={
            "G": Player(networks={"G": G}, optimizer=optimizer, average_halflife=average_halflife),
            "D": Player(networks={"D": D}, optimizer=optimizer),
        },
        phases=(Phase(player="D", loss=critic_loss, updates=d_updates), Phase(player="G", loss=generator_loss)),
        batch_size=batch_size,
        sample=sampler(uniform, latent_dim),
        signs=IMAGE_GAN,
    )


def encoder_only(clip: Callable[[nn.Module], None]) -> Callable[[nn.Module], None]:
    """Return a constraint that leaves the decoder of an autoencoder alone."""

    def constrain(network: nn.Module) -> None:
        assert isinstance(network, networks.Autoencoder)
        clip(network.encoder)

    return constrain


def rank_hinge(real_code: Tensor, fake_code: Tensor) -> Tensor:
    """Return -E relu(-(E real - E fake)): 0 where the mean feature of real is the larger one, below 0 elsewhere."""
    return -torch.relu(fake_code.float().mean(0) - real_code.float().mean(0)).mean()


def mmd_gan_2017(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 64,  # side, or (height, width); filled from the data
    latent_dim: int = 100,  # size of z (authors' code)
    g_width: int = 64,  # feature maps before the last layer of G and of the decoder (authors' code)
    d_width: int = 64,  # feature maps of the encoder's first layer (authors' code)
    code_dim: int = 100,  # features of the encoder (authors' code)
    widths: Sequence[float] = [1.0, 2.0, 4.0, 8.0, 16.0],  # of the Gaussian kernels (authors' code)
    rebuild_weight: float = 8.0,  # of the decoder's squared error on real and on fake (authors' code)
    hinge_weight: float = 16.0,  # of the rank hinge on mean features (authors' code)
    clip: float = 0.01,  # the encoder's weights stay within this (authors' code)
    d_updates: int = 5,  # n_c of Algorithm 1
    warm_steps: int = 25,  # first steps with 100 critic updates, as at every 500th later (authors' code); 0 for neither
    lr: float = 5e-5,  # RMSprop (authors' code)
    batch_size: int = 64,  # authors' code
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """The first form: the root of the biased MMD under Gaussian kernels; D is an autoencoder with a clipped encoder."""
    kernel = gaussian(widths)

    def distance(real_code: Tensor, fake_code: Tensor) -> dict[str, Tensor]:
        # 0 has no gradient under a root: the authors cut at 0, this cuts just above.
        root = biased_mmd2(kernel, real_code, fake_code).clamp_min(1e-8).sqrt()
        return {"adversarial": root, "hinge": hinge_weight * rank_hinge(real_code, fake_code)}

    def critic_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real = batch["image"]
        fake = nets.G(normal(progress, latent_dim))
        (real_code, real_again), (fake_code, fake_again) = nets.D(real), nets.D(fake)
        report_witness(progress, kernel, real_code, fake_code)
        errors = (real_again - real).float().square().mean() + (fake_again - fake).float().square().mean()
        terms = {name: -term for name, term in distance(real_code, fake_code).items()}
        return {**terms, "rebuild": rebuild_weight * errors}

    def generator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real = batch["image"]
        fake = nets.G(normal(progress, latent_dim))
        report_diversity(progress, real, fake)
        return distance(nets.D.encoder(real), nets.D.encoder(fake))

    G = dcgan.Generator(latent_dim, channels, resolution, g_width)
    D = networks.Autoencoder(channels, resolution, d_width, g_width, code_dim)
    constrain = encoder_only(clip_weights(clip))
    constrain(D)  # the authors clip before each update, the engine after it
    return Recipe(
        players={
            "G": Player(networks={"G": G}, optimizer=rmsprop(lr), average_halflife=average_halflife),
            "D": Player(networks={"D": D}, optimizer=rmsprop(lr), constrain=constrain),
        },
        phases=(
            Phase(player="D", loss=critic_loss, updates=critic_updates(d_updates, warm_steps)),
            Phase(player="G", loss=generator_loss),
        ),
        batch_size=batch_size,
        sample=sampler(normal, latent_dim),
        signs=IMAGE_GAN,
    )
