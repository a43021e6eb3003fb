"""Adversarial losses of both sides, per sample: arguments are logits [N], real before fake, high means real."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor


class AdversarialLoss(NamedTuple):
    """The two sides of one game; both take (real_logits, fake_logits) [N] and return losses [N]."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    relativistic: bool = False  # the generator's loss reads the real logits too


minimax = AdversarialLoss(  # Goodfellow 2014, Eq. 1: saturates while D wins; kept for teaching
    discriminator=lambda real, fake: F.softplus(-real) + F.softplus(fake),  # -log D(x) - log(1 - D(G(z)))
    generator=lambda real, fake: -F.softplus(fake),  # log(1 - D(G(z)))
)
nonsaturating = AdversarialLoss(  # Goodfellow 2014, section 3
    discriminator=lambda real, fake: F.softplus(-real) + F.softplus(fake),  # -log D(x) - log(1 - D(G(z)))
    generator=lambda real, fake: F.softplus(-fake),  # -log D(G(z))
)
least_squares = AdversarialLoss(  # Mao 2017, Eq. 2 with a = 0, b = c = 1
    discriminator=lambda real, fake: 0.5 * (real - 1).square() + 0.5 * fake.square(),
    generator=lambda real, fake: 0.5 * (fake - 1).square(),
)
wasserstein = AdversarialLoss(  # Arjovsky 2017, Eq. 3: the critic maximises E f(x) - E f(G(z))
    discriminator=lambda real, fake: fake - real,
    generator=lambda real, fake: -fake,
)
hinge = AdversarialLoss(  # Miyato 2018, Eq. 16 and 17
    discriminator=lambda real, fake: F.relu(1 - real) + F.relu(1 + fake),
    generator=lambda real, fake: -fake,
)
relativistic = AdversarialLoss(  # Jolicoeur-Martineau 2018, RpGAN, Eq. 10: pairs of a real and a fake
    discriminator=lambda real, fake: F.softplus(fake - real),
    generator=lambda real, fake: F.softplus(real - fake),
    relativistic=True,
)
