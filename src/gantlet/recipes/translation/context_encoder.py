"""Context Encoders: Feature Learning by Inpainting (Pathak et al., 2016), arXiv:1604.07379.

The classic for a hole in the centre of pictures of one size; `inpaint` is the one to use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gantlet.layers.grid import crop, height_width
from gantlet.layers.masks import centre, composite
from gantlet.losses.adversarial import nonsaturating
from gantlet.networks.context_encoder import Discriminator, Generator
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import report_game
from gantlet.recipes.optimizers import adam
from gantlet.recipes.translation.restoration import RESTORATION, report_psnr

DATA = "patches"
TINY = dict(channels=1, resolution=8, num_classes=3, width=4, bottleneck=8, d_width=4, overlap=1, batch_size=8)
QUICK: dict[str, dict[str, object]] = {  # first guess, not measured yet
    "context_encoder": dict(width=32, bottleneck=256, d_width=32, overlap=1)
}


def context_encoder(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 128,  # side of the pictures (Fig. 9); filled from the data
    width: int = 64,  # feature maps of G's outer layers (Fig. 9)
    bottleneck: int = 4000,  # units between encoder and decoder (Fig. 9); the authors' script has 100
    d_width: int = 64,  # feature maps of D's first layer (Fig. 9)
    overlap: int = 7,  # border of the centre that is drawn though known, in pixels (section 3.2)
    overlap_factor: float = 10.0,  # weight of the squared error there (idem)
    pixel_weight: float = 0.999,  # of the squared error (section 5.2)
    adversarial_weight: float = 0.001,  # idem; 0 for none and no D
    lr: float = 2e-4,  # Adam of D (authors' code)
    lr_factor: float = 10.0,  # G's rate as a multiple of D's (section 5.2: ten times higher)
    beta1: float = 0.5,  # authors' code
    batch_size: int = 64,  # idem
    average_halflife: int | None = None,  # of G's moving average, in samples; the paper keeps none
) -> Recipe:
    """An encoder sees the picture around a central hole, a decoder draws the centre; squared error and a D of centres.

    The centre is half the side; its outer `overlap` pixels are known to the encoder too, so that the filling joins.
    The hole is filled with 0, the middle grey, where the paper has the mean colour of its data.
    """
    area = Centre(*height_width(resolution), overlap)
    game = Game(area, overlap_factor, pixel_weight, adversarial_weight)
    g_optimizer, d_optimizer = adam(lr * lr_factor, (beta1, 0.999)), adam(lr, (beta1, 0.999))
    G = Generator(channels, resolution, width, bottleneck)
    players = {"G": Player(networks={"G": G}, optimizer=g_optimizer, average_halflife=average_halflife)}
    phases: tuple[Phase, ...] = (Phase(player="G", loss=game.generator),)
    if adversarial_weight:
        players["D"] = Player(networks={"D": Discriminator(channels, resolution, d_width)}, optimizer=d_optimizer)
        phases = (Phase(player="D", loss=game.discriminator), *phases)
    return Recipe(
        players=players,
        phases=phases,
        batch_size=batch_size,
        apply=area.fill,
        example=area.example,
        signs=RESTORATION,
    )


class Centre:
    """Where the hole of a picture is: its centre, half the side, less `overlap` pixels all around.

    Raises ValueError if that leaves none.
    """

    def __init__(self, height: int, width: int, overlap: int) -> None:
        self.whole, self.middle, self.overlap = (height, width), (height // 2, width // 2), overlap
        if 2 * overlap >= min(self.middle):
            raise ValueError(f"overlap {overlap} leaves no hole in a centre of {self.middle[0]}x{self.middle[1]}")

    def hole(self, like: Tensor) -> Tensor:
        """Return the mask [1, 1, H, W] of the hole."""
        rows, columns = (side - 2 * self.overlap for side in self.middle)
        return centre(*self.whole, rows, columns, like)

    def drawn(self, nets: Nets, image: Tensor) -> Tensor:
        """Return the centre [N, C, H/2, W/2] of pictures whose hole nobody looks into."""
        filling: Tensor = nets.G(image.masked_fill(self.hole(image) > 0.5, 0.0))
        return filling

    def example(self, batch: Batch, draws: Draws) -> Mapping[str, Tensor]:
        """Return a batch's pictures, grey in the hole."""
        return {"inputs": batch["image"] * (1 - self.hole(batch["image"]))}

    def fill(self, nets: Nets, inputs: Tensor) -> Tensor:
        """Return inputs of the training size with their central hole filled anew, bit for bit the same around it.

        Raises ValueError for another size.
        """
        if inputs.shape[2:] != self.whole:
            height, width = self.whole
            raise ValueError(f"context_encoder takes {height}x{width}, not {inputs.shape[2]}x{inputs.shape[3]}")
        top, left = ((whole - middle) // 2 for whole, middle in zip(self.whole, self.middle, strict=True))
        filling = torch.zeros_like(inputs)
        filling[:, :, top : top + self.middle[0], left : left + self.middle[1]] = self.drawn(nets, inputs).float()
        return composite(inputs, filling, self.hole(inputs))


@dataclass(frozen=True)
class Game:
    """The losses of both players."""

    area: Centre
    overlap_factor: float
    pixel_weight: float
    adversarial_weight: float

    def discriminator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Centres of pictures against drawn ones."""
        real, fake = crop(batch["image"], self.area.middle), self.area.drawn(nets, batch["image"])
        real_logits, fake_logits = nets.D(real), nets.D(fake)
        report_game(progress, real_logits, fake_logits)
        return {"adversarial": nonsaturating.discriminator(real_logits, fake_logits).mean()}

    def generator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Squared error of the centre, more of it where it overlaps what is known, and D's judgement."""
        real, fake = crop(batch["image"], self.area.middle), self.area.drawn(nets, batch["image"])
        inside = crop(self.area.hole(real), self.area.middle)
        weight = self.overlap_factor - (self.overlap_factor - 1) * inside
        report_psnr(progress, fake, real, "hole_psnr")
        terms = {"pixels": self.pixel_weight * (weight * (fake.float() - real).square()).mean()}
        if self.adversarial_weight:
            fake_logits = nets.D(fake)
            terms["adversarial"] = self.adversarial_weight * nonsaturating.generator(fake_logits, fake_logits).mean()
        return terms
