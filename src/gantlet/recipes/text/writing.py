"""What recipes that write text share: players, sampling, scores, pre-training, signs, and Adam from stage to stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import torch
from torch import Tensor, nn

from gantlet.layers.tokens import PAD
from gantlet.networks.language_model import log_likelihood, write
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import EVERY
from gantlet.recipes.optimizers import adam
from gantlet.recipes.signs import all_knowing_discriminator, dead_discriminator


@dataclass(frozen=True)
class Writing:
    """Rows of at most `length` tokens from G, each token chosen by a uniform number of its own."""

    length: int

    def sample(
        self,
        nets: Nets,
        draws: Draws,
        label: Tensor | None = None,
        temperature: float = 1.0,  # below 1 safer and more alike, above 1 more varied; 0 the most likely symbols
        prefix: Tensor | None = None,  # tokens [P] or [N, P] that every row begins with
    ) -> Tensor:
        """Return tokens [N, T], PAD after END."""
        return write(nets.G, draws.uniform("tokens", self.length), label, temperature, prefix)

    def fakes(self, nets: Nets, batch: Batch, progress: Progress) -> Tensor:
        """Return as many rows as there are in a batch, of its classes."""
        return self.sample(nets, progress, batch.get("label"))


def score(nets: Nets, tokens: Tensor, temperature: float = 1.0) -> Tensor:
    """Return log p of each row in nats, [N], END included; over all classes alike, where G has classes."""
    if nets.G.classes is None:
        return log_likelihood(nets.G, tokens, None, temperature).sum(1)
    count = int(nets.G.classes.num_embeddings)
    each = [log_likelihood(nets.G, tokens, torch.full_like(tokens[:, 0], y), temperature).sum(1) for y in range(count)]
    return torch.stack(each).logsumexp(0) - log(count)


def maximum_likelihood(nets: Nets, batch: Batch, progress: Progress) -> Losses:
    """Return -log p of the rows per position: teacher forcing. What follows END counts as a position without loss."""
    tokens = batch["tokens"]
    nats = -log_likelihood(nets.G, tokens, batch.get("label"))
    progress.report("nats_per_token", nats.sum() / (tokens != PAD).sum().clamp_min(1))
    return {"likelihood": nats.sum(1).mean() / tokens.shape[1]}


def report_variety(progress: Progress, real: Tensor, fake: Tensor) -> None:
    """Report every fourth step how many different pairs of neighbours fakes [N, T] hold, relative to reals."""
    if progress.step % EVERY == 0:
        counts = [torch.unique(pair_codes(rows)).numel() - 1 for rows in (real, fake)]
        progress.report("diversity", torch.tensor(counts[1] / max(counts[0], 1)))


def pair_codes(tokens: Tensor) -> Tensor:
    """Return a number for each pair of neighbours; -1 beside PAD, and once more, so that it is always among them."""
    codes = tokens[:, :-1] * 2**31 + tokens[:, 1:]
    codes = codes.where((tokens[:, 1:] != PAD) & (tokens[:, :-1] != PAD), -1)
    return torch.cat([codes.flatten(), codes.new_full((1,), -1)])


def repetition(statistics: Mapping[str, float]) -> str | None:
    """The lines of one batch hold far fewer different pairs of symbols than lines of the data do."""
    diversity = statistics.get("G/diversity")
    if diversity is None or diversity > 0.25:
        return None
    return (
        f"The lines look alike (they hold {diversity:.0%} as many different pairs of symbols as the data's): mode "
        "collapse. Lower G's learning rate in the adversarial stage, pre-train longer, or stop here: `gantlet curve` "
        "shows whether maximum likelihood at a lower temperature is better."
    )


TEXT_GAN = (repetition, all_knowing_discriminator, dead_discriminator)


ADAM = (0.9, 0.999)  # betas of all text GANs here (their authors' code)


def text_gan(
    *,
    G: nn.Module,
    D: nn.Module,
    phases: tuple[Phase, ...],  # from `start` samples on, against D; likelihood and what D learns before are among them
    start: int,
    lr: float,  # of G before `start`
    g_lr: float,  # of G from there on
    d_lr: float,
    g_clip: float | None,
    d_clip: float | None = None,
    length: int,
    batch_size: int,
    average_halflife: int | None,
) -> Recipe:
    """Return the recipe of a language model G that begins with the likelihood and goes on against D."""
    return Recipe(
        players={
            "G": Player(
                networks={"G": G},
                optimizer=adam(lr, ADAM),
                schedule=staged_adam(lr, g_lr, ADAM, start, batch_size),
                clip_norm=g_clip,
                average_halflife=average_halflife,
            ),
            "D": Player(networks={"D": D}, optimizer=adam(d_lr, ADAM), clip_norm=d_clip),
        },
        phases=phases,
        batch_size=batch_size,
        sample=Writing(length).sample,
        score=score,
        signs=TEXT_GAN,
    )


def staged_adam(
    before: float, after: float, betas: tuple[float, float], start: int, batch_size: int
) -> Callable[[Progress], Mapping[str, Any]]:
    """Return a schedule of Adam: rate `before` up to `start` samples, then `after`, as a new Adam would take it.

    The published codes begin the adversarial stage with a new optimizer. Moments of gradients of another loss would
    scale its steps for a thousand updates, so they are forgotten by betas that rise from 0: beta_k = beta (1 -
    beta^(k-1)) / (1 - beta^k) in the k-th update is the bias-corrected average from there on.
    """

    def schedule(progress: Progress) -> Mapping[str, Any]:
        if progress.samples < start:
            return {"lr": before}
        if start == 0:
            return {"lr": after}
        update = (progress.samples - start) // batch_size + 1
        return {"lr": after, "betas": tuple(beta * (1 - beta ** (update - 1)) / (1 - beta**update) for beta in betas)}

    return schedule
