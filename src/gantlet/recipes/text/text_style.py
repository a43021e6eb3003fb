"""Style Transfer from Non-Parallel Text by Cross-Alignment (Shen, Lei, Barzilay & Jaakkola, 2017), arXiv:1705.09655.

An auto-encoder whose decoder is told the style; a D for each style aligns the decoder's states while it translates
with those while it reads true sentences of that style. Numbers are those of the authors' code. There D also sees the
decoder's first state, and has leaky ReLUs; here it does not (networks/text_style.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.tokens import PAD, finished
from gantlet.losses.adversarial import nonsaturating
from gantlet.networks.text_style import StateJudges, StyleTranslator
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import report_game
from gantlet.recipes.optimizers import adam
from gantlet.recipes.signs import dead_discriminator

DATA = "lines"
TINY = dict(vocab_size=12, length=8, num_classes=2, width=6, style_dim=4, content_dim=8, batch_size=4) | dict(
    filters=[2, 3], maps=4, dropout=0.1, gate=10.0, warm_up=4, epoch_samples=4, average_halflife=100
)
QUICK: dict[str, dict[str, object]] = {  # benchmarks/results/text_style.json
    "text_style": dict(
        **dict(width=64, style_dim=32, content_dim=128, dropout=0.1, maps=32, lr=2e-3, warm_up=100_000),
        **dict(epoch_samples=20_000, average_halflife=2_000),
    )
}


def text_style(
    *,
    vocab_size: int = 10_000,  # symbols; filled from the data
    length: int = 20,  # tokens of a row, END included; filled from the data
    num_classes: int = 2,  # styles; filled from the data
    width: int = 100,  # numbers of an embedding (authors' code, as all that follows)
    style_dim: int = 200,  # numbers of a style, dim_y
    content_dim: int = 500,  # numbers of the content, dim_z
    dropout: float = 0.5,  # of what is read and of states; of D's features
    filters: Sequence[int] = (3, 4, 5),  # sizes of D's filters
    maps: int = 128,  # maps of each size
    adversarial_weight: float = 1.0,  # rho; 0 trains the auto-encoder alone, without D
    warm_up: int = 0,  # samples of the auto-encoder alone, which are several times faster; the paper has none
    gate: float = 1.2,  # D's loss above which its verdict does not count: a D that knows nothing has 1.39
    sharpness_decay: float = 0.5,  # factor on the temperature of softened symbols, per epoch
    least_temperature: float = 1e-3,  # where it ends
    epoch_samples: int = 400_000,  # samples of an epoch: Yelp's training part (444,000) about
    lr: float = 1e-4,  # Adam, all
    beta1: float = 0.5,  # Adam, all
    clip_norm: float = 30.0,  # largest norm of the translator's gradient
    batch_size: int = 64,  # rows (authors' code)
    average_halflife: int | None = None,  # of the translator's moving average, in samples; the paper keeps none
) -> Recipe:
    """A GRU auto-encoder with a style beside its content and two text CNNs; `apply` rewrites sentences in a style."""
    if num_classes < 2:
        raise ValueError("num_classes must be two or more: a style is changed into another")
    G = StyleTranslator(vocab_size, num_classes, width, style_dim, content_dim, dropout)
    game = StyleGame(
        length, num_classes, adversarial_weight, gate, sharpness_decay, least_temperature, epoch_samples, warm_up
    )
    optimizer = adam(lr, (beta1, 0.999))
    players = {
        "G": Player(networks={"G": G}, optimizer=optimizer, clip_norm=clip_norm, average_halflife=average_halflife)
    }
    phases: tuple[Phase, ...] = (Phase(player="G", loss=game.reconstruction),)
    if adversarial_weight:
        D = StateJudges(style_dim + content_dim, length, num_classes, filters, maps, dropout)
        players["D"] = Player(networks={"D": D}, optimizer=optimizer)
        phases = (
            *((Phase(player="G", loss=game.reconstruction, stop=warm_up),) if warm_up else ()),
            Phase(player="D", loss=game.discriminator, start=warm_up),
            Phase(player="G", loss=game.generator, start=warm_up),
        )
    return Recipe(
        players=players,
        phases=phases,
        batch_size=batch_size,
        apply=game.apply,
        example=game.example,
        helpers={"verdict": Verdict(num_classes)} if adversarial_weight else {},
        signs=(dead_discriminator,),
    )


class Verdict(nn.Module):
    """The loss of each style's D as it was last seen: above the gate it has nothing to teach."""

    loss: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("loss", torch.full((num_classes,), 1.3863))  # 2 log 2: it knows nothing

    @torch.no_grad()
    def keep(self, losses: Tensor, y: Tensor) -> None:
        """Remember the mean of losses [N] of judges y [N]; a judge without a row keeps its last."""
        there = F.one_hot(y, len(self.loss)).type_as(losses)
        count = there.sum(0)
        self.loss.copy_(torch.where(count > 0, (there * losses[:, None]).sum(0) / count.clamp_min(1), self.loss))


@dataclass(frozen=True)
class StyleGame:
    """The losses of both players, and what is made of a sentence."""

    length: int
    num_classes: int
    weight: float
    gate: float
    sharpness_decay: float
    least_temperature: float
    epoch_samples: int
    start: int = 0

    def sharpness(self, samples: int) -> float:
        """Return the inverse temperature: it falls by a factor an epoch, from 1 (authors' code)."""
        temperature = self.sharpness_decay ** max(0, (samples - self.start) // self.epoch_samples)
        return float(1 / max(temperature, self.least_temperature))

    def other(self, y: Tensor, draws: Draws) -> Tensor:
        """Return another style for each row, any of them as likely."""
        away = 1 + (draws.uniform("style", 1)[:, 0] * (self.num_classes - 1)).long()
        return (y + away) % self.num_classes

    def states(self, nets: Nets, batch: Batch, progress: Progress) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return z, the style to translate to, the decoder's states taught on y and those it speaks in that style.

        D sees nothing of what is behind END: states there are zeros (`seen`, `speak`), where the authors' code keeps
        them; reading PAD, which is never spoken, would tell real ones.
        """
        tokens, y = batch["tokens"], batch["label"]
        z, to = nets.G.encode(tokens, y), self.other(y, progress)
        numbers = progress.uniform("gumbel", tokens.shape[1], nets.G.vocab_size)
        spoken = nets.G.speak(z, to, numbers, self.sharpness(progress.samples))
        return z, to, nets.G.teach(z, y, tokens), spoken

    def discriminator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Return the cross-entropy of taught states of a style (real) and of states translated to it (fake)."""
        y = batch["label"]
        with torch.no_grad():
            _, to, real, fake = self.states(nets, batch, progress)
        seen = real * (batch["tokens"] != PAD)[..., None]
        logits: Tensor = nets.D(torch.cat([seen, fake]), torch.cat([y, to])).float()
        real_logits, fake_logits = logits.chunk(2)
        report_game(progress, real_logits, fake_logits)
        real_loss, fake_loss = F.softplus(-real_logits), F.softplus(fake_logits)
        nets.verdict.keep(2 * torch.cat([real_loss, fake_loss]), torch.cat([y, to]))
        return {"adversarial": (real_loss + fake_loss).mean()}

    def generator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Return the likelihood of the sentence itself and rho times how little the translation fools D."""
        tokens = batch["tokens"]
        _, to, taught, spoken = self.states(nets, batch, progress)
        fooled = nonsaturating.generator(*[nets.D(spoken, to).float()] * 2)
        counts = (nets.verdict.loss < self.gate).all()  # both, as in the authors' code
        progress.report("gate_open", counts.float())
        return {
            "likelihood": self.nats(nets, taught, tokens, progress),
            "adversarial": self.weight * counts * fooled.mean(),
        }

    def reconstruction(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Return the likelihood alone."""
        tokens, y = batch["tokens"], batch["label"]
        taught = nets.G.teach(nets.G.encode(tokens, y), y, tokens)
        return {"likelihood": self.nats(nets, taught, tokens, progress)}

    def nats(self, nets: Nets, taught: Tensor, tokens: Tensor, progress: Progress) -> Tensor:
        """Return -log p of sentences given the states before their tokens, the mean over sentences."""
        logits = nets.G.logits(taught).float()
        each = F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), ignore_index=PAD, reduction="none")
        progress.report("nats_per_token", each.sum() / (tokens != PAD).sum().clamp_min(1))
        return each.view_as(tokens).sum(1).mean()

    def apply(
        self,
        nets: Nets,
        inputs: Tensor,
        to: int | Tensor | None = None,  # the style to write in; None: the next one
        source: int | Tensor | None = None,  # the style of the input; None: the one before `to`
    ) -> Tensor:
        """Return sentences [N, T] in another style. Raises ValueError for a style there is not."""
        styles = {name: self.style(y, inputs) for name, y in (("to", to), ("source", source)) if y is not None}
        if "to" not in styles:
            styles["to"] = (styles.get("source", torch.zeros_like(inputs[:, 0])) + 1) % self.num_classes
        before = styles.get("source", (styles["to"] - 1) % self.num_classes)
        tokens: Tensor = nets.G.write(nets.G.encode(inputs, before), styles["to"], self.length)
        return finished(tokens)

    def style(self, y: int | Tensor, inputs: Tensor) -> Tensor:
        """Return a style for each row of inputs."""
        rows = torch.as_tensor(y, device=inputs.device).expand(len(inputs))
        if bool((rows < 0).any()) or bool((rows >= self.num_classes).any()):
            raise ValueError(f"styles are 0 to {self.num_classes - 1}")
        return rows.long()

    def example(self, batch: Batch, draws: Draws) -> Mapping[str, Any]:
        """Return the sentences of a batch, their styles and others."""
        return {"inputs": batch["tokens"], "to": self.other(batch["label"], draws), "source": batch["label"]}
