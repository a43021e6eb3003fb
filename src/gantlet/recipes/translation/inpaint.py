"""DeepFill v2: Free-Form Image Inpainting with Gated Convolution (Yu et al., 2019), arXiv:1806.03589.

Without contextual attention; the networks have skips (section 3.1 finds U-Nets with gated convolutions work too).
Fast Fourier convolutions in the neck as an option: LaMa (Suvorov et al., 2022), arXiv:2109.07161.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gantlet.layers.masks import composite
from gantlet.layers.spectral_norm import power_iteration
from gantlet.losses.adversarial import hinge
from gantlet.losses.similarity import feature_distance, l1
from gantlet.networks import sn_patchgan
from gantlet.networks.gated_unet import GatedUNet, Refined
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe, Tiling
from gantlet.recipes.image_gan import report_game
from gantlet.recipes.optimizers import adam
from gantlet.recipes.pacing import Pacing
from gantlet.recipes.translation.holes import Holes, random_holes
from gantlet.recipes.translation.restoration import RESTORATION, maybe_decay

DATA = "patches"
TINY = dict(channels=1, resolution=8, num_classes=3, width=4, refine=False, d_width=4, batch_size=8) | dict(
    average_halflife=100
)
# docs/lab-log.md, 2026-11-22: the smooth filling is most of what a few minutes of one core reach.
QUICK: dict[str, dict[str, object]] = {
    "inpaint": {
        **dict(width=16, refine=False, filled=True, d_width=16, pixel_weight=20.0, adversarial_weight=0.1, lr=1e-3),
        **dict(d_lr=4e-4, marks=0.5, halves=0.25, warm_up=5_000, decay_samples=8_000),
        **dict(batch_size=4, average_halflife=1_000),
    }
}
# The share is a first guess.
PACING = {"inpaint": Pacing(stage="warm_up", share=0.6, end="decay_samples")}


def inpaint(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 256,  # side of the patches (section 4); any size works, kept for the record
    width: int = 48,  # feature maps of G at full size (authors' code, before its factor .75)
    refine: bool = True,  # a second network that refines what the first one filled (section 3.1)
    filled: bool = False,  # G adds to what the picture's own repeats make of the hole, at first hardly anything
    fourier: bool = False,  # fast Fourier convolutions in G's neck, which see the whole picture (LaMa)
    fourier_blocks: int = 4,  # residual blocks of two of them; LaMa has 9
    d_width: int = 64,  # feature maps of D's first layer (section 3.3)
    rectangles: float = 1.0,  # weight of rectangular holes (section 4)
    strokes: float = 1.0,  # weight of free-form holes (section 3.4)
    marks: float = 0.0,  # weight of lettering and dots
    halves: float = 0.0,  # weight of holes that are half the picture
    pixel_weight: float = 1.0,  # of L1 over the whole picture (section 3.3)
    feature_weight: float = 0.0,  # of the distance of D's features (LaMa: 100)
    adversarial_weight: float = 1.0,  # section 3.3: 1 to 1; 0 for none, and no D unless its features are matched
    warm_up: int = 0,  # samples of L1 alone, before D's judgement sets in; the papers have none
    lr: float = 1e-4,  # Adam of G (authors' code)
    d_lr: float = 1e-4,  # Adam of D (idem)
    decay_samples: int | None = None,  # both rates fall along a cosine until then; None for constant
    beta1: float = 0.5,  # authors' code
    beta2: float = 0.999,  # idem
    batch_size: int = 16,  # idem
    average_halflife: int = 10_000,  # of G's moving average, in samples; the paper keeps none
) -> Recipe:
    """Gated convolutions fill random holes: L1 everywhere, and SN-PatchGAN sees the completed picture and its mask.

    `apply(inputs, mask)` fills where the mask is 1 and gives everything else back bit for bit. D judges the composite:
    what G draws outside the hole never reaches it, so no seam pays.
    """
    holes = random_holes(rectangles, strokes, marks, halves)
    game = Game(holes, pixel_weight, feature_weight, adversarial_weight, warm_up)
    unets = [GatedUNet(channels, width, fourier_blocks if fourier else 0, filled) for _ in range(2 if refine else 1)]
    players = {
        "G": Player(
            networks={"G": Refined(*unets, filled=filled)},
            optimizer=adam(lr, (beta1, beta2)),
            schedule=maybe_decay(lr, decay_samples),
            average_halflife=average_halflife,
        )
    }
    phases: tuple[Phase, ...] = (Phase(player="G", loss=game.generator),)
    if adversarial_weight or feature_weight:
        players["D"] = Player(
            networks={"D": sn_patchgan.published(channels + 1, d_width)},
            optimizer=adam(d_lr, (beta1, beta2)),
            schedule=maybe_decay(d_lr, decay_samples),
            constrain=power_iteration,
        )
        phases = (Phase(player="D", loss=game.discriminator, start=warm_up), *phases)
    return Recipe(
        players=players,
        phases=phases,
        batch_size=batch_size,
        apply=fill,
        example=game.example,
        tiling=None if fourier else Tiling(multiple=4, margin=128),
        signs=RESTORATION,
    )


@dataclass(frozen=True)
class Game:
    """The losses of both players."""

    holes: Holes
    pixel_weight: float
    feature_weight: float
    adversarial_weight: float
    warm_up: int

    def example(self, batch: Batch, draws: Draws) -> Mapping[str, Tensor]:
        """Return a batch's pictures, grey in random holes, and the holes."""
        mask = self.holes(draws, *batch["image"].shape[2:])
        return {"inputs": batch["image"] * (1 - mask), "mask": mask}

    def completed(self, nets: Nets, image: Tensor, mask: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return each stage's whole picture, and the last one composited: what D sees, [N, C + 1, H, W]."""
        stages = nets.G.stages(image, mask)
        return stages, torch.cat([composite(image, stages[-1].float(), mask), mask], 1)

    def discriminator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Whole pictures against completed ones, each with the mask."""
        image = batch["image"]
        mask = self.holes(progress, *image.shape[2:])
        _, fake = self.completed(nets, image, mask)
        real_logits, fake_logits = nets.D(torch.cat([torch.cat([image, mask], 1), fake])).chunk(2)
        report_game(progress, real_logits, fake_logits)
        return {"adversarial": hinge.discriminator(real_logits, fake_logits).mean()}

    def generator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """D's judgement of the composite, L1 of every stage on all pixels, the distance of D's features."""
        image = batch["image"]
        mask = self.holes(progress, *image.shape[2:])
        stages, fake = self.completed(nets, image, mask)
        report_hole(progress, stages[-1], image, mask)
        terms = {"pixels": self.pixel_weight * torch.stack([l1(stage, image) for stage in stages]).sum(0).mean()}
        if progress.samples < self.warm_up or not (self.adversarial_weight or self.feature_weight):
            return terms
        features = nets.D.features(fake)
        if self.adversarial_weight:
            fake_logits = nets.D.judge(features)
            terms["adversarial"] = self.adversarial_weight * hinge.generator(fake_logits, fake_logits).mean()
        if self.feature_weight:
            with torch.no_grad():
                wanted = nets.D.features(torch.cat([image, mask], 1))
            terms["features"] = self.feature_weight * feature_distance(features, wanted).mean()
        return terms


def report_hole(progress: Progress, filled: Tensor, image: Tensor, mask: Tensor) -> None:
    """Report the peak signal-to-noise ratio inside the holes, in dB, and the share of the picture that they are."""
    with torch.no_grad():
        squared = (filled.float().clamp(-1, 1) - image).square().mean(1, keepdim=True)
        error = (squared * mask).flatten(1).sum(1) / mask.flatten(1).sum(1).clamp_min(1)
        progress.report("hole_psnr", 10 * torch.log10(4 / error.clamp_min(1e-10)))
        progress.report("hole_share", mask.mean((1, 2, 3)))


def fill(nets: Nets, inputs: Tensor, mask: Tensor | None = None, guess: Tensor | None = None) -> Tensor:
    """Return inputs with what is drawn where `mask` [N, 1, H, W] is 1 (above .5), and bit for bit the same elsewhere.

    `guess` [N, C, H, W] is what the hole may begin with, where the network begins with anything: in tiles, what the
    whole picture made small was filled with. Without a mask there is nothing to fill: the inputs come back.
    """
    if mask is None:
        return inputs
    hole = (mask > 0.5).float()
    return composite(inputs, nets.G(inputs, hole, guess).float().clamp(-1, 1), hole)
