"""NR-GAN: Noise Robust Generative Adversarial Networks (Kaneko & Harada, 2020), arXiv:1911.11776.

Beside the generator of clean pictures there is one of noise, and D sees only their sum beside noisy real pictures. What
keeps the two apart is a constraint on the noise: its distribution (si1, sd1, sd2) or what may be done to it without
changing it (si2). Sums are clipped to [-1, 1], as clipped data was; nothing happens to data that was not. Numbers are
those of the authors' code (takuhirok/NR-GAN), but for two things. There G and G_n share one update, here each has its
own, so that the noise may learn slower than the pictures. There intensities are scaled by 255/256 and U(0, 1/128) is
added to reals (dequantisation), here nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import atanh
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gantlet.layers import corruption
from gantlet.losses.adversarial import nonsaturating
from gantlet.losses.diversity_sensitive import diversity_sensitive
from gantlet.networks import cnn, strided
from gantlet.networks import noisegan as published
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import latents, normal
from gantlet.recipes.noisy_gan import field, level, noisy_gan, training

TINY = dict(
    channels=1, resolution=8, num_classes=3, latent_dim=8, g_width=8, n_width=8, d_width=8, hidden=16, r1_every=2,
    n_every=2, batch_size=8,
)  # fmt: skip
SMALL: dict[str, object] = dict(
    residual=False, latent_dim=64, g_width=16, n_width=8, d_width=32, hidden=256, fakes_per_real=1, r1_gamma=2.0,
    r1_every=8, lr=3e-3, lr_halving=100_000, n_lr=5e-5, n_every=4, average_halflife=10_000,
)  # fmt: skip
QUICK: dict[str, dict[str, object]] = {
    # As r1gan (docs/lab-log.md, 2026-11-22). What is said of noise comes from noisy MNIST: Gaussian noise starts strong
    # and comes down slowly, so that G gives up texture of its own before G_n has come to what is there. With G_n as
    # fast as G that texture took the place of the noise; at n_lr 5e-5 a minute and a half was too short on two seeds
    # of three; at 2e-4 sigma arrived after 20,000 to 35,000 samples and stayed, at 79 to 94 % of the truth; 1.5e-4, as
    # it is, gave 80, 87, 108 %. The rate is r1gan's for si1; si2 was measured at 3e-3; sd1 and sd2 were not.
    "nrgan_si1": dict(SMALL, sigma_start=0.3, lr=2e-3, n_lr=1.5e-4),
    "nrgan_si2": dict(SMALL),
    "nrgan_sd1": dict(SMALL, sigma_start=0.3, lr=2e-3, n_lr=1.5e-4),
    "nrgan_sd2": dict(SMALL, sigma_start=0.3),
}


class Noise(NamedTuple):
    """Noise [n, C, H, W], its standard deviation as estimated per pixel, and what the diversity term compares."""

    noise: Tensor
    sigma: Tensor
    varied: Tensor  # the noise before random symmetries
    latent: Tensor  # what G_n was given


MakeNoise = Callable[[Nets, Draws, Tensor, Tensor, Tensor | None, int], Noise]  # (nets, draws, clean, z, y, times)


def gaussian(latent_dim: int, of_picture: Callable[[Tensor], Tensor] | None = None) -> MakeNoise:
    """Return Gaussian noise of learned strength, G_n(z_n) n, times a function of the picture if one is given.

    The strength's sign means nothing. The picture is a constant here: noise must not shape it.
    """

    def make(nets: Nets, draws: Draws, clean: Tensor, z: Tensor, y: Tensor | None, times: int) -> Noise:
        latent = latents(draws, noise_latent, latent_dim, times)
        strength = nets.G_n(latent)
        if of_picture is not None:
            strength = strength * of_picture(clean.detach())
        noise = strength * field(draws, "noise", tuple(clean.shape[1:]), times)
        return Noise(noise, strength.abs(), noise, latent)

    return make


def of_code(latent_dim: int) -> MakeNoise:
    """Return Gaussian noise whose strength G_n(z, z_n) may depend on the picture through its code (and label)."""

    def make(nets: Nets, draws: Draws, clean: Tensor, z: Tensor, y: Tensor | None, times: int) -> Noise:
        latent = torch.cat([z, latents(draws, noise_latent, latent_dim, times)], 1)
        strength = nets.G_n(latent, y)
        noise = strength * field(draws, "noise", tuple(clean.shape[1:]), times)
        return Noise(noise, strength.abs(), noise, latent)

    return make


def symmetric(latent_dim: int) -> MakeNoise:
    """Return free noise G_n(z_n), turned, its channels shuffled and inverted at random: pictures would not survive it.

    Its estimated standard deviation is the root mean square over the pixels of each channel.
    """

    def make(nets: Nets, draws: Draws, clean: Tensor, z: Tensor, y: Tensor | None, times: int) -> Noise:
        latent = latents(draws, noise_latent, latent_dim, times)
        varied = nets.G_n(latent)
        noise = corruption.rotate(varied, level(draws, "turn", (), times))
        noise = corruption.shuffle_channels(noise, level(draws, "shuffle", (clean.shape[1],), times))
        noise = corruption.invert_channels(noise, level(draws, "invert", (clean.shape[1],), times))
        sigma = noise.square().mean((2, 3), keepdim=True).sqrt().expand_as(noise)
        return Noise(noise, sigma, varied, latent)

    return make


def noise_latent(draws: Draws, latent_dim: int) -> Tensor:
    """Return z_n [n, latent_dim]."""
    return draws.normal("noise z", latent_dim)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the variants say alike."""

    latent_dim: int
    diversity_weight: float
    r1_gamma: float
    r1_every: int
    n_every: int
    fakes_per_real: int
    of_both: Mapping[str, Any]  # how G and D are trained
    of_noise: Mapping[str, Any]  # how G_n is


def settings(
    latent_dim: int, diversity_weight: float, r1_gamma: float, r1_every: int, lr: float, lr_halving: int | None,
    n_lr: float, n_every: int, fakes_per_real: int, beta1: float, beta2: float, batch_size: int, average_halflife: int,
) -> Settings:  # fmt: skip
    """Return the settings, with the optimizers of all three players."""
    of_both, of_noise = (training(rate, lr_halving, beta1, beta2, batch_size, average_halflife) for rate in (lr, n_lr))
    return Settings(
        latent_dim=latent_dim, diversity_weight=diversity_weight, r1_gamma=r1_gamma, r1_every=r1_every,
        n_every=n_every, fakes_per_real=fakes_per_real, of_both=of_both, of_noise=of_noise,
    )  # fmt: skip


def nrgan(make: MakeNoise, networks: tuple[nn.Module, nn.Module, nn.Module], its: Settings) -> Recipe:
    """Return the game of two generators and one discriminator: `networks` are G, G_n and D."""
    latent_dim = its.latent_dim

    def both(nets: Nets, draws: Draws, y: Tensor | None, times: int) -> tuple[Tensor, Noise]:
        z = latents(draws, normal, latent_dim, times)
        clean: Tensor = nets.G(z, y)
        return clean, make(nets, draws, clean, z, y, times)

    def fakes(nets: Nets, draws: Draws, y: Tensor | None, times: int) -> Tensor:
        clean, made = both(nets, draws, y, times)
        return (clean + made.noise).clamp(-1, 1)

    def noise_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        y = batch.get("label")
        pair_y = None if y is None else y.repeat(2)
        clean, made = both(nets, progress, pair_y, 2)
        logits = nets.D((clean + made.noise).clamp(-1, 1), pair_y)
        progress.report("sigma", made.noise.detach().square().mean().sqrt())
        terms = {"adversarial": nonsaturating.generator(logits, logits).mean()}
        if its.diversity_weight:
            pairs = diversity_sensitive(*made.varied.chunk(2), *made.latent.chunk(2))
            terms["diversity_sensitive"] = its.diversity_weight * pairs.mean()
        return terms

    def sample(
        nets: Nets,
        draws: Draws,
        label: Tensor | None = None,
        clean: float = 1.0,  # how much of the picture; 0 leaves the noise alone
        noise: float = 0.0,  # how much of the noise; 1 as in the data
        sigma: bool = False,  # its standard deviation per pixel instead
    ) -> Tensor:
        if not noise and not sigma:
            picture: Tensor = nets.G(normal(draws, latent_dim), label)
            return clean * picture
        picture, made = both(nets, draws, label, 1)
        return made.sigma if sigma else (clean * picture + noise * made.noise).clamp(-1, 1)

    G, G_n, D = networks
    game = noisy_gan(
        G=G, D=D, fakes=fakes, sample=sample, r1_gamma=its.r1_gamma, r1_every=its.r1_every,
        fakes_per_real=its.fakes_per_real, **its.of_both,
    )  # fmt: skip
    noise = Player(
        networks={"G_n": G_n},
        optimizer=its.of_noise["g_optimizer"],
        schedule=its.of_noise["schedule"],
        average_halflife=its.of_noise["average_halflife"],
    )
    phase = Phase(player="G_n", loss=noise_loss, every=its.n_every)
    return replace(game, players={**game.players, "G_n": noise}, phases=(*game.phases, phase))


def players(
    residual: bool, channels: int, resolution: int | Sequence[int], num_classes: int, latent_dim: int,
    noise_latent_dim: int, noise_classes: int, g_width: int, n_width: int, d_width: int, hidden: int,
    sigma_start: float = 0.0,
) -> tuple[nn.Module, nn.Module, nn.Module]:  # fmt: skip
    """Return G, G_n and D: the published residual networks, or G and D of `r1gan` and a small G_n.

    G_n has 3x3 layers at full resolution: it tells the noise of each pixel. Its output starts around `sigma_start`.
    """
    of_picture = (latent_dim, channels, resolution, g_width, num_classes)
    of_noise = (noise_latent_dim, channels, resolution, n_width, noise_classes)
    G: published.ResidualGenerator | strided.Generator
    G_n: published.ResidualGenerator | cnn.Generator
    D: published.ResidualDiscriminator | strided.Discriminator
    if residual:
        G, G_n = published.ResidualGenerator(*of_picture), published.ResidualGenerator(*of_noise)
        D = published.ResidualDiscriminator(channels, resolution, d_width, num_classes)
    else:
        G, G_n = strided.Generator(*of_picture, hidden), cnn.Generator(*of_noise)
        D = strided.Discriminator(channels, resolution, d_width, num_classes, hidden)
    assert G_n.out.bias is not None
    nn.init.constant_(G_n.out.bias, atanh(sigma_start))
    return G, G_n, D


def nrgan_si1(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form (the paper's)
    sigma_start: float = 0.0,  # its strength at the start, on [-1, 1] (authors' code: around 0)
    residual: bool = True,  # the published residual networks; False for the small ones of `r1gan`
    latent_dim: int = 128,  # size of z and of z_n (authors' code)
    g_width: int = 128,  # feature maps of G (authors' code); before its last layer if not residual
    n_width: int = 128,  # feature maps of G_n (authors' code)
    d_width: int = 128,  # feature maps of D (authors' code); of its first layer if not residual
    hidden: int = 1024,  # units of the fully connected layer in G and in D if not residual
    fakes_per_real: int = 2,  # G's batch of 128 against D's 64 (authors' code); G_n's is always twice D's
    diversity_weight: float = 0.02,  # of the diversity-sensitive term on the noise (authors' code)
    r1_gamma: float = 20.0,  # of R1, applied as gamma / 2: the authors' code has 10 |grad D|^2
    r1_every: int = 1,  # steps between penalties, which are so much stronger then
    lr: float = 2e-4,  # Adam (authors' code)
    lr_halving: int | None = None,  # samples after which rates have halved, as lr / (1 + samples / this)
    n_lr: float = 2e-4,  # Adam, of G_n (authors' code)
    n_every: int = 1,  # steps between updates of G_n
    beta1: float = 0.0,  # authors' code
    beta2: float = 0.99,  # authors' code
    batch_size: int = 64,  # of D (authors' code)
    average_halflife: int = 44_000,  # of the moving averages, in samples: .999 a step of 64 (authors' code)
) -> Recipe:
    """Noise that does not depend on the picture, Gaussian, of unknown strength (SI-NR-GAN-I).

    Samples are clean; `sample(noise=1)` gives noisy ones, `sample(clean=0, noise=1)` the noise, `sample(sigma=True)`
    its standard deviation per pixel, on the scale of pictures in [-1, 1]. "G_n/sigma" is its root mean square.
    """
    networks = players(
        residual, channels, resolution, num_classes, latent_dim, latent_dim, 0, g_width, n_width, d_width, hidden,
        sigma_start,
    )  # fmt: skip
    its = settings(
        latent_dim, diversity_weight, r1_gamma, r1_every, lr, lr_halving, n_lr, n_every, fakes_per_real, beta1, beta2,
        batch_size, average_halflife,
    )  # fmt: skip
    return nrgan(gaussian(latent_dim), networks, its)


def nrgan_si2(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form (the paper's)
    residual: bool = True,  # the published residual networks; False for the small ones of `r1gan`
    latent_dim: int = 128,  # size of z and of z_n (authors' code)
    g_width: int = 128,  # feature maps of G (authors' code); before its last layer if not residual
    n_width: int = 128,  # feature maps of G_n (authors' code)
    d_width: int = 128,  # feature maps of D (authors' code); of its first layer if not residual
    hidden: int = 1024,  # units of the fully connected layer in G and in D if not residual
    fakes_per_real: int = 2,  # G's batch of 128 against D's 64 (authors' code); G_n's is always twice D's
    diversity_weight: float = 0.02,  # of the diversity-sensitive term on the noise (authors' code)
    r1_gamma: float = 20.0,  # of R1, applied as gamma / 2: the authors' code has 10 |grad D|^2
    r1_every: int = 1,  # steps between penalties, which are so much stronger then
    lr: float = 2e-4,  # Adam (authors' code)
    lr_halving: int | None = None,  # samples after which rates have halved, as lr / (1 + samples / this)
    n_lr: float = 2e-4,  # Adam, of G_n (authors' code)
    n_every: int = 1,  # steps between updates of G_n
    beta1: float = 0.0,  # authors' code
    beta2: float = 0.99,  # authors' code
    batch_size: int = 64,  # of D (authors' code)
    average_halflife: int = 44_000,  # of the moving averages, in samples: .999 a step of 64 (authors' code)
) -> Recipe:
    """Noise that does not depend on the picture, of unknown distribution (SI-NR-GAN-II).

    Whatever looks the same turned by 90 degrees (180 in oblong pictures), inverted and with its channels shuffled.
    Samples as of `nrgan_si1`.
    """
    networks = players(
        residual, channels, resolution, num_classes, latent_dim, latent_dim, 0, g_width, n_width, d_width, hidden,
    )  # fmt: skip
    its = settings(
        latent_dim, diversity_weight, r1_gamma, r1_every, lr, lr_halving, n_lr, n_every, fakes_per_real, beta1, beta2,
        batch_size, average_halflife,
    )  # fmt: skip
    return nrgan(symmetric(latent_dim), networks, its)


def nrgan_sd1(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form (the paper's)
    power: float = 1.0,  # of the intensity: 1 for multiplicative noise, .5 for Poisson noise
    black: float = -1.0,  # value of black before the noise, where the data spans -1 to 1
    white: float = 1.0,  # value of white before the noise, where the data spans -1 to 1
    sigma_start: float = 0.0,  # its strength in a white pixel at the start, as a share of it (authors' code: around 0)
    residual: bool = True,  # the published residual networks; False for the small ones of `r1gan`
    latent_dim: int = 128,  # size of z and of z_n (authors' code)
    g_width: int = 128,  # feature maps of G (authors' code); before its last layer if not residual
    n_width: int = 128,  # feature maps of G_n (authors' code)
    d_width: int = 128,  # feature maps of D (authors' code); of its first layer if not residual
    hidden: int = 1024,  # units of the fully connected layer in G and in D if not residual
    fakes_per_real: int = 2,  # G's batch of 128 against D's 64 (authors' code); G_n's is always twice D's
    diversity_weight: float = 0.02,  # of the diversity-sensitive term on the noise (authors' code)
    r1_gamma: float = 20.0,  # of R1, applied as gamma / 2: the authors' code has 10 |grad D|^2
    r1_every: int = 1,  # steps between penalties, which are so much stronger then
    lr: float = 2e-4,  # Adam (authors' code)
    lr_halving: int | None = None,  # samples after which rates have halved, as lr / (1 + samples / this)
    n_lr: float = 2e-4,  # Adam, of G_n (authors' code)
    n_every: int = 1,  # steps between updates of G_n
    beta1: float = 0.0,  # authors' code
    beta2: float = 0.99,  # authors' code
    batch_size: int = 64,  # of D (authors' code)
    average_halflife: int = 44_000,  # of the moving averages, in samples: .999 a step of 64 (authors' code)
) -> Recipe:
    """Gaussian noise whose strength follows the picture's intensity in a known way (SD-NR-GAN-I).

    Samples as of `nrgan_si1`. The blur in two directions that the authors put before D for Poisson noise is left out.
    """

    def of_picture(clean: Tensor) -> Tensor:
        # Back on the scale of pictures: a strength of 1 is the full intensity.
        return corruption.to_intensity(clean, black, white).clamp_min(0) ** power * (white - black)

    networks = players(
        residual, channels, resolution, num_classes, latent_dim, latent_dim, 0, g_width, n_width, d_width, hidden,
        sigma_start,
    )  # fmt: skip
    its = settings(
        latent_dim, diversity_weight, r1_gamma, r1_every, lr, lr_halving, n_lr, n_every, fakes_per_real, beta1, beta2,
        batch_size, average_halflife,
    )  # fmt: skip
    return nrgan(gaussian(latent_dim, of_picture), networks, its)


def nrgan_sd2(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form (the paper's)
    sigma_start: float = 0.0,  # its strength at the start, on [-1, 1] (authors' code: around 0)
    residual: bool = True,  # the published residual networks; False for the small ones of `r1gan`
    latent_dim: int = 128,  # size of z and of z_n (authors' code)
    g_width: int = 128,  # feature maps of G (authors' code); before its last layer if not residual
    n_width: int = 128,  # feature maps of G_n (authors' code)
    d_width: int = 128,  # feature maps of D (authors' code); of its first layer if not residual
    hidden: int = 1024,  # units of the fully connected layer in G and in D if not residual
    fakes_per_real: int = 2,  # G's batch of 128 against D's 64 (authors' code); G_n's is always twice D's
    diversity_weight: float = 0.02,  # of the diversity-sensitive term on the noise (authors' code)
    r1_gamma: float = 20.0,  # of R1, applied as gamma / 2: the authors' code has 10 |grad D|^2
    r1_every: int = 1,  # steps between penalties, which are so much stronger then
    lr: float = 2e-4,  # Adam (authors' code)
    lr_halving: int | None = None,  # samples after which rates have halved, as lr / (1 + samples / this)
    n_lr: float = 2e-4,  # Adam, of G_n (authors' code)
    n_every: int = 1,  # steps between updates of G_n
    beta1: float = 0.0,  # authors' code
    beta2: float = 0.99,  # authors' code
    batch_size: int = 64,  # of D (authors' code)
    average_halflife: int = 44_000,  # of the moving averages, in samples: .999 a step of 64 (authors' code)
) -> Recipe:
    """Gaussian noise whose strength depends on the picture in an unknown way, through its code (SD-NR-GAN-II).

    Samples as of `nrgan_si1`.
    """
    networks = players(
        residual, channels, resolution, num_classes, latent_dim, 2 * latent_dim, num_classes, g_width, n_width, d_width,
        hidden, sigma_start,
    )  # fmt: skip
    its = settings(
        latent_dim, diversity_weight, r1_gamma, r1_every, lr, lr_halving, n_lr, n_every, fakes_per_real, beta1, beta2,
        batch_size, average_halflife,
    )  # fmt: skip
    return nrgan(of_code(latent_dim), networks, its)
