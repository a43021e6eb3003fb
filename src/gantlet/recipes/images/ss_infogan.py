"""ss-InfoGAN: Guiding InfoGAN with Semi-Supervision (Spurr, Aksan & Hilliges, 2017), arXiv:1707.04487.

InfoGAN whose categorical code is the label: Q reads it off real pictures too, as the class head of AC-GAN does (Odena
et al., 2017), while the continuous codes are found without labels. Here every picture has its label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from gantlet.losses.adversarial import nonsaturating
from gantlet.losses.likelihood import class_loss
from gantlet.networks import infogan as networks
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import report_diversity, report_game
from gantlet.recipes.images.infogan import Codes, information
from gantlet.recipes.optimizers import adam, inverse_decay
from gantlet.recipes.signs import IMAGE_GAN

TINY = dict(
    channels=1, resolution=8, num_classes=3, latent_dim=8, continuous=2, width=8, hidden=16, q_hidden=8, batch_size=8
)
QUICK: dict[str, dict[str, object]] = {
    "ss_infogan": dict(  # docs/lab-log.md, 2026-11-21
        width=16, hidden=256, q_hidden=64, class_weight=0.1, continuous_weight=0.1, g_lr=1e-3, d_lr=5e-4, batch_size=64
    )
}  # fmt: skip


def ss_infogan(
    *,
    channels: int = 1,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 28,  # side, or (height, width); filled from the data
    num_classes: int = 10,  # filled from the data, which must have labels
    latent_dim: int = 62,  # uniform noise beside the codes (Chen 2016, appendix C.1; so all that follows)
    continuous: int = 2,  # codes uniform in [-1, 1] that no label names
    width: int = 64,  # feature maps of D's first layer and before G's last
    hidden: int = 1024,  # units of the fully connected layers
    q_hidden: int = 128,  # units of Q's own layer
    class_weight: float = 1.0,  # of the cross-entropy of labels, on reals in D's loss and on fakes in both
    continuous_weight: float = 1.0,  # lambda of the continuous codes
    g_lr: float = 1e-3,  # Adam
    d_lr: float = 2e-4,  # Adam
    lr_halving: int | None = None,  # samples after which both have halved, as lr / (1 + samples / this); None: constant
    beta1: float = 0.5,  # authors' code
    batch_size: int = 128,  # authors' code
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """The plain game, with labels and codes read off by a head of D; sampling takes `values`, the continuous codes."""
    weights = (class_weight, continuous_weight)

    def codes(draws: Draws, y: Tensor) -> Codes:
        return Codes(draws, latent_dim, num_classes, continuous).of(y)

    def discriminator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        drawn = codes(progress, batch["label"])
        real_logits, real_classes, _ = nets.D(batch["image"])
        fake_logits, fake_classes, means = nets.D(nets.G(drawn.joined()))
        report_game(progress, real_logits, fake_logits)
        return {
            "adversarial": nonsaturating.discriminator(real_logits, fake_logits).mean(),
            "class": class_weight * class_loss(real_classes, batch["label"]).mean(),
            **information(progress, drawn, fake_classes, means, weights),
        }

    def generator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        drawn = codes(progress, batch["label"])
        fake = nets.G(drawn.joined())
        fake_logits, fake_classes, means = nets.D(fake)
        report_diversity(progress, batch["image"], fake)
        adversarial = nonsaturating.generator(fake_logits, fake_logits).mean()
        return {"adversarial": adversarial, **information(progress, drawn, fake_classes, means, weights)}

    def sample(nets: Nets, draws: Draws, label: Tensor, values: Sequence[float | None] | None = None) -> Tensor:
        pictures: Tensor = nets.G(codes(draws, label).fixed(None, values).joined())
        return pictures

    G = networks.Generator(latent_dim + num_classes + continuous, channels, resolution, width, hidden)
    D = networks.Discriminator(channels, resolution, num_classes, continuous, width, hidden, q_hidden)
    g = Player(networks={"G": G}, optimizer=adam(g_lr, (beta1, 0.999)), schedule=inverse_decay(g_lr, lr_halving))
    d = Player(networks={"D": D}, optimizer=adam(d_lr, (beta1, 0.999)), schedule=inverse_decay(d_lr, lr_halving))
    return Recipe(
        players={"G": replace(g, average_halflife=average_halflife), "D": d},  # Q learns with D
        phases=(Phase(player="D", loss=discriminator_loss), Phase(player="G", loss=generator_loss)),
        batch_size=batch_size,
        sample=sample,
        signs=IMAGE_GAN,
    )
