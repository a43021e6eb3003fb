"""The relativistic average game (Jolicoeur-Martineau, 2018, arXiv:1807.00734; Wang 2018, ESRGAN, Eq. 1 and 2)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from gantlet.losses.adversarial import AdversarialLoss


def _discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Return -log sigmoid(C(x) - E C(G)) - log(1 - sigmoid(C(G) - E C(x)))."""
    return F.softplus(fake.mean() - real) + F.softplus(fake - real.mean())


def _generator(real: Tensor, fake: Tensor) -> Tensor:
    """Return -log(1 - sigmoid(C(x) - E C(G))) - log sigmoid(C(G) - E C(x))."""
    return F.softplus(real - fake.mean()) + F.softplus(real.mean() - fake)


# Means run over the batch (and over places, where D has a logit for each): no loss of one sample alone. Both sides are
# sums, as in the paper's equations; BasicSR halves both, so weights taken from its settings are twice as large here.
relativistic_average = AdversarialLoss(_discriminator, _generator, relativistic=True)
