"""ProGAN: Progressive Growing of GANs for Quality, Stability, and Variation (Karras et al., 2018), arXiv:1710.10196.

Facts that the engine sees differently: the batch is constant, where the authors take 16 and, to fit their memory, 14, 6
and 3 at 256, 512 and 1024 pixels (set --batch-size, or --accumulate, to what fits at the last level); Adam keeps its
moments when a level is added, where the authors' TensorFlow code forgets them (new layers begin with none anyway).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gantlet.layers.grid import num_stages
from gantlet.losses.adversarial import wasserstein
from gantlet.losses.penalties import Critic, interpolated_gradient_penalty
from gantlet.networks.progan import Discriminator, Generator
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import normal, report_diversity, report_game
from gantlet.recipes.optimizers import adam
from gantlet.recipes.signs import IMAGE_GAN

TINY = dict(
    channels=1, resolution=8, latent_dim=8, channel_base=64, channel_max=8, stabilise_samples=0, fade_samples=64,
    batch_size=8,
)  # fmt: skip
QUICK: dict[str, dict[str, object]] = {
    "progan": dict(  # docs/lab-log.md, 2026-11-21
        latent_dim=64, channel_base=512, channel_max=32, stabilise_samples=1_000, fade_samples=1_000, lr=2e-3,
        batch_size=32,
    )
}  # fmt: skip


def level_at(samples: int, stabilise: int, fade: int, top: int) -> float:
    """Return the level after `samples`: each is trained alone for `stabilise`, then the next fades in for `fade`.

    The sample at hand counts, so that a level which fades in learns from its first step.
    """
    if stabilise + fade == 0:
        return top
    finished, within = divmod(samples, stabilise + fade)
    return min(finished + max(within + 1 - stabilise, 0) / max(fade, 1), top)


def judge(critic: Critic, real: Tensor, fake: Tensor, group_size: int) -> tuple[Tensor, Tensor]:
    """Return the logits of both, in one pass where no group of the minibatch deviation would mix them."""
    if len(real) % group_size:
        return critic(real), critic(fake)
    real_logits, fake_logits = critic(torch.cat([real, fake])).chunk(2)
    return real_logits, fake_logits


@dataclass(frozen=True)
class Game:
    """The losses of both players at the level that the samples seen so far ask for."""

    latent_dim: int
    growth: Callable[[int], float]  # samples -> level
    gp_weight: float
    drift: float
    group_size: int

    def arrive(self, nets: Nets, progress: Progress) -> float:
        """Return the level, and note it in both networks and in the log."""
        level = self.growth(progress.samples)
        nets.G.reach(level)
        nets.D.reach(level)
        progress.report("level", torch.tensor(level))
        return level

    def discriminator_loss(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Return the critic's loss, its gradient penalty and what keeps its output from drifting away from 0."""
        level = self.arrive(nets, progress)
        real = nets.D.soften(batch["image"], level)
        fake = nets.G(normal(progress, self.latent_dim), level)
        real_logits, fake_logits = judge(lambda x: nets.D(x, level), real, fake, self.group_size)
        report_game(progress, real_logits, fake_logits)
        penalty = interpolated_gradient_penalty(lambda x: nets.D(x, level), real, fake, progress.uniform("mix"))
        return {
            "adversarial": wasserstein.discriminator(real_logits, fake_logits).mean(),
            "penalty": self.gp_weight * penalty.mean(),
            "drift": self.drift * real_logits.float().square().mean(),
        }

    def generator_loss(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Return G's loss."""
        level = self.arrive(nets, progress)
        fake = nets.G(normal(progress, self.latent_dim), level)
        fake_logits = nets.D(fake, level)
        report_diversity(progress, nets.D.soften(batch["image"], level), fake)
        return {"adversarial": wasserstein.generator(fake_logits, fake_logits).mean()}

    def sample(self, nets: Nets, draws: Draws, label: Tensor | None = None) -> Tensor:
        """Return pictures of the level that G has reached."""
        pictures: Tensor = nets.G(normal(draws, self.latent_dim))
        return pictures.clamp(-1, 1)


def progan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    latent_dim: int = 512,  # size of z (Table 2)
    channel_base: int = 16_384,  # feature maps times side: fmap_base 8192 of the authors' code, counted from side 2
    channel_max: int = 512,  # most feature maps of a layer (Table 2)
    group_size: int = 4,  # samples whose deviation D sees (authors' code; the paper takes the whole batch)
    stabilise_samples: int = 600_000,  # for which a level is trained alone (authors' code; 800k for CelebA-HQ, A.1)
    fade_samples: int = 600_000,  # over which the next level is faded in (idem)
    gp_weight: float = 10.0,  # lambda of WGAN-GP (appendix A.1)
    drift: float = 1e-3,  # epsilon_drift, weight of D(real)^2 (appendix A.1)
    lr: float = 1e-3,  # Adam (appendix A.1)
    beta1: float = 0.0,  # idem
    beta2: float = 0.99,  # idem
    batch_size: int = 16,  # appendix A.1; smaller from 256 pixels on, for memory
    average_halflife: int = 10_000,  # of G's moving average, in samples: .999 per batch of 16 (appendix A.1)
) -> Recipe:
    """Both networks begin with a few pixels and grow, a Wasserstein game with gradient penalty all along.

    Samples are those of the level reached, enlarged: a run shorter than the growth ends with coarse pictures.
    """
    top = num_stages(resolution)
    game = Game(latent_dim, lambda n: level_at(n, stabilise_samples, fade_samples, top), gp_weight, drift, group_size)
    G = Generator(latent_dim, channels, resolution, channel_base, channel_max)
    D = Discriminator(channels, resolution, channel_base, channel_max, group_size)
    optimizer = adam(lr, (beta1, beta2))
    return Recipe(
        players={
            "G": Player(networks={"G": G}, optimizer=optimizer, average_halflife=average_halflife),
            "D": Player(networks={"D": D}, optimizer=optimizer),
        },
        phases=(Phase(player="D", loss=game.discriminator_loss), Phase(player="G", loss=game.generator_loss)),
        batch_size=batch_size,
        sample=game.sample,
        signs=IMAGE_GAN,
    )
