"""The paragraph that GANs with noise share: a noise model behind G, noise on D's inputs.

Where neither does anything this is `image_gan` with the lazy R1 of `r1gan`, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from gantlet.losses.adversarial import AdversarialLoss, nonsaturating
from gantlet.losses.penalties import gradient_norm_squared
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import Penalty, latents, report_diversity, report_game, together
from gantlet.recipes.optimizers import MakeOptimizer, adam, inverse_decay
from gantlet.recipes.signs import IMAGE_GAN


class MakeFakes(Protocol):
    """(nets, draws, y, times) -> `times` fakes per sample at hand; y is repeated already."""

    def __call__(self, nets: Nets, draws: Draws, y: Tensor | None, times: int) -> Tensor: ...


Seen = Callable[[Nets, Progress, Tensor, str], Tensor]  # (nets, progress, pictures, stream) -> what D is shown
Schedule = Callable[[Progress], Mapping[str, Any]]


def as_it_is(nets: Nets, progress: Progress, pictures: Tensor, stream: str) -> Tensor:
    """Show D the picture itself."""
    return pictures


def field(draws: Draws, stream: str, shape: tuple[int, ...], times: int = 1) -> Tensor:
    """Return standard normal numbers [times * n, *shape] for `times` fakes per sample at hand."""
    return latents(draws, lambda rows, _: rows.normal(stream, *shape), 0, times)


def level(draws: Draws, stream: str, shape: tuple[int, ...], times: int = 1) -> Tensor:
    """Return numbers [times * n, *shape] uniform in [0, 1) for `times` fakes per sample at hand."""
    return latents(draws, lambda rows, _: rows.uniform(stream, *shape), 0, times)


def noisy_gan(
    *,
    G: nn.Module,
    D: nn.Module,  # (x, y) -> logits [N], x as `seen` gives it
    fakes: MakeFakes,
    sample: Callable[..., Tensor],
    g_optimizer: MakeOptimizer,
    d_optimizer: MakeOptimizer,
    batch_size: int,
    average_halflife: int | None,
    loss: AdversarialLoss = nonsaturating,
    schedule: Schedule | None = None,
    seen: Seen = as_it_is,
    watch: Callable[[Nets, Progress, Tensor], None] | None = None,  # is told D's logits of real pictures
    penalty: Penalty | None = None,  # added to D's loss, its weight included
    r1_gamma: float = 0.0,
    r1_every: int = 1,
    fakes_per_real: int = 1,
    helpers: Mapping[str, nn.Module] | None = None,
) -> Recipe:
    """Return the recipe of the game in which D judges what `seen` shows of reals and of `fakes`."""

    def discriminator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real, y = batch["image"], batch.get("label")
        fake = fakes(nets, progress, y, 1)
        shown_real, shown_fake = seen(nets, progress, real, "real noise"), seen(nets, progress, fake, "fake noise")
        real_logits, fake_logits = together(nets.D, shown_real, shown_fake, y)
        report_game(progress, real_logits, fake_logits)
        if watch is not None:
            watch(nets, progress, real_logits)
        terms = {"adversarial": loss.discriminator(real_logits, fake_logits).mean()}
        if penalty is not None:
            terms["penalty"] = penalty(lambda x: nets.D(x, y), shown_real, shown_fake, progress).mean()
        return terms

    def generator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real, y = batch["image"], batch.get("label")
        fake_y = None if y is None else y.repeat(fakes_per_real)
        fake = fakes(nets, progress, fake_y, fakes_per_real)
        shown = seen(nets, progress, fake, "fake noise")
        fake_logits = nets.D(shown, fake_y)
        report_diversity(progress, real, fake)
        return {"adversarial": loss.generator(fake_logits, fake_logits).mean()}

    def r1_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        y = batch.get("label")
        critic = lambda x: nets.D(seen(nets, progress, x, "real noise"), y)  # noqa: E731
        return {"r1": r1_gamma / 2 * gradient_norm_squared(critic, batch["image"]).mean()}

    generator = Player(networks={"G": G}, optimizer=g_optimizer, average_halflife=average_halflife, schedule=schedule)
    phases = (Phase(player="D", loss=discriminator_loss), Phase(player="G", loss=generator_loss))
    r1 = (Phase(player="D", loss=r1_loss, every=r1_every),) if r1_gamma else ()
    return Recipe(
        players={"G": generator, "D": Player(networks={"D": D}, optimizer=d_optimizer, schedule=schedule)},
        phases=(*phases, *r1),
        batch_size=batch_size,
        sample=sample,
        helpers=helpers or {},
        signs=IMAGE_GAN,
    )


def training(
    lr: float, lr_halving: int | None, beta1: float, beta2: float, batch_size: int, average_halflife: int
) -> dict[str, Any]:
    """Return what all members of the family say alike: one Adam for each player, batch and moving average."""
    return dict(
        g_optimizer=adam(lr, (beta1, beta2)),
        d_optimizer=adam(lr, (beta1, beta2)),
        schedule=inverse_decay(lr, lr_halving),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
