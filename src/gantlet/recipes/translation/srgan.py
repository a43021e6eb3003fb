"""SRGAN: Photo-Realistic Single Image Super-Resolution Using a GAN (Ledig et al., 2017), arXiv:1609.04802.

Options take it to ESRGAN (Wang et al., 2018, arXiv:1809.00219: dense blocks, relativistic average D) and Real-ESRGAN
(Wang et al., 2021, arXiv:2107.10833: degradation twice over, U-Net discriminator). The features of VGG, which would
have to be downloaded and know photographs in colour only, are replaced by those of D (Wang et al., 2018, pix2pixHD,
Eq. 3), and the mean squared error by L1 (BasicSR): numbers of the papers compare for the first stage alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gantlet.layers.spectral_norm import power_iteration
from gantlet.losses.adversarial import AdversarialLoss, nonsaturating
from gantlet.losses.relativistic_average import relativistic_average
from gantlet.losses.similarity import feature_distance, l1
from gantlet.networks import srresnet
from gantlet.networks.rrdb import RRDBNet
from gantlet.networks.sn_patchgan import patches
from gantlet.networks.unet_discriminator import UNetDiscriminator
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe, Tiling
from gantlet.recipes.image_gan import report_game
from gantlet.recipes.optimizers import adam, cosine_decay
from gantlet.recipes.pacing import Pacing
from gantlet.recipes.translation.degrading import Degradation, bicubic, second_order
from gantlet.recipes.translation.restoration import RESTORATION, Schedule, report_psnr

DATA = "patches"
TINY = dict(
    channels=1, resolution=8, num_classes=3, scale=2, width=8, blocks=1, growth=4, d_width=4, hidden=8, batch_size=8
) | dict(warm_up=0, average_halflife=100)
# docs/lab-log.md, 2026-11-22: with a D of patches there is time for almost four times the steps that a U-Net leaves; a
# moving average longer than the second stage hides that stage.
QUICK: dict[str, dict[str, object]] = {
    "srgan": {
        **dict(width=32, blocks=8, norm=False, direct=True, warm_up=300_000, lr=1e-3, lr_last=0.02),
        **dict(d_stages=2, d_width=16, pixel_weight=1.0, feature_weight=1.0, adversarial_weight=0.1),
        **dict(adversarial_lr=3e-4, average_halflife=1_000, batch_size=4),
    }
}
# Two thirds for the L1 stage, as the benchmark divides its budgets; not tuned.
PACING = {"srgan": Pacing(stage="warm_up", share=2 / 3)}


def srgan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 96,  # side of the large patches (section 3.2); filled from the data
    scale: int = 4,  # 2, 4 or 8 times larger; 1 undoes the wear alone
    width: int = 64,  # feature maps of G (Fig. 4)
    blocks: int = 16,  # residual blocks of G (Fig. 4); ESRGAN has 23
    norm: bool = True,  # batch norm in G (Fig. 4); False: none, and a bicubic skip around G (BasicSR's MSRResNet)
    direct: bool = False,  # with norm False: straight from the small size to pixels, far less work on a CPU
    rrdb: bool = False,  # residual-in-residual dense blocks in G (ESRGAN)
    growth: int = 32,  # maps that each convolution of a dense block adds (ESRGAN)
    d_width: int = 64,  # feature maps of D's first layer (Fig. 4)
    hidden: int = 1024,  # units of D's dense layer (Fig. 4)
    unet: bool = False,  # D with a logit per pixel and spectral norm (Real-ESRGAN)
    d_stages: int = 0,  # D of patches with so many halvings and spectral norm, cheap on a CPU; 0: as in Fig. 4
    relativistic: bool = False,  # relativistic average loss (ESRGAN, Eq. 1)
    second_order_degradation: bool = False,  # blur, resize, noise, JPEG, twice (Real-ESRGAN); False: bicubic
    pixel_weight: float = 0.01,  # of L1 in the adversarial stage (BasicSR)
    feature_weight: float = 1.0,  # of the distance of D's features there; the paper's is of VGG's
    adversarial_weight: float = 0.005,  # BasicSR; paper 1e-3 beside VGG; 0 for the L1 stage for ever, without a D
    warm_up: int = 16_000_000,  # samples of the L1 stage (section 3.2: 1e6 updates of 16)
    lr: float = 1e-4,  # Adam, L1 stage (section 3.2)
    lr_last: float = 1.0,  # share of that rate at the stage's end, along a cosine; 1 is constant (section 3.2)
    adversarial_lr: float = 1e-4,  # Adam of both networks, adversarial stage (section 3.2)
    adversarial_lr_drop: int = 1_600_000,  # samples of that stage after which its rate is a tenth (1e5 updates of 16)
    beta1: float = 0.9,  # section 3.2
    beta2: float = 0.999,  # idem
    batch_size: int = 16,  # section 3.2
    average_halflife: int = 10_000,  # of G's moving average, in samples (BasicSR: .999 per update of 16)
) -> Recipe:
    """L1 on enlarged pictures first; then D's judgement, D's features and a little L1. Stop before `warm_up` for PSNR.

    The small input is made from the picture in the loss; `apply` gives pictures `scale` times larger. Each stage is a
    phase: a run of fewer than `warm_up` samples is SRResNet, a longer one SRGAN.
    """
    degrade = second_order if second_order_degradation else bicubic
    loss = relativistic_average if relativistic else nonsaturating
    game = Game(scale, degrade, loss, pixel_weight, feature_weight, adversarial_weight)
    rate = two_rates(lr, lr_last, warm_up, adversarial_lr, adversarial_lr_drop if adversarial_weight else None)
    optimizer = adam(lr, (beta1, beta2))
    G = generator(channels, scale, width, blocks, norm, direct, growth if rrdb else 0)
    players = {"G": Player(networks={"G": G}, optimizer=optimizer, schedule=rate, average_halflife=average_halflife)}
    phases: tuple[Phase, ...] = (Phase(player="G", loss=game.content, stop=warm_up if adversarial_weight else None),)
    if adversarial_weight:
        D = discriminator(channels, resolution, d_width, hidden, unet, d_stages)
        players["D"] = Player(networks={"D": D}, optimizer=optimizer, schedule=rate, constrain=power_iteration)
        phases += (
            Phase(player="D", loss=game.discriminator, start=warm_up),
            Phase(player="G", loss=game.generator, start=warm_up),
        )
    tiling = Tiling(scale=scale, margin=min(2 * blocks + 8, 40))
    return Recipe(
        players=players, phases=phases, batch_size=batch_size, apply=enlarge, example=game.example, tiling=tiling,
        signs=RESTORATION,
    )  # fmt: skip


@dataclass(frozen=True)
class Game:
    """The losses of both stages."""

    scale: int
    degrade: Degradation
    loss: AdversarialLoss
    pixel_weight: float
    feature_weight: float
    adversarial_weight: float

    def example(self, batch: Batch, draws: Draws) -> Mapping[str, Any]:
        """Return small pictures made of a batch's."""
        return {"inputs": self.degrade(batch["image"], self.scale, draws)}

    def content(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """L1 alone."""
        large = nets.G(self.degrade(batch["image"], self.scale, progress))
        report_psnr(progress, large, batch["image"])
        return {"pixels": l1(large, batch["image"]).mean()}

    def discriminator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Large pictures against enlarged ones, in a pass each: batch norm would mix them."""
        fake = nets.G(self.degrade(batch["image"], self.scale, progress))
        real_logits, fake_logits = nets.D(batch["image"]), nets.D(fake)
        report_game(progress, real_logits, fake_logits)
        return {"adversarial": self.loss.discriminator(real_logits, fake_logits).mean()}

    def generator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """D's judgement, the distance of D's features, L1."""
        real = batch["image"]
        fake = nets.G(self.degrade(real, self.scale, progress))
        with torch.no_grad():
            real_features = nets.D.features(real)
            real_logits = nets.D.judge(real_features)
        fake_features = nets.D.features(fake)
        fake_logits = nets.D.judge(fake_features)
        report_psnr(progress, fake, real)
        return {
            "adversarial": self.adversarial_weight * self.loss.generator(real_logits, fake_logits).mean(),
            "pixels": self.pixel_weight * l1(fake, real).mean(),
            "features": self.feature_weight * feature_distance(fake_features, real_features).mean(),
        }


def two_rates(lr: float, last: float, warm_up: int, adversarial_lr: float, drop: int | None) -> Schedule:
    """Return a schedule: from `lr` to `last` times it over `warm_up` samples, then `adversarial_lr`, then a tenth.

    The tenth comes `drop` samples after the warm-up; None: there is no second stage, and the rate stays.
    """
    first = cosine_decay(lr, max(warm_up, 1), last)

    def rate(progress: Progress) -> Mapping[str, Any]:
        if drop is None or progress.samples < warm_up:
            return first(progress)
        return {"lr": adversarial_lr * (0.1 if progress.samples >= warm_up + drop else 1.0)}

    return rate


def generator(channels: int, scale: int, width: int, blocks: int, norm: bool, direct: bool, growth: int) -> nn.Module:
    """Return G: SRResNet, the one without norms, or (with a `growth`) RRDBNet."""
    if growth:
        return RRDBNet(channels, scale, width, blocks, growth)
    if norm:
        return srresnet.SRResNet(channels, scale, width, blocks)
    return srresnet.PlainSRResNet(channels, scale, width, blocks, direct)


def discriminator(
    channels: int, resolution: int | Sequence[int], width: int, hidden: int, unet: bool, stages: int
) -> nn.Module:
    """Return D: of pixels (`unet`), of patches (`stages`), or the published one, of whole pictures of one size."""
    if unet and stages:
        raise ValueError("D is a U-Net or one of patches: for a U-Net set d_stages to 0")
    if unet:
        return UNetDiscriminator(channels, width)
    if stages:
        return patches(channels, width, stages)
    return srresnet.Discriminator(channels, resolution, width, hidden)


def enlarge(nets: Nets, inputs: Tensor) -> Tensor:
    """Return pictures `scale` times as large, [N, C, scale H, scale W] in [-1, 1]."""
    large: Tensor = nets.G(inputs)
    return large.float().clamp(-1, 1)
