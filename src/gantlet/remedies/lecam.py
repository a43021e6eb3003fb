"""LeCam: Regularizing Generative Adversarial Networks under Limited Data (Tseng et al., 2021), arXiv:2104.03310."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.recipe import Losses, Recipe
from gantlet.remedies.surgery import Moment, after, with_helper


class Averages(nn.Module):
    """Moving averages of D's logits, in buffers; until `start` samples they are those of the last batch."""

    real: Tensor
    fake: Tensor

    def __init__(self, decay: float, start: int) -> None:
        super().__init__()
        self.decay, self.start = decay, start
        self.register_buffer("real", torch.zeros(()))
        self.register_buffer("fake", torch.zeros(()))

    @torch.no_grad()
    def update(self, real: Tensor, fake: Tensor, samples: int) -> None:
        """Take a batch of logits in."""
        step = 1 - self.decay if samples >= self.start else 1.0
        self.real.lerp_(real.mean(), step)
        self.fake.lerp_(fake.mean(), step)


def lecam(
    recipe: Recipe,
    *,
    weight: float = 0.3,  # lambda: .3 for BigGAN on CIFAR, .0003 to .01 for StyleGAN2 (authors' code)
    decay: float = 0.99,  # of the averages (authors' code)
    start: int = 64_000,  # samples before the averages look back: 1,000 steps of 64 (authors' code)
) -> Recipe:
    """Pulls D(real) towards the average of D(fake) and D(fake) towards that of D(real).

    Symptom: few pictures; D(real) and D(fake) drift apart without end.
    With --accumulate the averages move once per part of a batch, `decay` meaning parts: another method.
    """
    recipe = with_helper(recipe, lecam=Averages(decay, start))

    def pull(moment: Moment) -> Losses:
        real, fake = moment.logits("real_logits"), moment.logits("fake_logits")
        averages = moment.nets.lecam
        averages.update(real, fake, moment.progress.samples)
        to_fake = F.relu(real - averages.fake.clone()).square().mean()  # authors' code; the paper has no relu
        to_real = F.relu(averages.real.clone() - fake).square().mean()
        return {**moment.terms, "lecam": weight * (to_fake + to_real)}

    return after(recipe, "D", pull)
