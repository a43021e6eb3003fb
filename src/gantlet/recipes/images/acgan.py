"""AC-GAN: Conditional Image Synthesis with Auxiliary Classifier GANs (Odena et al., 2017), arXiv:1610.09585.

D tells real from fake and names the class; it maximises L_S + L_C on real and on fake, G maximises L_C - L_S.
Known for drifting to little variety within a class: look at the per-class numbers of `gantlet evaluate`.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gantlet.losses.adversarial import nonsaturating
from gantlet.losses.likelihood import class_loss
from gantlet.networks import acgan as networks
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import normal, report_diversity, report_game
from gantlet.recipes.optimizers import adam
from gantlet.recipes.signs import IMAGE_GAN

TINY = dict(channels=1, resolution=8, num_classes=3, latent_dim=8, g_width=8, d_width=4, batch_size=8)
# Chosen on MNIST, one seed (docs/lab-log.md, 2026-11-21); measured over three in benchmarks/results/spine.json.
QUICK: dict[str, dict[str, object]] = {"acgan": dict(g_width=16, d_width=8, dropout=0.25, lr=1e-3, batch_size=64)}


def acgan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 10,  # filled from the data, which must have labels
    latent_dim: int = 110,  # size of z (Table 2)
    g_width: int = 96,  # feature maps before G's last layer: 384-192-96 at 32 pixels (Table 2)
    d_width: int = 16,  # feature maps of D's first layer, doubled five times (Table 2)
    dropout: float = 0.5,  # after every convolution of D (Table 2)
    noise: float = 0.0,  # sigma of the noise on D's activations: 0, .1 or .2 (Table 2)
    class_weight: float = 1.0,  # of L_C against L_S
    lr: float = 2e-4,  # Adam; 1e-4, 2e-4 or 3e-4 (Table 2)
    beta1: float = 0.5,  # Table 2
    batch_size: int = 100,  # Table 2
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018)
) -> Recipe:
    """A discriminator with two heads: real or fake, and which class."""

    def discriminator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real, y = batch["image"], batch["label"]
        fake = nets.G(normal(progress, latent_dim), y)
        real_logits, real_classes = nets.D(real)
        fake_logits, fake_classes = nets.D(fake)
        report_game(progress, real_logits, fake_logits)
        classes = class_loss(real_classes, y).mean() + class_loss(fake_classes, y).mean()
        return {
            "adversarial": nonsaturating.discriminator(real_logits, fake_logits).mean(),
            "class": class_weight * classes,
        }

    def generator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real, y = batch["image"], batch["label"]
        fake = nets.G(normal(progress, latent_dim), y)
        fake_logits, fake_classes = nets.D(fake)
        report_diversity(progress, real, fake)
        return {
            "adversarial": nonsaturating.generator(fake_logits, fake_logits).mean(),
            "class": class_weight * class_loss(fake_classes, y).mean(),
        }

    def sample(nets: Nets, draws: Draws, label: Tensor) -> Tensor:
        pictures: Tensor = nets.G(normal(draws, latent_dim), label)
        return pictures

    G = networks.Generator(latent_dim, channels, resolution, num_classes, g_width)
    D = networks.Discriminator(channels, resolution, num_classes, d_width, dropout, noise)
    optimizer = adam(lr, (beta1, 0.999))
    return Recipe(
        players={
            "G": Player(networks={"G": G}, optimizer=optimizer, average_halflife=average_halflife),
            "D": Player(networks={"D": D}, optimizer=optimizer),
        },
        phases=(Phase(player="D", loss=discriminator_loss), Phase(player="G", loss=generator_loss)),
        batch_size=batch_size,
        sample=sample,
        signs=IMAGE_GAN,
    )
