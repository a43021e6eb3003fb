"""pix2pix: Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2017), arXiv:1611.07004.

Pairs of pictures of one scene: G turns the source into the target, D sees source and target side by side and judges
patches. Numbers are those of the paper and of the authors' code. The published batch norm, with a batch of one, uses
the statistics of that picture in training and in use: this is instance norm with gain and bias, and so it is written
here, whatever the batch; `batch_norm` gives the other reading. The published noise is dropout, kept on in use; here
`apply` switches it off, so that one input has one output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from gantlet.layers.dimensions import batch_norm as batch_norm_of
from gantlet.layers.instance_norm import InstanceNorm
from gantlet.losses.adversarial import nonsaturating
from gantlet.losses.similarity import l1
from gantlet.networks.patch_discriminator import PatchDiscriminator, patch_layers
from gantlet.networks.unet import UNet, unet_levels
from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe, Tiling
from gantlet.recipes.image_gan import Judge, apart, together
from gantlet.recipes.optimizers import adam
from gantlet.recipes.translation.patch_game import PATCH_GAME, Loss, constant_then_linear, discriminator_term

DATA = "pairs"
TINY = dict(source_channels=1, target_channels=1, resolution=8, width=4, d_width=4, batch_size=4)
QUICK: dict[str, dict[str, object]] = {
    # A first guess; what it reaches is in docs/choose-a-model.md.
    "pix2pix": dict(
        width=16, d_width=16, most_levels=5, dropout=0.0, lr=5e-4, lr_constant=None, batch_size=8,
        average_halflife=2_000,
    )
}  # fmt: skip


def pix2pix(
    *,
    source_channels: int = 3,  # of the pictures that are given; filled from the data
    target_channels: int = 3,  # of the pictures that are wanted; filled from the data
    resolution: int | Sequence[int] = 256,  # side, (height, width) or (depth, height, width); filled from the data
    dims: int = 2,  # 3 for volumes [N, C, D, H, W]
    width: int = 64,  # feature maps of G's first layer (section 6.1.1)
    d_width: int = 64,  # feature maps of D's first layer (section 6.1.2)
    most_levels: int = 8,  # of halving in the U-Net; fewer if the shortest side is 1 before (section 6.1.1)
    dropout: float = 0.5,  # in G, while training (section 6.1.1)
    batch_norm: bool = False,  # True: statistics of the whole batch, running means in use; False: of each picture
    adversarial_weight: float = 1.0,  # of D's verdict in G's loss (Eq. 4); 0 trains G alone, without D
    l1_weight: float = 100.0,  # lambda of Eq. 4 (section 3.3)
    lr: float = 2e-4,  # Adam (section 3.3)
    lr_constant: int | None = 40_000,  # samples before lr falls: 100 epochs of 400 facades (code); None: never falls
    lr_decay: int = 40_000,  # samples in which lr then falls to 0 (code)
    beta1: float = 0.5,  # section 3.3
    batch_size: int = 1,  # section 6.2, facades
    average_halflife: int | None = None,  # of G's moving average, in samples; the paper keeps none
) -> Recipe:
    """U-Net and PatchGAN, cross entropy, 100 times L1.

    With `adversarial_weight` 0 the same network learns by L1 alone: the floor that the game has to beat.
    """
    levels = unet_levels(resolution, most_levels)
    norm = norm_of(batch_norm, dims)
    G = UNet(source_channels, target_channels, levels, width, norm, dropout, dims)
    optimizer, schedule = adam(lr, (beta1, 0.999)), constant_then_linear(lr, lr_constant, lr_decay)
    players = {
        "G": Player(networks={"G": G}, optimizer=optimizer, average_halflife=average_halflife, schedule=schedule)
    }
    phases: tuple[Phase, ...] = (Phase(player="G", loss=generator_loss(adversarial_weight, l1_weight)),)
    if adversarial_weight:
        channels, layers = source_channels + target_channels, patch_layers(resolution)
        D = PatchDiscriminator(channels, layers, d_width, norm, dims=dims)
        players["D"] = Player(networks={"D": D}, optimizer=optimizer, schedule=schedule)
        phases = (Phase(player="D", loss=discriminator_loss(apart if batch_norm else together)), *phases)
    return Recipe(
        players=players,
        phases=phases,
        batch_size=batch_size,
        apply=apply,
        # The innermost maps look at 3 * 2^levels pixels; most of what counts lies nearer.
        tiling=Tiling(multiple=2**levels, margin=min(2 ** (levels + 1), 128)),
        signs=PATCH_GAME if adversarial_weight else (),
    )


def discriminator_loss(judge: Judge) -> Loss:
    """Return D's loss, by how it judges: real and fake in one pass, or apart where they must not share statistics."""

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        source, target = batch["source"], batch["target"]
        real, fake = (torch.cat([source, picture], 1) for picture in (target, nets.G(source)))
        real_logits, fake_logits = judge(nets.D, real, fake, None)
        return {"adversarial": discriminator_term(nonsaturating, real_logits, fake_logits, progress)}

    return loss


def generator_loss(adversarial_weight: float, l1_weight: float) -> Loss:
    """Return G's loss (Eq. 4); with `adversarial_weight` 0 nobody is asked for a verdict."""

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        source, target = batch["source"], batch["target"]
        fake = nets.G(source)
        terms = {"l1": l1_weight * l1(fake, target).mean()}
        if adversarial_weight:
            logits = nets.D(torch.cat([source, fake], 1)).float()
            terms["adversarial"] = adversarial_weight * nonsaturating.generator(logits, logits).mean()
        return terms

    return loss


def apply(nets: Nets, inputs: Tensor) -> Tensor:
    """Return the targets [N, Ct, H, W] that G makes of sources."""
    pictures: Tensor = nets.G(inputs).float()
    return pictures


def norm_of(batch_norm: bool, dims: int) -> Callable[[int], nn.Module]:
    """Return the norm of both networks: of the batch, or of each picture."""
    if batch_norm:
        kind = batch_norm_of(dims)
        return lambda channels: kind(channels)
    return partial(InstanceNorm, affine=True)
