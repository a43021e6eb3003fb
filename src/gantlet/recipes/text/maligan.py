"""Maximum-Likelihood Augmented Discrete Generative Adversarial Networks (Che et al., 2017), arXiv:1702.07983.

As SeqGAN, with a whole row's reward r = D / (1 - D) over the batch's sum of them in place of rollouts: maximum
likelihood on G's own rows, weighted by how real they are. The weights' mean, 1, is the baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gantlet.losses.policy_gradient import normalised_ratio
from gantlet.networks.lstm import LSTM
from gantlet.networks.text_cnn import SEQGAN_FILTERS, SEQGAN_MAPS, TextCNN
from gantlet.recipe import Nets, Progress, Recipe
from gantlet.recipes.text.seqgan import PolicyGame
from gantlet.recipes.text.writing import Writing, text_gan

DATA = "lines"
TINY = dict(vocab_size=12, length=8, num_classes=2, width=6, hidden=8, batch_size=4, pretrain=4, d_pretrain=0) | dict(
    d_width=6, filters=[1, 2, 3], maps=[4, 4, 4], d_updates=2, average_halflife=100
)
QUICK: dict[str, dict[str, object]] = {  # as seqgan; not measured of itself
    "maligan": dict(
        **dict(width=64, hidden=128, filters=[2, 3, 4, 5], maps=[64, 64, 64, 64], lr=4e-3, g_lr=3e-4, d_lr=1e-3),
        **dict(pretrain=100_000, d_pretrain=10_000, d_updates=2, average_halflife=2_000),
        **dict(highway_bias=-2.0, d_l2=0.2),
    )
}


def maligan(
    *,
    vocab_size: int = 5000,  # symbols; filled from the data
    length: int = 20,  # tokens of a row, END included; filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    width: int = 32,  # numbers of G's embedding (as SeqGAN, with which the paper compares; so all that follows)
    hidden: int = 32,  # units of G's LSTM
    d_width: int = 64,  # numbers of D's embedding
    filters: Sequence[int] = SEQGAN_FILTERS,  # sizes of D's filters
    maps: Sequence[int] = SEQGAN_MAPS,  # maps of each size
    d_dropout: float = 0.25,  # of D's features, not where they are rewards
    highway_bias: float = 0.0,  # of D's gate at the beginning
    d_l2: float = 0.1,  # times half the squares of D's last layer: .2 on two columns +-w/2 is .1 on our one logit w
    pretrain: int = 1_200_000,  # samples of maximum likelihood: 120 epochs of 10,000 (TextGAN-PyTorch)
    d_pretrain: int = 150_000,  # samples of D alone: 5 rounds of 3 epochs (idem)
    d_updates: int = 1250,  # of D per update of G: 4 rounds of 2 epochs (idem)
    lr: float = 1e-2,  # Adam, G, maximum likelihood (idem)
    g_lr: float = 1e-4,  # Adam, G, rewards (idem)
    d_lr: float = 1e-4,  # Adam, D (idem)
    clip_norm: float = 5.0,  # largest norm of G's gradient (idem)
    batch_size: int = 64,  # rows (authors' code)
    average_halflife: int | None = None,  # of G's moving average, in samples; the paper keeps none
) -> Recipe:
    """An LSTM that imitates its own rows in proportion to D / (1 - D)."""
    game, start = RatioGame(Writing(length), 0, False, d_l2), pretrain + d_pretrain
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
        average_halflife=average_halflife,
    )


@dataclass(frozen=True)
class RatioGame(PolicyGame):
    """SeqGAN's game with MaliGAN's rewards."""

    @torch.no_grad()
    def rewards(self, nets: Nets, fake: Tensor, y: Tensor | None, progress: Progress) -> Tensor:
        """Return N r_i / sum r - 1 for all tokens of row i, [N, T]."""
        weights = normalised_ratio(nets.D(fake, y, dropout=False))
        return (weights - 1)[:, None].expand(fake.shape)
