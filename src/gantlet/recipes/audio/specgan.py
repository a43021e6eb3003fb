"""SpecGAN: Adversarial Audio Synthesis (Donahue, McAuley & Puckette, 2018), arXiv:1802.04208.

A GAN of images makes log-magnitude spectrograms, Griffin-Lim makes them audible. `specgan_2018` is the paper's;
`specgan` is the modern form, on the toolkit's image networks (r1gan), with labels if there are any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import pi

import torch
from torch import Tensor, nn

from gantlet.layers.spectral_pictures import BinStatistics, SpectralPictures
from gantlet.losses.adversarial import nonsaturating, wasserstein
from gantlet.networks import cnn
from gantlet.networks.wavegan import Discriminator, Generator
from gantlet.recipe import Draws, Nets, Progress, Recipe
from gantlet.recipes.audio.sound_gan import of_sounds
from gantlet.recipes.image_gan import Latent, image_gan, lazy_r1, normal, uniform
from gantlet.recipes.images.wgan_gp import gradient_penalty
from gantlet.recipes.optimizers import adam, inverse_decay

DATA = "sounds"
TINY = (
    dict(channels=1, sample_rate=8000, length=2048, num_classes=3, latent_dim=8, g_width=8, d_width=8, batch_size=8)
    | dict(n_fft=64, hop=32, fold=2, iterations=2, r1_every=2, average_halflife=100)
    | dict(width=4, stages=3, d_updates=2, statistics=24)
)
QUICK: dict[str, dict[str, object]] = {  # first guess, not measured yet
    "specgan": dict(g_width=16, d_width=16, r1_gamma=1.0, r1_every=8, lr=5e-4, lr_halving=100_000, batch_size=32),
    "specgan_2018": dict(width=16, d_updates=2, lr=3e-4, batch_size=32),
}
FLOOR = 1e-6  # beside magnitudes, before their log (authors' code)


def specgan(
    *,
    channels: int = 1,  # of the sounds; filled from the data
    sample_rate: int = 8000,  # Hz, for the record; filled from the data
    length: int = 8192,  # samples; filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    n_fft: int = 512,  # samples of a window: 64 ms at 8 kHz
    hop: int = 128,  # samples from frame to frame; a quarter of n_fft: Griffin-Lim needs the overlap
    fold: int = 4,  # neighbouring frequencies that are channels of one row: 256 x 64 becomes 4 x 64 x 64
    decibels: float = 80.0,  # below the greatest magnitude there can be, where a picture ends
    iterations: int = 32,  # of Griffin-Lim, when sampling
    momentum: float = 0.99,  # of Griffin-Lim (Perraudin 2013)
    latent_dim: int = 64,  # size of z
    g_width: int = 64,  # feature maps before G's last layer
    d_width: int = 64,  # feature maps of D's first layer
    r1_gamma: float = 10.0,  # applied as gamma / 2 (Mescheder 2018)
    r1_every: int = 16,  # steps between penalties, which are so much stronger then (Karras 2020)
    lr: float = 2e-4,  # Adam
    lr_halving: int | None = None,  # samples after which lr has halved, as lr / (1 + samples / this); None for constant
    beta1: float = 0.0,  # Mescheder 2018
    beta2: float = 0.99,  # idem
    batch_size: int = 64,  # idem
    average_halflife: int = 10_000,  # of G's moving average, in samples
) -> Recipe:
    """The networks and the game of r1gan over log-STFT pictures; Griffin-Lim with momentum makes the sound.

    Four times overlapping windows and linear frequency, because the way back then loses least: of 60 spoken digits and
    48 tones at 8 kHz, log-mel pictures (64 bands, 80 dB are 2) after 32 iterations differ from the originals' by .004
    and .006 on average; with 256 / 128 as in the paper by .018 and .092, from 64 mels (512 / 128) by .011 and .145.
    Two different digits differ by .24.
    """
    spectral = SpectralPictures(n_fft=n_fft, hop=hop, fold=fold, decibels=decibels)
    maps, *sides = spectral.shape(channels, length)
    game = image_gan(
        G=cnn.Generator(latent_dim, maps, sides, g_width, num_classes),
        D=cnn.Discriminator(maps, sides, d_width, num_classes),
        loss=nonsaturating,
        latent_dim=latent_dim,
        g_optimizer=adam(lr, (beta1, beta2)),
        d_optimizer=adam(lr, (beta1, beta2)),
        g_schedule=inverse_decay(lr, lr_halving),
        d_schedule=inverse_decay(lr, lr_halving),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )

    def pictures(nets: Nets, audio: Tensor, progress: Progress | None) -> Tensor:
        return spectral.draw(audio)

    def magnitudes(nets: Nets, drawn: Tensor) -> Tensor:
        return spectral.size(drawn)

    sample = sampler(spectral, magnitudes, normal, latent_dim, length, iterations, momentum)
    return replace(of_sounds(lazy_r1(game, r1_gamma, r1_every), pictures), sample=sample)


def specgan_2018(
    *,
    channels: int = 1,  # of the sounds; filled from the data
    sample_rate: int = 16_000,  # Hz, for the record; filled from the data
    length: int = 16_384,  # samples (section 3.1); filled from the data
    n_fft: int = 256,  # samples: 16 ms at 16 kHz (section 3.3)
    hop: int = 128,  # samples: 8 ms (section 3.3)
    iterations: int = 16,  # of Griffin-Lim (section 3.3)
    statistics: int = 8192,  # samples from whose spectrograms mean and deviation per frequency are taken
    latent_dim: int = 100,  # size of z (appendix D)
    width: int = 64,  # d: feature maps before G's last layer and after D's first (appendix D)
    stages: int = 5,  # layers of either, each a factor of 2 in both directions (appendix D)
    gp_weight: float = 10.0,  # lambda (appendix D)
    d_updates: int = 5,  # appendix D
    lr: float = 1e-4,  # Adam (appendix D)
    beta1: float = 0.5,  # appendix D
    beta2: float = 0.9,  # appendix D
    batch_size: int = 64,  # appendix D
    average_halflife: int = 10_000,  # of G's moving average, in samples; the paper keeps none
) -> Recipe:
    """The paper's: 128 x 128 log magnitudes, normalised per frequency, clipped at 3 deviations, WGAN-GP, 5 x 5 kernels.

    The paper normalises by the whole data beforehand, this by the first `statistics` samples it sees, as they come.
    """
    spectral = SpectralPictures(n_fft=n_fft, hop=hop)
    maps, *sides = spectral.shape(channels, length)
    game = image_gan(
        G=Generator(latent_dim, maps, sides, width, stages),
        D=Discriminator(maps, sides, width, stages),
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

    def pictures(nets: Nets, audio: Tensor, progress: Progress | None) -> Tensor:
        logs = (spectral.magnitudes(audio) + FLOOR).log()
        if progress is not None:
            nets.statistics.look(logs, progress.step)
        normalised: Tensor = nets.statistics(logs)
        return normalised

    def magnitudes(nets: Nets, drawn: Tensor) -> Tensor:
        logs: Tensor = nets.statistics.inverse(drawn.float())
        return (logs.exp() - FLOOR).clamp_min(0)

    sample = sampler(spectral, magnitudes, uniform, latent_dim, length, iterations, momentum=0.0)
    helpers: dict[str, nn.Module] = {"statistics": BinStatistics(n_fft // 2, statistics)}
    return replace(of_sounds(game, pictures), sample=sample, helpers=helpers)


def sampler(
    spectral: SpectralPictures,
    magnitudes: Callable[[Nets, Tensor], Tensor],
    latent: Latent,
    latent_dim: int,
    length: int,
    iterations: int,
    momentum: float,
) -> Callable[..., Tensor]:
    """Return the function that draws new sounds [N, C, length] in [-1, 1]; the first phases are drawn too."""

    def sample(nets: Nets, draws: Draws, label: Tensor | None = None) -> Tensor:
        size = magnitudes(nets, nets.G(latent(draws, latent_dim), label))
        phase = draws.uniform("phase", *size.shape[1:]) * 2 * pi
        with torch.autocast(size.device.type, enabled=False):
            return spectral.waves(size, length, phase, iterations, momentum).clamp(-1, 1)

    return sample
