"""AmbientGAN: Generative Models from Lossy Measurements (Bora, Price & Dimakis, 2018), ICLR, openreview Hy7fDog0b.

D never sees G's picture, only what the known measurement makes of it, beside measured real pictures: so G learns the
pictures before the measurement, from measured ones alone. The game is that of `r1gan` (arXiv:1801.04406).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from gantlet.layers import corruption
from gantlet.networks import strided
from gantlet.recipe import Draws, Nets, Recipe
from gantlet.recipes.image_gan import latents, normal
from gantlet.recipes.noisy_gan import field, level, noisy_gan, training

TINY = dict(
    channels=1, resolution=8, num_classes=3, latent_dim=8, g_width=8, d_width=8, hidden=16, sigma=0.1, r1_every=2,
    batch_size=8,
)  # fmt: skip
QUICK: dict[str, dict[str, object]] = {
    # As r1gan: docs/lab-log.md, 2026-11-22.
    "ambient_gan": dict(g_width=16, d_width=32, hidden=256, r1_gamma=2.0, r1_every=8, lr=3e-3, lr_halving=100_000)
}

Measure = Callable[[Draws, Tensor, int], Tensor]  # (draws, pictures [times * n, ...], times) -> what is measured


def measurement(
    sigma: float, poisson: float, multiplicative: float, speckle: int, salt_pepper: float, mask: float, blur: float,
    black: float, white: float,
) -> Measure:  # fmt: skip
    """Return what happens to a picture between the scene and the file: first to the light, then to its pixels."""

    def measure(draws: Draws, pictures: Tensor, times: int) -> Tensor:
        shape = (pictures.shape[1], pictures.shape[2], pictures.shape[3])
        x = corruption.to_intensity(pictures, black, white)
        if blur:
            x = corruption.blur(x, blur)
        if speckle:
            x = corruption.speckle(x, level(draws, "speckle", (speckle, *shape), times))
        if multiplicative:
            x = corruption.multiplicative(x, multiplicative, field(draws, "multiplicative", shape, times))
        if poisson:
            x = corruption.poisson(x, poisson, field(draws, "poisson", shape, times))
        if sigma:
            x = corruption.gaussian(x, sigma, field(draws, "gaussian", shape, times))
        if salt_pepper:
            x = corruption.salt_and_pepper(x, salt_pepper, level(draws, "salt and pepper", shape, times))
        if mask:
            x = corruption.mask(x, mask, level(draws, "mask", (1, *shape[1:]), times))
        # Data is within [-1, 1]: measured pictures that were not had been clipped, those that fit lose nothing.
        return corruption.to_picture(x, black, white).clamp(-1, 1)

    return measure


def ambient_gan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    sigma: float = 0.0,  # standard deviation of additive Gaussian noise, where black is 0 and white 1; 0 for none
    poisson: float = 0.0,  # photons (events) that a white pixel counts; 0 for no shot noise
    multiplicative: float = 0.0,  # standard deviation of Gaussian noise relative to the intensity; 0 for none
    speckle: int = 0,  # looks of the speckle that multiplies the intensity; 0 for none
    salt_pepper: float = 0.0,  # share of values replaced by black or white
    mask: float = 0.0,  # share of pixels blacked out (Block-Pixels, section 4)
    blur: float = 0.0,  # standard deviation of a Gaussian blur, in pixels (Convolve+Noise, section 4)
    black: float = -1.0,  # value of black before the noise, where the data spans -1 to 1
    white: float = 1.0,  # value of white before the noise, where the data spans -1 to 1
    latent_dim: int = 64,  # size of z
    g_width: int = 64,  # feature maps before G's last layer
    d_width: int = 64,  # feature maps of D's first layer
    hidden: int = 1024,  # units of the fully connected layer in each
    r1_gamma: float = 10.0,  # of R1, applied as gamma / 2 (as r1gan)
    r1_every: int = 1,  # steps between penalties, which are so much stronger then
    lr: float = 1e-4,  # Adam (as r1gan)
    lr_halving: int | None = None,  # samples after which lr has halved, as lr / (1 + samples / this); None for constant
    beta1: float = 0.0,  # as r1gan
    beta2: float = 0.99,  # as r1gan
    batch_size: int = 64,  # as r1gan
    average_halflife: int = 10_000,  # of G's moving average, in samples
) -> Recipe:
    """Clean pictures from pictures spoiled in a known way: by noise, blur or gaps.

    Blur comes first, then what multiplies the light, noise, replaced values and gaps; clipping to [-1, 1] comes last.
    Samples are clean; `sample(noise=1)` gives them as measured, `sample(clean=0, noise=1)` the difference alone.
    """
    measure = measurement(sigma, poisson, multiplicative, speckle, salt_pepper, mask, blur, black, white)

    def fakes(nets: Nets, draws: Draws, y: Tensor | None, times: int) -> Tensor:
        return measure(draws, nets.G(latents(draws, normal, latent_dim, times), y), times)

    def sample(nets: Nets, draws: Draws, label: Tensor | None = None, clean: float = 1.0, noise: float = 0.0) -> Tensor:
        picture: Tensor = nets.G(normal(draws, latent_dim), label)
        if not noise:
            return clean * picture
        return (clean * picture + noise * (measure(draws, picture, 1) - picture)).clamp(-1, 1)

    return noisy_gan(
        G=strided.Generator(latent_dim, channels, resolution, g_width, num_classes, hidden),
        D=strided.Discriminator(channels, resolution, d_width, num_classes, hidden),
        fakes=fakes,
        sample=sample,
        r1_gamma=r1_gamma,
        r1_every=r1_every,
        **training(lr, lr_halving, beta1, beta2, batch_size, average_halflife),
    )
