"""What vocoders are trained on beside a mel: several discriminators at once, and the features they see.

Lists hold one entry per sub-discriminator, real before fake; results are scalars, means over each entry's elements.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.losses.adversarial import AdversarialLoss, hinge, least_squares

# Siuzdak 2023, Eq. 2: the generator's side is a hinge too, and so without a gradient where D is wrong by a margin.
two_sided_hinge = AdversarialLoss(hinge.discriminator, lambda real, fake: F.relu(1 - fake))
# Kong 2020, Eq. 1 and 2: twice Mao's, whose halves they leave out.
whole_squares = AdversarialLoss(
    lambda real, fake: 2 * least_squares.discriminator(real, fake),
    lambda real, fake: 2 * least_squares.generator(real, fake),
)


def discriminators(loss: AdversarialLoss, real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Return the sum over sub-discriminators of their mean losses."""
    pairs = zip(real, fake, strict=True)
    return torch.stack([loss.discriminator(a.float(), b.float()).mean() for a, b in pairs]).sum()


def generator(loss: AdversarialLoss, fake: Sequence[Tensor]) -> Tensor:
    """Return the sum over sub-discriminators of the generator's mean losses."""
    return torch.stack([loss.generator(b.float(), b.float()).mean() for b in fake]).sum()


def feature_matching(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Return the sum over sub-discriminators and their maps of mean absolute differences (Kong 2020, Eq. 4).

    The maps of real sounds the caller detaches.
    """
    pairs = [pair for a, b in zip(real, fake, strict=True) for pair in zip(a, b, strict=True)]
    return torch.stack([(a.float() - b.float()).abs().mean() for a, b in pairs]).sum()
