"""A complete recipe outside the package: a small convolutional GAN with a lazy R1 penalty.

    PYTHONPATH=examples gantlet train own_recipe:pocket_gan --data digits --out runs/own --seconds 30
    PYTHONPATH=examples gantlet sample runs/own --num 64 --out own.png --recipe own_recipe:pocket_gan

It differs from the recipes inside Gantlet in nothing but its place. R1 (Mescheder et al., 2018, arXiv:1801.04406) runs
on every 16th step only, as in StyleGAN2 (Karras et al., 2020, arXiv:1912.04958): a phase of its own, `every=16`, and
the loop makes its gradient 16 times larger.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from gantlet.layers.grid import crop, height_width
from gantlet.losses.adversarial import nonsaturating
from gantlet.losses.penalties import gradient_norm_squared
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import diversity, report_game
from gantlet.recipes.optimizers import adam
from gantlet.recipes.signs import IMAGE_GAN

TINY = dict(channels=1, resolution=8, latent_dim=8, width=4, batch_size=8)


class Generator(nn.Module):
    """z [N, latent_dim] -> picture [N, C, H, W] in [-1, 1], two doublings from a quarter of its size."""

    def __init__(self, latent_dim: int, channels: int, resolution: int | Sequence[int], width: int) -> None:
        super().__init__()
        self.resolution = height_width(resolution)
        self.rows, self.columns = (-(-side // 4) for side in self.resolution)
        self.first = nn.Linear(latent_dim, 4 * width * self.rows * self.columns)
        self.rest = nn.Sequential(
            nn.BatchNorm2d(4 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, channels, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return crop(self.rest(self.first(z).unflatten(1, (-1, self.rows, self.columns))), self.resolution)


class Discriminator(nn.Module):
    """Picture [N, C, H, W] -> logits [N], high for real. No batch norm: R1 asks for a gradient per sample."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 3, 1, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).squeeze(1)


def pocket_gan(
    *,
    channels: int = 1,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 8,  # side, or (height, width); filled from the data
    latent_dim: int = 32,  # size of z, standard normal
    width: int = 16,  # feature maps of D's first layer
    r1_gamma: float = 1.0,  # weight of R1, applied as gamma / 2 (Mescheder 2018, Eq. 9)
    r1_every: int = 16,  # steps between two R1 updates (Karras 2020, section 3.1)
    lr: float = 1e-3,  # Adam, both players
    batch_size: int = 64,
) -> Recipe:
    """A small convolutional GAN, non-saturating, with R1 on every 16th step."""

    def discriminator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real_logits = nets.D(batch["image"])
        fake_logits = nets.D(nets.G(progress.normal("z", latent_dim)))
        report_game(progress, real_logits, fake_logits)
        return {"adversarial": nonsaturating.discriminator(real_logits, fake_logits).mean()}

    def r1(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        return {"r1": r1_gamma / 2 * gradient_norm_squared(nets.D, batch["image"]).mean()}

    def generator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        fake = nets.G(progress.normal("z", latent_dim))
        fake_logits = nets.D(fake)
        progress.report("diversity", diversity(batch["image"], fake))
        return {"adversarial": nonsaturating.generator(fake_logits, fake_logits).mean()}

    def sample(nets: Nets, draws: Draws, label: Tensor | None = None) -> Tensor:
        pictures: Tensor = nets.G(draws.normal("z", latent_dim))
        return pictures

    G, D = Generator(latent_dim, channels, resolution, width), Discriminator(channels, width)
    optimizer = adam(lr, (0.5, 0.99))
    return Recipe(
        players={
            "G": Player(networks={"G": G}, optimizer=optimizer, average_halflife=10_000),
            "D": Player(networks={"D": D}, optimizer=optimizer),
        },
        phases=(
            Phase(player="D", loss=discriminator_loss),
            Phase(player="D", loss=r1, every=r1_every),
            Phase(player="G", loss=generator_loss),
        ),
        batch_size=batch_size,
        sample=sample,
        signs=IMAGE_GAN,
    )
