"""NoiseGAN: noise against instability. Amortised MAP Inference (Sønderby et al., 2016), arXiv:1610.04490.

Here "NoiseGAN" is the family of GANs that put noise to use: on D's inputs (this file), inside G (this file), or as a
model of the noise in the data (`ambient_gan`, `nrgan_...`). Noise on D's inputs makes the two distributions overlap,
so that D cannot tell them apart with certainty (also Arjovsky & Bottou, 2017, arXiv:1701.04862). All else is `r1gan`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from gantlet.layers.diffusion_ladder import DiffusionLadder
from gantlet.losses.penalties import instance_noise_penalty
from gantlet.networks import noisegan as networks
from gantlet.networks import strided
from gantlet.recipe import Draws, Nets, Progress, Recipe
from gantlet.recipes.image_gan import latents, normal
from gantlet.recipes.noisy_gan import MakeFakes, Seen, as_it_is, field, noisy_gan, training

TINY = dict(
    channels=1, resolution=8, num_classes=3, latent_dim=8, g_width=8, d_width=8, hidden=16, r1_every=2, longest=20,
    batch_size=8,
)  # fmt: skip
SMALL: dict[str, object] = dict(g_width=16, d_width=32, hidden=256, lr=2e-3, lr_halving=100_000)
QUICK: dict[str, dict[str, object]] = {
    # As r1gan (docs/lab-log.md, 2026-11-22); what is said of noise is a first guess, measured as it is
    # (benchmarks/results/zoo.json), not tuned.
    "noisegan": dict(SMALL, r1_gamma=2.0, r1_every=8, d_noise_samples=100_000),
    "noisegan_adaptive": dict(SMALL, r1_gamma=2.0, r1_every=8, adapt_samples=20_000),
    "noisegan_gradient": dict(SMALL, gamma_samples=100_000),
}


def generator(
    latent_dim: int,
    channels: int,
    resolution: int | Sequence[int],
    width: int,
    num_classes: int,
    hidden: int,
    layer_noise: bool,
    chunked: bool,
) -> nn.Module:
    """Return the small generator of `r1gan`, with noise inside where it is wanted."""
    if layer_noise or chunked:
        return networks.Generator(latent_dim, channels, resolution, width, num_classes, hidden, layer_noise, chunked)
    return strided.Generator(latent_dim, channels, resolution, width, num_classes, hidden)


def drawing(G: nn.Module, latent_dim: int) -> tuple[MakeFakes, Callable[..., Tensor]]:
    """Return how to make fakes and samples of a generator that may take noise in its layers."""
    shapes = list(G.noise_shapes) if isinstance(G, networks.Generator) else []

    def picture(nets: Nets, draws: Draws, y: Tensor | None, times: int, strength: float) -> Tensor:
        z = latents(draws, normal, latent_dim, times)
        if not shapes or not strength:
            fake: Tensor = nets.G(z, y)
            return fake
        noise = [strength * field(draws, f"layer {i}", shape, times) for i, shape in enumerate(shapes)]
        noisy: Tensor = nets.G(z, y, noise)
        return noisy

    def fakes(nets: Nets, draws: Draws, y: Tensor | None, times: int) -> Tensor:
        return picture(nets, draws, y, times, 1.0)

    def sample(nets: Nets, draws: Draws, label: Tensor | None = None, layer_noise: float = 1.0) -> Tensor:
        return picture(nets, draws, label, 1, layer_noise)

    return fakes, sample


def annealed(start: float, samples: int) -> Callable[[Progress], float]:
    """Return a schedule that falls from `start` to 0 along a straight line and is 0 after `samples`."""
    return lambda progress: start * max(0.0, 1.0 - progress.samples / samples)


def instance_noise(sigma: Callable[[Progress], float]) -> Seen:
    """Return a view of pictures with Gaussian noise of standard deviation `sigma`, on real and on fake alike."""

    def seen(nets: Nets, progress: Progress, pictures: Tensor, stream: str) -> Tensor:
        now = sigma(progress)
        return pictures + now * progress.normal(stream, *pictures.shape[1:]) if now else pictures

    return seen


def noisegan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    latent_dim: int = 64,  # size of z
    g_width: int = 64,  # feature maps before G's last layer
    d_width: int = 64,  # feature maps of D's first layer
    hidden: int = 1024,  # units of the fully connected layer in each
    d_noise: float = 0.1,  # standard deviation of the noise on D's inputs at the start, on [-1, 1]; 0 for none
    d_noise_samples: int = 12_800_000,  # samples after which that noise is gone (200k steps of 64, as NR-GAN trains)
    layer_noise: bool = True,  # noise in every layer of G, its strength learned from 0 (Karras 2019; Feng 2020)
    chunked: bool = False,  # a chunk of z steers each norm of G (Brock 2019)
    r1_gamma: float = 10.0,  # of R1, applied as gamma / 2 (Mescheder 2018, section 4.1); 0 for none
    r1_every: int = 1,  # steps between penalties, which are so much stronger then
    lr: float = 1e-4,  # Adam (as r1gan)
    lr_halving: int | None = None,  # samples after which lr has halved, as lr / (1 + samples / this); None for constant
    beta1: float = 0.0,  # as r1gan
    beta2: float = 0.99,  # as r1gan
    batch_size: int = 64,  # as r1gan
    average_halflife: int = 10_000,  # of G's moving average, in samples
) -> Recipe:
    """Annealed instance noise on D's inputs and learned noise inside G (Feng et al., 2020, arXiv:2006.05891).

    With `d_noise` 0, `layer_noise` and `chunked` off this is `r1gan`, bit for bit.
    """
    G = generator(latent_dim, channels, resolution, g_width, num_classes, hidden, layer_noise, chunked)
    fakes, sample = drawing(G, latent_dim)
    return noisy_gan(
        G=G,
        D=strided.Discriminator(channels, resolution, d_width, num_classes, hidden),
        fakes=fakes,
        sample=sample,
        seen=instance_noise(annealed(d_noise, d_noise_samples)) if d_noise else as_it_is,
        r1_gamma=r1_gamma,
        r1_every=r1_every,
        **training(lr, lr_halving, beta1, beta2, batch_size, average_halflife),
    )


def noisegan_adaptive(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    latent_dim: int = 64,  # size of z
    g_width: int = 64,  # feature maps before G's last layer
    d_width: int = 64,  # feature maps of D's first layer
    hidden: int = 1024,  # units of the fully connected layer in each
    d_noise: float = 0.05,  # sigma: noise on the last rung, where nothing is left of the picture (authors' code)
    longest: int = 1000,  # rungs of the whole ladder (authors' code)
    shortest: int = 10,  # rungs in use at the start, and at least (authors' code)
    target: float = 0.6,  # mean sign of D's logits on real pictures that is aimed at (authors' code, as ADA)
    adapt_samples: int = 500_000,  # samples from the shortest to the longest ladder (ADA's default speed)
    layer_noise: bool = True,  # noise in every layer of G, its strength learned from 0
    chunked: bool = False,  # a chunk of z steers each norm of G (Brock 2019)
    r1_gamma: float = 10.0,  # of R1, applied as gamma / 2; 0 for none
    r1_every: int = 1,  # steps between penalties, which are so much stronger then
    lr: float = 1e-4,  # Adam (as r1gan)
    lr_halving: int | None = None,  # samples after which lr has halved, as lr / (1 + samples / this); None for constant
    beta1: float = 0.0,  # as r1gan
    beta2: float = 0.99,  # as r1gan
    batch_size: int = 64,  # as r1gan
    average_halflife: int = 10_000,  # of G's moving average, in samples
) -> Recipe:
    """Diffusion of D's inputs, as far as D overfits (Diffusion-GAN, Wang et al., 2022, arXiv:2206.02262).

    D is told the rung by a plane beside the colours. The ladder's length is reported as "D/ladder". Several processes
    adapt by their own rows each and are made equal at every checkpoint.
    """

    def seen(nets: Nets, progress: Progress, pictures: Tensor, stream: str) -> Tensor:
        nets.ladder.adapt(progress.step)
        noise = progress.normal(stream, *pictures.shape[1:])
        shown: Tensor = nets.ladder(pictures, progress.uniform(f"{stream} rung"), noise)
        return shown

    def watch(nets: Nets, progress: Progress, real_logits: Tensor) -> None:
        nets.ladder.watch(real_logits)
        progress.report("ladder", nets.ladder.length)

    G = generator(latent_dim, channels, resolution, g_width, num_classes, hidden, layer_noise, chunked)
    fakes, sample = drawing(G, latent_dim)
    return noisy_gan(
        G=G,
        D=strided.Discriminator(channels + 1, resolution, d_width, num_classes, hidden),
        fakes=fakes,
        sample=sample,
        seen=seen,
        watch=watch,
        r1_gamma=r1_gamma,
        r1_every=r1_every,
        helpers={"ladder": DiffusionLadder(longest, min(shortest, longest), d_noise, target, adapt_samples)},
        **training(lr, lr_halving, beta1, beta2, batch_size, average_halflife),
    )


def noisegan_gradient(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    latent_dim: int = 64,  # size of z
    g_width: int = 64,  # feature maps before G's last layer
    d_width: int = 64,  # feature maps of D's first layer
    hidden: int = 1024,  # units of the fully connected layer in each
    gamma: float = 2.0,  # variance of the noise it stands for, applied as gamma / 2 (authors' code, when annealed)
    gamma_decay: float = 0.01,  # factor by which gamma has fallen after `gamma_samples`, exponentially
    gamma_samples: int = 12_800_000,  # samples of that fall (200k steps of 64)
    layer_noise: bool = True,  # noise in every layer of G, its strength learned from 0
    chunked: bool = False,  # a chunk of z steers each norm of G (Brock 2019)
    lr: float = 1e-4,  # Adam (as r1gan)
    lr_halving: int | None = None,  # samples after which lr has halved, as lr / (1 + samples / this); None for constant
    beta1: float = 0.0,  # as r1gan
    beta2: float = 0.99,  # as r1gan
    batch_size: int = 64,  # as r1gan
    average_halflife: int = 10_000,  # of G's moving average, in samples
) -> Recipe:
    """Instance noise in its analytic limit, a penalty on D's gradient (Roth et al., 2017, arXiv:1705.09367).

    It takes the place of R1.
    """

    def penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, progress: Progress) -> Tensor:
        now: float = gamma * gamma_decay ** (progress.samples / gamma_samples)
        return now / 2 * instance_noise_penalty(critic, real, fake)

    G = generator(latent_dim, channels, resolution, g_width, num_classes, hidden, layer_noise, chunked)
    fakes, sample = drawing(G, latent_dim)
    return noisy_gan(
        G=G,
        D=strided.Discriminator(channels, resolution, d_width, num_classes, hidden),
        fakes=fakes,
        sample=sample,
        penalty=penalty,
        **training(lr, lr_halving, beta1, beta2, batch_size, average_halflife),
    )
