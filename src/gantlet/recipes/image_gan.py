"""The paragraph that two-player image GANs share, from DCGAN on.

A method that needs a third special case here spells its own losses out instead (see acgan.py): add a function, not
a flag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gantlet.layers.spectral_norm import constraint
from gantlet.losses.adversarial import AdversarialLoss
from gantlet.losses.penalties import gradient_norm_squared
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.optimizers import MakeOptimizer
from gantlet.recipes.signs import IMAGE_GAN

Latent = Callable[[Draws, int], Tensor]
Judge = Callable[[nn.Module, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]
Penalty = Callable[
    [Callable[[Tensor], Tensor], Tensor, Tensor, Progress], Tensor
]  # (critic, real, fake, progress) -> [N]


def normal(draws: Draws, latent_dim: int) -> Tensor:
    """Return z [n, latent_dim] from the standard normal distribution."""
    return draws.normal("z", latent_dim)


def uniform(draws: Draws, latent_dim: int) -> Tensor:
    """Return z [n, latent_dim] uniform in [-1, 1)."""
    return draws.uniform("z", latent_dim) * 2 - 1


def latents(draws: Draws, latent: Latent, latent_dim: int, times: int) -> Tensor:
    """Return z [times * n, latent_dim] for `times` fakes per sample at hand."""
    if times == 1:
        return latent(draws, latent_dim)
    return torch.cat([latent(_Stream(draws, i), latent_dim) for i in range(times)])


def sampler(latent: Latent, latent_dim: int) -> Callable[..., Tensor]:
    """Return the function that draws new samples from G."""

    def sample(nets: Nets, draws: Draws, label: Tensor | None = None) -> Tensor:
        pictures: Tensor = nets.G(latent(draws, latent_dim), label)
        return pictures

    return sample


def together(D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """Judge real and fake in one pass, [N] logits each: the same numbers, fewer and larger operations.

    Not for a D with batch norm: a mixed batch shares its statistics and plays another game.
    """
    logits: Tensor = D(torch.cat([real, fake]), None if y is None else torch.cat([y, y]))
    real_logits, fake_logits = logits.chunk(2)
    return real_logits, fake_logits


def apart(D: nn.Module, real: Tensor, fake: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """Judge real and fake in a pass each, [N] logits each, as DCGAN's batch norm in D needs it."""
    return D(real, y), D(fake, y)


def mean(losses: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean of losses [N], each times its weight [N] where there are any."""
    return losses.mean() if weight is None else (losses * weight).mean()


def diversity(real: Tensor, fake: Tensor) -> Tensor:
    """Return how much fakes of a batch differ, relative to reals: near 1 is healthy, near 0 is collapse."""
    with torch.no_grad():
        return spread(fake.float()) / spread(real.float()).clamp_min(1e-6)


def spread(pictures: Tensor) -> Tensor:
    """Return the root mean square distance of pictures [N, ...] from their mean; torch.std(0) takes 4 times as long."""
    return (pictures - pictures.mean(0)).square().mean().sqrt()


EVERY = 4  # steps between looks at logits and pictures: a sample of the steps tells as much as all of them


def report_diversity(progress: Progress, real: Tensor, fake: Tensor) -> None:
    """Report every fourth step how much fakes differ, relative to reals."""
    if progress.step % EVERY == 0:
        progress.report("diversity", diversity(real, fake))


def report_game(progress: Progress, real_logits: Tensor, fake_logits: Tensor, boundary: float = 0.0) -> None:
    """Report D's logits; every fourth step its accuracy against `boundary` and how far its logits vary."""
    progress.report("real_logits", real_logits)
    progress.report("fake_logits", fake_logits)
    if progress.step % EVERY == 0:
        with torch.no_grad():
            right = (real_logits > boundary).float().mean() + (fake_logits <= boundary).float().mean()
            progress.report("accuracy", right / 2)
            progress.report("logit_spread", torch.cat([real_logits, fake_logits]).float().std())


def image_gan(
    *,
    G: nn.Module,  # (z, y) -> pictures [N, C, H, W] in [-1, 1]
    D: nn.Module,  # (x, y) -> logits [N]
    loss: AdversarialLoss,
    latent_dim: int,
    g_optimizer: MakeOptimizer,
    d_optimizer: MakeOptimizer,
    batch_size: int,
    latent: Latent = normal,
    judge: Judge = together,
    penalty: Penalty | None = None,  # added to D's loss, its weight included
    d_updates: int | Callable[[Progress], int] = 1,
    fakes_per_real: int = 1,  # G's batch as a multiple of D's
    average_halflife: int | None = None,
    constrain: Callable[[nn.Module], None] | None = None,  # of D; None for what its spectral norm needs, if any
    g_schedule: Callable[[Progress], Mapping[str, Any]] | None = None,
    d_schedule: Callable[[Progress], Mapping[str, Any]] | None = None,
    boundary: float = 0.0,  # logit between real and fake, for the statistics only
) -> Recipe:
    """Return the recipe of a generator and a discriminator in turn, D first, each phase with its own fakes."""

    def discriminator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real, y = batch["image"], batch.get("label")
        fake = nets.G(latent(progress, latent_dim), y)
        real_logits, fake_logits = judge(nets.D, real, fake, y)
        report_game(progress, real_logits, fake_logits, boundary)
        terms = {"adversarial": mean(loss.discriminator(real_logits, fake_logits), batch.get("weight"))}
        if penalty is not None:
            terms["penalty"] = penalty(lambda x: nets.D(x, y), real, fake, progress).mean()
        return terms

    def generator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real, y = batch["image"], batch.get("label")
        asked = batch.get("fake_label", y)
        fake_y = None if asked is None else asked.repeat(fakes_per_real)
        fake = nets.G(latents(progress, latent, latent_dim, fakes_per_real), fake_y)
        fake_logits = nets.D(fake, fake_y)
        real_logits = nets.D(real, y) if loss.relativistic else fake_logits
        report_diversity(progress, real, fake)
        weight = batch.get("weight")
        weight = None if weight is None else weight.repeat(fakes_per_real)
        return {"adversarial": mean(loss.generator(real_logits, fake_logits), weight)}

    g_player = Player(
        networks={"G": G}, optimizer=g_optimizer, constrain=constraint(G), schedule=g_schedule,
        average_halflife=average_halflife,
    )  # fmt: skip
    d_player = Player(
        networks={"D": D}, optimizer=d_optimizer, constrain=constrain or constraint(D), schedule=d_schedule
    )
    return Recipe(
        players={"G": g_player, "D": d_player},
        phases=(Phase(player="D", loss=discriminator_loss, updates=d_updates), Phase(player="G", loss=generator_loss)),
        batch_size=batch_size,
        sample=sampler(latent, latent_dim),
        signs=IMAGE_GAN,
        heeds=("weight",) if loss.relativistic else ("weight", "fake_label"),
    )


def lazy_r1(game: Recipe, gamma: float, every: int) -> Recipe:
    """Return the game with gamma / 2 |grad D|^2 on reals as a phase of its own, every so many steps (Karras 2020)."""

    def r1_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        y = batch.get("label")
        return {"r1": gamma / 2 * gradient_norm_squared(lambda x: nets.D(x, y), batch["image"]).mean()}

    return replace(game, phases=(*game.phases, Phase(player="D", loss=r1_loss, every=every)))


class _Stream:
    """The same draws under other stream names."""

    def __init__(self, draws: Draws, number: int) -> None:
        self._draws, self._number = draws, number

    def normal(self, stream: str, *shape: int) -> Tensor:
        return self._draws.normal(f"{stream}{self._number}", *shape)

    def uniform(self, stream: str, *shape: int) -> Tensor:
        return self._draws.uniform(f"{stream}{self._number}", *shape)
