"""RelGAN: Relational Generative Adversarial Networks for Text Generation (Nie, Narodytska & Patel, 2019).

ICLR 2019, openreview.net/forum?id=rJedV3R5tm.

Maximum likelihood, then a game in which D's gradient reaches G through softened symbols (Gumbel-softmax, Jang 2016).
Their sharpness rises from 1 to `sharpness`: soft symbols give smooth gradients and a wrong picture of what will be
written, sharp ones the right picture and noisy gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from gantlet.losses.adversarial import relativistic
from gantlet.networks.language_model import LanguageModel, write_softly
from gantlet.networks.lstm import LSTM
from gantlet.networks.relational_memory import RelationalMemory
from gantlet.networks.text_cnn import ManyViews
from gantlet.recipe import Batch, Losses, Nets, Phase, Progress, Recipe
from gantlet.recipes.image_gan import report_game
from gantlet.recipes.text.writing import maximum_likelihood, report_variety, text_gan

DATA = "lines"
# G learns from the likelihood in the first step and against D from the second on: a test resumes after two.
TINY = dict(vocab_size=12, length=8, num_classes=2, width=6, slots=2, heads=2, head_width=4, batch_size=4) | dict(
    d_width=6, views=3, filters=[2, 3], maps=4, pretrain=4, d_updates=2, sharpness_samples=12, average_halflife=100
)
QUICK: dict[str, dict[str, object]] = {
    "relgan": dict(  # docs/lab-log.md, 2026-11-22
        **dict(width=64, slots=0, hidden=128, views=8, maps=64, d_width=64, lr=4e-3, g_lr=3e-5, d_lr=1e-3),
        **dict(pretrain=100_000, d_updates=1, sharpness=2.0, sharpness_samples=64_000, average_halflife=2_000),
        **dict(highway_bias=-2.0),
    )
}


def relgan(
    *,
    vocab_size: int = 5000,  # symbols; filled from the data
    length: int = 20,  # tokens of a row, END included; filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    width: int = 32,  # numbers of G's embedding (authors' code, as all that is not marked otherwise)
    slots: int = 1,  # of G's memory (as published); 0: an LSTM in its place
    heads: int = 2,  # of the memory's attention
    head_width: int = 256,  # numbers of a head
    hidden: int = 32,  # units of the LSTM, where there is no memory
    d_width: int = 64,  # numbers of D's embeddings, over all views
    views: int = 64,  # embedded representations
    filters: Sequence[int] = (2, 3, 4, 5),  # sizes of D's filters
    maps: int = 300,  # maps of each size
    d_dropout: float = 0.25,  # of D's features
    highway_bias: float = 0.0,  # of D's gate at the beginning
    pretrain: int = 1_500_000,  # samples of maximum likelihood: 150 epochs of 10,000
    d_updates: int = 5,  # of D per update of G
    sharpness: float = 100.0,  # inverse temperature at the end: 100 on real text, 1 on the oracle's
    sharpness_samples: int = 192_000,  # in which it gets there, as sharpness^(share): 3,000 steps
    lr: float = 1e-2,  # Adam, G, maximum likelihood
    g_lr: float = 1e-4,  # Adam, G, against D
    d_lr: float = 1e-4,  # Adam, D
    clip_norm: float = 5.0,  # largest norm of either gradient
    batch_size: int = 64,  # rows (authors' code)
    average_halflife: int | None = None,  # of G's moving average, in samples; the paper keeps none
) -> Recipe:
    """A relational memory writes softened symbols; D judges 64 embedded views of them; relativistic loss."""
    G: LanguageModel
    if slots:
        G = RelationalMemory(vocab_size, width, slots, heads, head_width, num_classes)
    else:
        G = LSTM(vocab_size, width, hidden, num_classes=num_classes)
    game = SoftGame(length, vocab_size, pretrain, sharpness, sharpness_samples)
    alone = (Phase(player="G", loss=maximum_likelihood, stop=pretrain),) if pretrain else ()
    return text_gan(
        G=G,
        D=ManyViews(vocab_size, length, d_width, views, filters, maps, d_dropout, num_classes, highway_bias),
        phases=(
            *alone,
            Phase(player="G", loss=game.generator, start=pretrain),
            Phase(player="D", loss=game.discriminator, start=pretrain, updates=d_updates),
        ),
        start=pretrain,
        lr=lr,
        g_lr=g_lr,
        d_lr=d_lr,
        g_clip=clip_norm,
        d_clip=clip_norm,
        length=length,
        batch_size=batch_size,
        average_halflife=average_halflife,
    )


@dataclass(frozen=True)
class SoftGame:
    """The losses of both players, on softened symbols [N, T, V]."""

    length: int
    vocab_size: int
    start: int
    sharpness: float
    sharpness_samples: int

    def sharpness_at(self, samples: int) -> float:
        """Return the inverse temperature: sharpness^(share of the adversarial stage): the exponential policy."""
        return float(self.sharpness ** min(1.0, max(0.0, (samples - self.start) / self.sharpness_samples)))

    def fakes(self, nets: Nets, batch: Batch, progress: Progress) -> Tensor:
        """Return softened rows."""
        numbers = progress.uniform("gumbel", self.length, self.vocab_size)
        return write_softly(nets.G, numbers, self.sharpness_at(progress.samples), batch.get("label"))

    def discriminator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Return -log sigmoid(D(x) - D(G(z))) over pairs and views."""
        y = batch.get("label")
        real_logits, fake_logits = nets.D(batch["tokens"], y), nets.D(self.fakes(nets, batch, progress).detach(), y)
        report_game(progress, real_logits, fake_logits)
        return {"adversarial": relativistic.discriminator(real_logits.float(), fake_logits.float()).mean()}

    def generator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Return -log sigmoid(D(G(z)) - D(x)) over pairs and views."""
        y = batch.get("label")
        fake = self.fakes(nets, batch, progress)
        real_logits, fake_logits = nets.D(batch["tokens"], y), nets.D(fake, y)
        report_variety(progress, batch["tokens"], fake.argmax(2))
        return {"adversarial": relativistic.generator(real_logits.float(), fake_logits.float()).mean()}
