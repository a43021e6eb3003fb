"""InfoGAN: Interpretable Representation Learning by Information Maximizing GANs (Chen et al., 2016), arXiv:1606.03657.

No labels are used: a categorical code and a few continuous ones are given to G beside the noise, and a head Q of D must
read them off the picture. On MNIST the categorical code comes to mean the digit, the others slant and width.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.losses.adversarial import nonsaturating
from gantlet.losses.likelihood import class_loss
from gantlet.networks import infogan as networks
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import report_diversity, report_game, uniform
from gantlet.recipes.optimizers import adam
from gantlet.recipes.signs import IMAGE_GAN

TINY = dict(channels=1, resolution=8, latent_dim=8, codes=3, continuous=2, width=8, hidden=16, q_hidden=8, batch_size=8)
QUICK: dict[str, dict[str, object]] = {
    "infogan": dict(  # docs/lab-log.md, 2026-11-21
        width=16, hidden=256, q_hidden=64, code_weight=0.1, continuous_weight=0.1, g_lr=1e-3, d_lr=5e-4, batch_size=64
    )
}  # fmt: skip


def infogan(
    *,
    channels: int = 1,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 28,  # side, or (height, width); filled from the data
    latent_dim: int = 62,  # uniform noise beside the codes (appendix C.1)
    codes: int = 10,  # values of the categorical code (appendix C.1)
    continuous: int = 2,  # codes uniform in [-1, 1] (appendix C.1)
    width: int = 64,  # feature maps of D's first layer and before G's last (Table 1)
    hidden: int = 1024,  # units of the fully connected layers (Table 1)
    q_hidden: int = 128,  # units of Q's own layer (Table 1)
    code_weight: float = 1.0,  # lambda for the categorical code (section 5)
    continuous_weight: float = 1.0,  # lambda for the others, of unit variance (authors' code; .1 in many ports)
    g_lr: float = 1e-3,  # Adam (appendix C)
    d_lr: float = 2e-4,  # Adam (appendix C)
    beta1: float = 0.5,  # authors' code
    batch_size: int = 128,  # authors' code
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """The plain game, and a lower bound of the mutual information between codes and picture that both players raise.

    Sampling takes `code`, one value of the categorical code for all samples, and `values`, the continuous codes; what
    is not given is drawn. G/code_information is that bound for the categorical code in nats, at most log(codes).
    """
    weights = (code_weight, continuous_weight)

    def discriminator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        drawn = Codes(progress, latent_dim, codes, continuous)
        fake = nets.G(drawn.joined())
        real_logits, _, _ = nets.D(batch["image"])
        fake_logits, class_logits, means = nets.D(fake)
        report_game(progress, real_logits, fake_logits)
        adversarial = nonsaturating.discriminator(real_logits, fake_logits).mean()
        return {"adversarial": adversarial, **information(progress, drawn, class_logits, means, weights)}

    def generator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        drawn = Codes(progress, latent_dim, codes, continuous)
        fake = nets.G(drawn.joined())
        fake_logits, class_logits, means = nets.D(fake)
        report_diversity(progress, batch["image"], fake)
        adversarial = nonsaturating.generator(fake_logits, fake_logits).mean()
        return {"adversarial": adversarial, **information(progress, drawn, class_logits, means, weights)}

    def sample(
        nets: Nets, draws: Draws, code: int | None = None, values: Sequence[float | None] | None = None
    ) -> Tensor:
        drawn = Codes(draws, latent_dim, codes, continuous)
        pictures: Tensor = nets.G(drawn.fixed(code, values).joined())
        return pictures

    G = networks.Generator(latent_dim + codes + continuous, channels, resolution, width, hidden)
    D = networks.Discriminator(channels, resolution, codes, continuous, width, hidden, q_hidden)
    return Recipe(
        players={
            "G": Player(networks={"G": G}, optimizer=adam(g_lr, (beta1, 0.999)), average_halflife=average_halflife),
            "D": Player(networks={"D": D}, optimizer=adam(d_lr, (beta1, 0.999))),  # Q learns with D
        },
        phases=(Phase(player="D", loss=discriminator_loss), Phase(player="G", loss=generator_loss)),
        batch_size=batch_size,
        sample=sample,
        signs=IMAGE_GAN,
    )


class Codes:
    """What G is given: noise [N, latent_dim], `code` [N] in 0 .. codes - 1 and `values` [N, continuous] in [-1, 1)."""

    def __init__(self, draws: Draws, latent_dim: int, codes: int, continuous: int) -> None:
        self.codes = codes
        self.noise = uniform(draws, latent_dim)
        self.code = (draws.uniform("code") * codes).long().clamp_max(codes - 1)
        self.values = draws.uniform("values", continuous) * 2 - 1

    def of(self, y: Tensor) -> Codes:
        """Set the categorical code of each sample, [N]."""
        self.code = y
        return self

    def fixed(self, code: int | None, values: Sequence[float | None] | None) -> Codes:
        """Set the categorical code and those of the continuous ones that are given. Raises ValueError beyond them."""
        if code is not None:
            if not 0 <= code < self.codes:
                raise ValueError(f"code must be one of 0 .. {self.codes - 1}, not {code}")
            self.code = torch.full_like(self.code, code)
        if values is not None and len(values) != self.values.shape[1]:
            raise ValueError(f"values must be {self.values.shape[1]} numbers (None draws one), not {len(values)}")
        for column, value in enumerate(values or ()):
            if value is not None:
                self.values[:, column] = value
        return self

    def joined(self) -> Tensor:
        """Return [N, latent_dim + codes + continuous], the categorical code as one-hot."""
        return torch.cat([self.noise, F.one_hot(self.code, self.codes).float(), self.values], dim=1)


def information(
    progress: Progress, drawn: Codes, class_logits: Tensor, means: Tensor, weights: tuple[float, float]
) -> Losses:
    """Return the two terms of -L_I (equation 5): cross-entropy of the code, and half the squares of the others."""
    cross_entropy = class_loss(class_logits, drawn.code).mean()
    progress.report("code_information", log(drawn.codes) - cross_entropy.detach())
    # -log N(c; mean, 1) without its constant, summed over the codes.
    squares = 0.5 * (drawn.values - means.float()).square().sum(1).mean()
    return {"code": weights[0] * cross_entropy, "continuous": weights[1] * squares}
