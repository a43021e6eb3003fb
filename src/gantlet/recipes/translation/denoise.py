"""DnCNN with a patch D: Beyond a Gaussian Denoiser (Zhang, Zuo, Chen, Meng & Zhang, 2017), arXiv:1608.03981.

The network and its loss are the paper's. The discriminator and its weight are ours: a little of it sharpens what the
squared error leaves blurred, and costs PSNR; 0 is the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from gantlet.layers import corruption
from gantlet.layers.spectral_norm import power_iteration
from gantlet.losses.adversarial import hinge
from gantlet.networks.dncnn import DnCNN
from gantlet.networks.sn_patchgan import patches
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe, Tiling
from gantlet.recipes.image_gan import report_game
from gantlet.recipes.optimizers import adam
from gantlet.recipes.pacing import Pacing
from gantlet.recipes.translation.restoration import RESTORATION, maybe_decay, report_psnr

DATA = "patches"
TINY = dict(channels=1, resolution=8, num_classes=3, depth=3, width=8, d_width=4, batch_size=8, average_halflife=100)
# docs/lab-log.md, 2026-11-22: many steps on two patches each are far ahead of few steps on many; D, a third of the time
# of a step, comes late.
QUICK: dict[str, dict[str, object]] = {
    "denoise": {
        **dict(depth=8, width=32, norm=False, d_width=16, lr=2e-3, batch_size=2, average_halflife=1_000),
        **dict(warm_up=14_000, decay_samples=20_000),
    }
}
# With D in the last 30 % of 400 s .13 dB are lost and detail is nearer (docs/choose-a-model.md); not tuned.
PACING = {"denoise": Pacing(stage="warm_up", share=0.7, end="decay_samples")}


def denoise(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 40,  # side of the patches (section IV.A); any size works, kept for the record
    sigma: float = 25.0,  # of Gaussian noise, in grey levels of 255 (section IV.B); 0 for none
    sigma_least: float | None = None,  # each patch its own sigma, from this up to `sigma`: blind (DnCNN-B: 0 to 55)
    events: float = 0.0,  # Poisson noise of so many events per pixel at white; 0 for none
    multiplicative: float = 0.0,  # deviation of noise that multiplies intensities; 0 for none
    looks: int = 0,  # speckle of so many looks; 0 for none
    salt_and_pepper: float = 0.0,  # share of values replaced by black or white
    clip: bool = False,  # the noisy picture to [black, white], as files of 8 bits are; the paper does not
    depth: int = 17,  # layers of G (section III.A); 20 for DnCNN-B
    width: int = 64,  # feature maps of G (section III.A)
    norm: bool = True,  # batch norm in G (section III.B)
    shrink: int = 1,  # side of the blocks of pixels that are laid into channels first; FFDNet has 2
    adversarial_weight: float = 1e-4,  # of hinge against a squared error of about 5e-3; 0 for none and no D
    warm_up: int = 0,  # samples before the adversarial term sets in
    d_width: int = 32,  # feature maps of D's first layer
    lr: float = 1e-3,  # Adam (section IV.B has SGD from 1e-1 to 1e-4; the authors' later code Adam at 1e-3)
    decay_samples: int | None = None,  # the rate falls along a cosine until then; None for constant
    batch_size: int = 128,  # section IV.B
    average_halflife: int = 10_000,  # of G's moving average, in samples; the paper keeps none
) -> Recipe:
    """G predicts the noise, squared error on the rest; D judges patches of what is left. `strength` in `apply`.

    The noisy input is made from the clean picture in the loss, in the order of a camera: speckle and multiplicative
    noise, Poisson, Gaussian, salt and pepper.
    """
    degrade = noise(sigma, sigma_least, events, multiplicative, looks, salt_and_pepper, clip)
    game = Game(degrade, adversarial_weight, warm_up)
    schedule = maybe_decay(lr, decay_samples)
    G = DnCNN(channels, depth, width, norm, shrink)
    g_optimizer, d_optimizer = adam(lr, (0.9, 0.999)), adam(lr, (0.5, 0.999))
    players = {
        "G": Player(networks={"G": G}, optimizer=g_optimizer, schedule=schedule, average_halflife=average_halflife)
    }
    phases: tuple[Phase, ...] = (Phase(player="G", loss=game.generator),)
    if adversarial_weight:
        D = patches(channels, d_width)
        players["D"] = Player(networks={"D": D}, optimizer=d_optimizer, schedule=schedule, constrain=power_iteration)
        phases = (Phase(player="D", loss=game.discriminator, start=warm_up), *phases)
    return Recipe(
        players=players,
        phases=phases,
        batch_size=batch_size,
        apply=remove_noise,
        example=game.example,
        tiling=Tiling(multiple=shrink, margin=min(depth * shrink, 32)),
        signs=RESTORATION,
    )


@dataclass(frozen=True)
class Game:
    """The losses of both players."""

    degrade: Callable[[Tensor, Draws], Tensor]
    adversarial_weight: float
    warm_up: int

    def example(self, batch: Batch, draws: Draws) -> Mapping[str, Tensor]:
        """Return noisy pictures made of a batch's."""
        return {"inputs": self.degrade(batch["image"], draws)}

    def discriminator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Clean patches against denoised ones."""
        noisy = self.degrade(batch["image"], progress)
        real_logits, fake_logits = nets.D(batch["image"]), nets.D(noisy - nets.G(noisy))
        report_game(progress, real_logits, fake_logits)
        return {"adversarial": hinge.discriminator(real_logits, fake_logits).mean()}

    def generator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Squared error per value, (y - R(y) - x)^2 (Eq. 1), and after the warm-up D's judgement."""
        clean = batch["image"]
        noisy = self.degrade(clean, progress)
        restored = noisy - nets.G(noisy).float()
        report_psnr(progress, restored, clean)
        report_psnr(progress, noisy, clean, "noisy_psnr")
        terms = {"pixels": (restored - clean).square().mean()}
        if self.adversarial_weight and progress.samples >= self.warm_up:
            fake_logits = nets.D(restored)
            terms["adversarial"] = self.adversarial_weight * hinge.generator(fake_logits, fake_logits).mean()
        return terms


def noise(
    sigma: float,
    sigma_least: float | None,
    events: float,
    multiplicative: float,
    looks: int,
    salt_and_pepper: float,
    clip: bool,
) -> Callable[[Tensor, Draws], Tensor]:
    """Return the function that makes noisy pictures of clean ones: both in [-1, 1], the noisy ones beyond it too."""

    def degrade(clean: Tensor, draws: Draws) -> Tensor:
        shape, x = clean.shape[1:], corruption.to_intensity(clean)
        if looks:
            x = corruption.speckle(x, draws.uniform("speckle", looks, *shape))
        if multiplicative:
            x = corruption.multiplicative(x, multiplicative, draws.normal("multiplicative", *shape))
        if events:
            x = corruption.poisson(x, events, draws.normal("poisson", *shape))
        if sigma:
            normal = draws.normal("gaussian", *shape)
            if sigma_least is not None:
                share = sigma_least / sigma
                normal = normal * (share + (1 - share) * draws.uniform("sigma", 1, 1, 1))
            x = corruption.gaussian(x, sigma / 255, normal)
        if salt_and_pepper:
            x = corruption.salt_and_pepper(x, salt_and_pepper, draws.uniform("salt", *shape))
        return corruption.to_picture(x.clamp(0, 1) if clip else x)

    return degrade


def remove_noise(nets: Nets, inputs: Tensor, strength: float = 1.0) -> Tensor:
    """Return inputs less `strength` times the noise that G finds in them, in [-1, 1]. 0 changes nothing."""
    restored: Tensor = inputs - strength * nets.G(inputs).float()
    return restored.clamp(-1, 1)
