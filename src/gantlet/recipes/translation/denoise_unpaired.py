"""GCBD with a small noise model: Image Blind Denoising With GAN Based Noise Modeling (Chen, Chen, Chao & Yang, 2018).

CVPR 2018, after its idea: a GAN learns the noise from noisy pictures that have no clean twins, and a denoiser learns
from clean pictures with that noise. Where GCBD cuts noise from smooth places, D here compares noisy pictures with
clean ones to which the model added noise, as in DANet (Yue et al., 2020, arXiv:2007.05946), but unpaired; and the
noise generator is a handful of numbers, heteroscedastic with a small kernel: quick to learn, and one can read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.losses.adversarial import nonsaturating
from gantlet.losses.noise_statistics import noise_distance
from gantlet.losses.penalties import gradient_norm_squared
from gantlet.networks.dncnn import DnCNN
from gantlet.networks.noise_model import NoiseModel
from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe, Tiling
from gantlet.recipes.image_gan import report_game
from gantlet.recipes.optimizers import adam
from gantlet.recipes.pacing import Pacing
from gantlet.recipes.signs import dead_discriminator
from gantlet.recipes.translation.denoise import remove_noise
from gantlet.recipes.translation.restoration import maybe_decay, report_psnr

DATA = "unpaired"
TINY = dict(source_channels=1, target_channels=1, channels=1, resolution=8, num_classes=3, depth=3, width=8) | dict(
    d_width=4, knots=3, batch_size=8, average_halflife=100, warm_up=0, r1_every=2
)
QUICK: dict[str, dict[str, object]] = {  # the denoiser's as those of `denoise`; the rest is a first guess
    "denoise_unpaired": {
        **dict(depth=8, width=32, norm=False, d_width=16, lr=2e-3, batch_size=4, average_halflife=1_000),
        **dict(warm_up=2_000, decay_samples=20_000),
    }
}
# The noise model alone for a tenth, as 30,000 of 300,000 samples were before; not tuned.
PACING = {"denoise_unpaired": Pacing(stage="warm_up", share=0.1, end="decay_samples")}


class NoiseJudge(nn.Module):
    """Logits [N, 1, h, w] of small places: 1x1 over the picture, its local mean and what differs from it, then 3x3s.

    The difference is the noise, mostly, and the mean its intensity: with both at hand D need not learn to separate
    them. A receptive field of 13 pixels: noise, hardly any content.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2 * channels, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 3, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        mean = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
        logits: Tensor = self.body(torch.cat([mean, 4 * (x - mean)], 1))
        return logits


def denoise_unpaired(
    *,
    source_channels: int = 3,  # of the noisy pictures; filled from the data
    target_channels: int = 3,  # of the clean pictures, as many; filled from the data
    resolution: int | Sequence[int] = 64,  # side of the patches; any size works, it is kept for the record
    depth: int = 17,  # layers of the denoiser (Zhang 2017)
    width: int = 64,  # its feature maps (idem)
    norm: bool = True,  # batch norm in it (idem)
    knots: int = 9,  # intensities at which the strength of the noise is learnt
    kernel: int = 3,  # side of the kernel that correlates it
    sigma: float = 25.0,  # its strength at the start, in grey levels of 255
    clip: bool = True,  # made pictures to [black, white], as the noisy ones of files are; False for noisy floats
    statistics_weight: float = 100.0,  # of the distance of statistics of the noise (docs/lab-log.md, 2026-11-22)
    d_width: int = 32,  # feature maps of D's first layer
    r1_gamma: float = 0.1,  # of D's gradient penalty
    r1_every: int = 8,  # steps between penalties
    noise_lr: float = 3e-3,  # Adam of the noise model: relative change of sigma per update
    d_lr: float = 1e-3,  # Adam of D
    lr: float = 1e-3,  # Adam of the denoiser
    decay_samples: int | None = None,  # all rates fall along a cosine until then; None for constant
    warm_up: int = 30_000,  # samples of the noise model alone
    batch_size: int = 64,  # samples per update
    average_halflife: int = 10_000,  # of the averages of denoiser and noise model, in samples
) -> Recipe:
    """ "source" are noisy pictures, "target" clean ones of the same kind, unaligned: N learns the noise, G removes it.

    N adds noise to clean pictures until D cannot tell them from noisy ones, held by statistics of the noise; G learns
    on these made pairs by squared error. The two sets should show the same kind of thing, or D finds that difference
    instead.
    """
    if source_channels != target_channels:
        raise ValueError(f"noisy pictures have {source_channels} channels, clean ones {target_channels}")

    game = Game(kernel, clip, r1_gamma, statistics_weight)
    G = DnCNN(target_channels, depth, width, norm)
    N = NoiseModel(target_channels, knots, kernel, sigma / 127.5)
    D = NoiseJudge(target_channels, d_width)

    def player(name: str, network: nn.Module, rate: float, betas: tuple[float, float], halflife: int | None) -> Player:
        schedule = maybe_decay(rate, decay_samples)
        return Player(
            networks={name: network}, optimizer=adam(rate, betas), schedule=schedule, average_halflife=halflife
        )

    return Recipe(
        players={
            "G": player("G", G, lr, (0.9, 0.999), average_halflife),
            "N": player("N", N, noise_lr, (0.5, 0.99), average_halflife),
            "D": player("D", D, d_lr, (0.5, 0.99), None),
        },
        phases=(
            Phase(player="D", loss=game.discriminator),
            Phase(player="D", loss=game.r1, every=r1_every),
            Phase(player="N", loss=game.noise),
            Phase(player="G", loss=game.denoiser, start=warm_up),
        ),
        batch_size=batch_size,
        apply=remove_noise,
        tiling=Tiling(margin=min(depth, 32)),
        signs=(dead_discriminator,),  # the other sign reads G's gradient, and this G plays no game
    )


@dataclass(frozen=True)
class Game:
    """The losses of the three players."""

    kernel: int
    clip: bool
    r1_gamma: float
    statistics_weight: float

    def made(self, nets: Nets, clean: Tensor, progress: Progress) -> Tensor:
        """Return clean pictures with the model's noise."""
        height, across = (side + self.kernel - 1 for side in clean.shape[2:])
        noisy: Tensor = nets.N(clean, progress.normal("noise", clean.shape[1], height, across))
        return noisy.clamp(-1, 1) if self.clip else noisy

    def discriminator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Noisy pictures against made ones."""
        real_logits, fake_logits = nets.D(batch["source"]), nets.D(self.made(nets, batch["target"], progress))
        report_game(progress, real_logits, fake_logits)
        return {"adversarial": nonsaturating.discriminator(real_logits, fake_logits).mean()}

    def r1(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """gamma / 2 |grad D|^2 on noisy pictures, D the mean of its logits times the root of the number of values.

        The gradient of a mean falls as the number of places grows; so scaled, gamma means the same at every size.
        """

        def critic(x: Tensor) -> Tensor:
            logits: Tensor = nets.D(x).mean((1, 2, 3))
            return logits

        values = batch["source"][0].numel()
        return {"r1": self.r1_gamma / 2 * values * gradient_norm_squared(critic, batch["source"]).mean()}

    def noise(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """D's judgement of made pictures, and how unlike their noise's statistics are."""
        made = self.made(nets, batch["target"], progress)
        fake_logits = nets.D(made)
        progress.report("sigma", nets.N.log_sigma.detach().exp() * 127.5)  # mean over knots, in grey levels
        terms = {"adversarial": nonsaturating.generator(fake_logits, fake_logits).mean()}
        if self.statistics_weight:
            terms["statistics"] = self.statistics_weight * noise_distance(made, batch["source"])
        return terms

    def denoiser(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Squared error on pictures made with the averaged model, which does not waver."""
        clean = batch["target"]
        noisy = self.made(nets.averaged, clean, progress)
        restored = noisy - nets.G(noisy).float()
        report_psnr(progress, restored, clean)
        return {"pixels": (restored - clean).square().mean()}
