"""SeqGAN: Sequence Generative Adversarial Nets with Policy Gradient (Yu, Zhang, Wang & Yu, 2016), arXiv:1609.05473.

Stages, in samples: maximum likelihood, D alone against the pre-trained G, then the game. Rewards of a beginning are
D's mean verdict on what G's moving average makes of it. Its gradients are noisy; against that stand more `rollouts`,
larger batches and `baseline`, which takes away what all sentences have in common and keeps the gradient's mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from gantlet.layers.tokens import PAD
from gantlet.losses.adversarial import nonsaturating
from gantlet.losses.policy_gradient import leave_one_out, reinforce
from gantlet.networks.language_model import complete, log_likelihood
from gantlet.networks.lstm import LSTM
from gantlet.networks.text_cnn import SEQGAN_FILTERS, SEQGAN_MAPS, TextCNN
from gantlet.recipe import Batch, Losses, Nets, Phase, Progress, Recipe
from gantlet.recipes.image_gan import report_game, together
from gantlet.recipes.text.writing import Writing, maximum_likelihood, report_variety, text_gan

DATA = "lines"
# G learns from the likelihood in the first step and from rewards from the second on: a test resumes after two.
TINY = dict(vocab_size=12, length=8, num_classes=2, width=6, hidden=8, batch_size=4, pretrain=4, d_pretrain=0) | dict(
    d_width=6, filters=[1, 2, 3], maps=[4, 4, 4], rollouts=2, d_updates=2
)
QUICK: dict[str, dict[str, object]] = {  # docs/lab-log.md, 2026-11-22
    "seqgan": dict(
        **dict(width=64, hidden=128, filters=[2, 3, 4, 5], maps=[64, 64, 64, 64], rollouts=1, baseline=True),
        **dict(lr=4e-3, g_lr=3e-4, d_lr=1e-3, pretrain=100_000, d_pretrain=10_000, d_updates=2, rollout_keep=0.98),
        **dict(highway_bias=-2.0, d_l2=0.2, clip_norm=5.0),
    )
}
JUDGED = 4096  # rows that D judges at once where it gives rewards


def seqgan(
    *,
    vocab_size: int = 5000,  # symbols; filled from the data
    length: int = 20,  # tokens of a row, END included; filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    width: int = 32,  # numbers of G's embedding (authors' code, as all that is not marked otherwise)
    hidden: int = 32,  # units of G's LSTM
    d_width: int = 64,  # numbers of D's embedding
    filters: Sequence[int] = SEQGAN_FILTERS,  # sizes of D's filters
    maps: Sequence[int] = SEQGAN_MAPS,  # maps of each size
    d_dropout: float = 0.25,  # of D's features, not where they are rewards
    highway_bias: float = 0.0,  # of D's gate at the beginning: 0 keeps half of each feature as it is
    d_l2: float = 0.1,  # times half the squares of D's last layer: .2 on two columns +-w/2 is .1 on our one logit w
    pretrain: int = 1_200_000,  # samples of maximum likelihood: 120 epochs of 10,000
    d_pretrain: int = 1_500_000,  # samples of D alone: 50 rounds of 3 epochs
    rollouts: int = 16,  # endings of each beginning; 0: the verdict on the whole row for every token
    d_updates: int = 2344,  # of D per update of G: 5 rounds of 3 epochs, in batches of reals and of as many fakes
    baseline: bool = False,  # subtract the mean reward of the other rows at the same position; the paper has none
    lr: float = 1e-2,  # Adam, G, maximum likelihood
    g_lr: float = 1e-2,  # Adam, G, rewards
    d_lr: float = 1e-4,  # Adam, D
    clip_norm: float = 5 / 64,  # largest norm of G's gradient: 5 of a sum over 64 rows, ours is the mean
    rollout_keep: float = 0.8,  # share of the rollout network's weights that stays at each step
    batch_size: int = 64,  # rows (authors' code)
) -> Recipe:
    """An LSTM rewarded by a convolutional D through Monte Carlo search; fakes are new in each update of D.

    The moving average that the rollouts use is also what samples come from afterwards; at .8 it is G but for 5 steps.
    """
    game = PolicyGame(Writing(length), rollouts, baseline, d_l2)
    start = pretrain + d_pretrain
    return text_gan(
        G=LSTM(vocab_size, width, hidden, num_classes=num_classes),
        D=TextCNN(vocab_size, length, d_width, filters, maps, d_dropout, num_classes, highway_bias),
        phases=game.phases(pretrain, start, d_updates),
        start=start,
        lr=lr,
        g_lr=g_lr,
        d_lr=d_lr,
        g_clip=clip_norm,
        length=length,
        batch_size=batch_size,
        average_halflife=round(batch_size * log(0.5) / log(rollout_keep)),
    )


@dataclass(frozen=True)
class PolicyGame:
    """The losses of both players."""

    writing: Writing
    rollouts: int
    baseline: bool
    d_l2: float

    def phases(self, pretrain: int, start: int, d_updates: int) -> tuple[Phase, ...]:
        """Return the phases: G alone until `pretrain` samples, D alone until `start`, then both."""
        alone = (Phase(player="G", loss=maximum_likelihood, stop=pretrain),) if pretrain else ()
        return (
            *alone,
            Phase(player="G", loss=self.generator, start=start),
            Phase(
                player="D",
                loss=self.discriminator,
                start=pretrain,
                updates=lambda progress: d_updates if progress.samples >= start else 1,
            ),
        )

    def discriminator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Return cross-entropy of rows of the data and of G's, and the L2 term of D's last layer."""
        real, fake = batch["tokens"], self.writing.fakes(nets, batch, progress)
        real_logits, fake_logits = together(nets.D, real, fake, batch.get("label"))
        report_game(progress, real_logits, fake_logits)
        last = (nets.D.logit.weight, nets.D.logit.bias)
        return {
            "adversarial": nonsaturating.discriminator(real_logits.float(), fake_logits.float()).mean(),
            "l2": self.d_l2 / 2 * torch.stack([weight.square().sum() for weight in last]).sum(),
        }

    def generator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Return -sum of log p(token) times the reward of the beginning that it ends."""
        fake = self.writing.fakes(nets, batch, progress)
        reward = self.rewards(nets, fake, batch.get("label"), progress)
        there = fake != PAD
        baseline: Tensor | float = leave_one_out(reward, there) if self.baseline else 0.0
        log_p = log_likelihood(nets.G, fake, batch.get("label"))
        progress.report("reward", reward[:, -1])
        report_variety(progress, batch["tokens"], fake)
        return {"adversarial": reinforce(log_p, reward, baseline).mean()}

    @torch.no_grad()
    def rewards(self, nets: Nets, fake: Tensor, y: Tensor | None, progress: Progress) -> Tensor:
        """Return the action values of all tokens [N, T]: D's mean verdict on endings, on the row itself at its end."""
        whole = verdicts(nets, fake, y)
        rows, length = fake.shape
        if not self.rollouts:
            return whole[:, None].expand(rows, length)
        numbers = progress.uniform("rollouts", self.rollouts, length - 1, length)
        endings = complete(nets.averaged.G, fake, numbers, y)
        classes = None if y is None else y.expand(length - 1, self.rollouts, rows).flatten()
        judged = verdicts(nets, endings.flatten(0, 2), classes).view(length - 1, self.rollouts, rows)
        return torch.cat([judged.mean(1), whole[None]]).T


def verdicts(nets: Nets, rows: Tensor, y: Tensor | None) -> Tensor:
    """Return D's probability that rows [N, T] are real, [N], without dropout, some thousand rows at a time."""
    parts = torch.split(rows, JUDGED)
    labels = [None] * len(parts) if y is None else torch.split(y, JUDGED)
    logits = [nets.D(part, label, dropout=False) for part, label in zip(parts, labels, strict=True)]
    return torch.sigmoid(torch.cat(logits).float())
