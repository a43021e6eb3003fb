"""A Learned Representation for Artistic Style (Dumoulin et al., 2017), arXiv:1610.07629, trained as a game.

One translator for K styles whose instance norms have a gain and a bias per style; style 0 is "no style". What stands
for the losses of a pretrained network, of which nothing is downloaded here:

* style: a PatchGAN with a filter per style against patches of that style (the conditional game of Miyato & Koyama,
  2018; Gated-GAN, Chen et al., 2018, arXiv:1904.02296, has a classifier instead), hinge loss, spectral norm
  (SN-PatchGAN, Yu et al., 2019). No instance norm in D: it would blind D to colour and contrast, which are style.
* CartoonGAN (Chen et al., 2018, CVPR): D is also shown pictures of the style with smoothed edges, as fake, so that
  blurring is no way out.
* content: the mean brightness of small neighbourhoods stays (the transformed-image loss of Sanakoyeu et al., 2018,
  arXiv:1807.10201, Eq. 5, with a Gaussian for its average and without colour, which belongs to the style), and the
  translator adds to its input, from nothing on, so it need not learn to copy. CartoonGAN's first epochs of content
  alone are not needed then. `color_weight` holds colours too, against their drift to those of the style's set.
* style 0 is the picture itself: what G adds is times 1 less its share. So `strength` blends between two honest ends:
  of the parameters of the norms, not of pictures (Dumoulin 2017, section 3.2), and of what is added.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.layers.corruption import blur
from gantlet.layers.edges import luminance, smooth_edges
from gantlet.layers.instance_norm import none
from gantlet.layers.spectral_norm import power_iteration, spectral
from gantlet.losses.adversarial import AdversarialLoss, hinge, nonsaturating
from gantlet.losses.penalties import gradient_norm_squared
from gantlet.losses.similarity import l1
from gantlet.networks.patch_discriminator import PatchDiscriminator, patch_layers
from gantlet.networks.resnet_translator import MULTIPLE, StyleTranslator, reach
from gantlet.networks.small_start import kept_start
from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe, Tiling
from gantlet.recipes.image_gan import report_game
from gantlet.recipes.optimizers import adam, inverse_decay
from gantlet.recipes.translation.patch_game import PATCH_GAME, Loss

DATA = "unpaired"
TINY = dict(
    source_channels=1, target_channels=1, resolution=8, num_styles=3, width=4, d_width=4, blocks=1, batch_size=4
)
QUICK: dict[str, dict[str, object]] = {
    # docs/lab-log.md, 2026-11-22: layers at full size, small patches, no norms: styles part with these.
    "stylize": {
        **dict(width=12, blocks=1, fine=2, normalise=False, d_width=32, d_layers=1, r1_gamma=10.0, edge_weight=0.0),
        **dict(content_weight=1.0, lr=2e-3, d_lr=1e-3, lr_halving=5_000, batch_size=4, average_halflife=1_000),
    }
}


def stylize(
    *,
    source_channels: int = 3,  # of the photographs; filled from the data
    target_channels: int = 3,  # of the pictures of the styles, the same; filled from the data
    resolution: int | Sequence[int] = 128,  # side, or (height, width), of patches; filled from the data
    num_styles: int = 1,  # filled from the data: class folders of the target set
    normalise: bool = True,  # instance norm before each gain and bias; False: how bright a place is may matter
    width: int = 32,  # feature maps of G's first layer (Dumoulin 2017, Table 1)
    blocks: int = 5,  # residual blocks (Dumoulin 2017, Table 1)
    fine: int = 0,  # layers at full size that see the photograph itself, and maps of the way down added going up
    d_width: int = 64,  # feature maps of D's first layer (Isola 2017)
    d_layers: int | None = None,  # of stride 2 in D; None: patches of 34 pixels, or 16 where pictures are small
    content_weight: float = 2.0,  # of the brightness that stays
    content_sigma: float = 3.0,  # pixels over which it is averaged
    color_weight: float = 0.0,  # of colours that stay, averaged alike
    r1_gamma: float = 0.0,  # of R1, in a non-saturating game without spectral norm (Mescheder 2018); 0: hinges
    r1_every: int = 2,  # steps between penalties (a first guess)
    edge_weight: float = 1.0,  # of pictures with smoothed edges among D's fakes (CartoonGAN, Eq. 3)
    lr: float = 2e-4,  # Adam, of G
    d_lr: float = 4e-4,  # of D: two time-scales (Heusel 2017)
    lr_halving: int | None = None,  # samples after which both have halved, as lr / (1 + samples / this); None: constant
    beta1: float = 0.5,  # Isola 2017
    beta2: float = 0.999,  # idem
    batch_size: int = 16,  # Dumoulin 2017, Table 1
    average_halflife: int | None = 10_000,  # of G's moving average, in samples (Karras 2018)
) -> Recipe:
    """K styles in one model: `apply(style=1..K, strength=0..1)`, where style k is class k - 1 of the target set."""
    if source_channels != target_channels:
        raise ValueError(f"photographs have {source_channels} channels and styles {target_channels}: make them equal")

    layers = patch_layers(resolution, most=2) if d_layers is None else d_layers
    D = PatchDiscriminator(target_channels, layers, d_width, none, num_styles)
    if r1_gamma:
        D.apply(kept_start)
    loss, content = nonsaturating if r1_gamma else hinge, contents(content_weight, color_weight, content_sigma)
    penalty = (Phase(player="D", loss=r1_loss(r1_gamma), every=r1_every),) if r1_gamma else ()
    return Recipe(
        players={
            "G": Player(
                networks={"G": StyleTranslator(source_channels, 1 + num_styles, width, blocks, normalise, fine)},
                optimizer=adam(lr, (beta1, beta2)),
                schedule=inverse_decay(lr, lr_halving),
                average_halflife=average_halflife,
            ),
            "D": Player(
                networks={"D": D if r1_gamma else spectral(D)},
                optimizer=adam(d_lr, (beta1, beta2)),
                schedule=inverse_decay(d_lr, lr_halving),
                constrain=None if r1_gamma else power_iteration,
            ),
        },
        phases=(
            Phase(player="D", loss=discriminator_loss(loss, num_styles, edge_weight)),
            *penalty,
            Phase(player="G", loss=generator_loss(loss, num_styles, content)),
        ),
        batch_size=batch_size,
        apply=applying(num_styles),
        tiling=Tiling(multiple=MULTIPLE, margin=min(reach(blocks, fine), 128)),
        signs=PATCH_GAME,
    )


def discriminator_loss(game: AdversarialLoss, num_styles: int, edge_weight: float) -> Loss:
    """Return D's loss: of pictures of the style, of G's, and of the former with smoothed edges as fakes."""

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real, y = batch["target"], label(batch)
        shown = [real, nets.G(batch["source"], code(1 + y, 1.0, num_styles))]
        if edge_weight:
            shown.append(smooth_edges(real))
        logits = nets.D(torch.cat(shown), y.repeat(len(shown))).float().chunk(len(shown))
        report_game(progress, logits[0], logits[1])
        terms = {"adversarial": game.discriminator(logits[0], logits[1]).mean()}
        if edge_weight:  # what a game asks of fakes is the same whatever the reals: these are beyond reproach
            terms["edges"] = edge_weight * game.discriminator(torch.full_like(logits[2], 99.0), logits[2]).mean()
        return terms

    return loss


def generator_loss(game: AdversarialLoss, num_styles: int, content: Callable[[Tensor, Tensor], Losses]) -> Loss:
    """Return G's loss: D's verdict, and what `content(fake, source)` holds."""

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        source, y = batch["source"], label(batch)
        fake = nets.G(source, code(1 + y, 1.0, num_styles)).float()
        logits = nets.D(fake, y).float()
        return {"adversarial": game.generator(logits, logits).mean(), **content(fake, source)}

    return loss


def r1_loss(gamma: float) -> Loss:
    """Return the penalty gamma/2 |grad D(x)|^2 on pictures of the styles (Mescheder 2018, Eq. 9), per patch."""

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        y = label(batch)
        norm = gradient_norm_squared(lambda x: nets.D(x, y).flatten(1).mean(1), batch["target"])
        return {"r1": gamma / 2 * norm.mean()}

    return loss


def contents(weight: float, color_weight: float, sigma: float) -> Callable[[Tensor, Tensor], Losses]:
    """Return the terms that hold brightness, and colour if it has a weight, averaged over `sigma` pixels."""

    def terms(fake: Tensor, source: Tensor) -> Losses:
        held = {"content": weight * l1(*(low(luminance(x), sigma) for x in (fake, source))).mean()}
        if color_weight:
            held["color"] = color_weight * l1(low(fake, sigma), low(source, sigma)).mean()
        return held

    return terms


def applying(num_styles: int) -> Callable[..., Tensor]:
    """Return `apply` of a model of so many styles."""

    def apply(
        nets: Nets,
        inputs: Tensor,
        style: int = 1,  # 1 to num_styles, in the order of the target set's folders; 0 for none
        strength: float = 1.0,  # 0 gives the picture back, 1 is all style
    ) -> Tensor:
        if not 0 <= style <= num_styles:
            raise ValueError(f"style is 1 to {num_styles}, or 0 for none, not {style}")
        number = torch.full((len(inputs),), style, device=inputs.device)
        pictures: Tensor = nets.G(inputs, code(number, strength, num_styles)).float().clamp(-1, 1)
        return pictures

    return apply


def low(x: Tensor, sigma: float) -> Tensor:
    """Return x blurred, in float32: what is held is finer than bfloat16 tells apart."""
    with torch.autocast(x.device.type, enabled=False):
        return blur(x.float(), sigma)


def label(batch: Batch) -> Tensor:
    """Return the style of each row, [N] int64; all 0 where the target set has no classes."""
    target = batch["target"]
    y = batch.get("target_label")
    return torch.zeros(len(target), dtype=torch.int64, device=target.device) if y is None else y


def code(style: Tensor, strength: float, num_styles: int) -> Tensor:
    """Return shares [N, 1 + num_styles]: `strength` of each row's style (0 for none), the rest of no style."""
    shares = strength * F.one_hot(style, 1 + num_styles).float()
    shares[:, 0] += 1 - strength
    return shares
