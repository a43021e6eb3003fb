"""A game whose numbers are computed by hand: D(x) = scale * mean(x), G(z) a grey picture of the first entry of z."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gantlet.engine import nets
from gantlet.engine.progress import Counters, Progress
from gantlet.losses.adversarial import AdversarialLoss, wasserstein
from gantlet.recipe import Losses, Recipe
from gantlet.recipes.image_gan import image_gan
from gantlet.recipes.optimizers import adam


class Grey(nn.Module):
    """z [N, 2] -> pictures [N, 1, 4, 4], all pixels gain * z_0."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return (self.gain * z[:, :1, None, None]).expand(-1, 1, 4, 4)


class Brightness(nn.Module):
    """Pictures -> logits [N]: the mean of all pixels times a weight of 2."""

    def __init__(self) -> None:
        super().__init__()
        self.logit = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.logit.weight, 2.0)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        logits: Tensor = self.logit(x.mean((1, 2, 3))[:, None])
        return logits[:, 0]


def toy(loss: AdversarialLoss = wasserstein) -> Recipe:
    """Return the game, G's step after D's."""
    optimizer = adam(1e-3, (0.0, 0.9))
    return image_gan(
        G=Grey(), D=Brightness(), loss=loss, latent_dim=2, g_optimizer=optimizer, d_optimizer=optimizer, batch_size=4
    )


def progress(samples: int = 0, step: int = 0, place: str = "0.0") -> Progress:
    """Return a moment; its draws depend on the step alone."""
    return Progress(Counters(step=step, samples=samples), 0, torch.device("cpu"), rows=(0, 4, 4), place=place)


def batch(values: tuple[float, ...] = (0.1, 0.2, 0.3, 0.6)) -> dict[str, Tensor]:
    """Return grey pictures of these values."""
    return {"image": torch.tensor(values)[:, None, None, None].expand(-1, 1, 4, 4).contiguous()}


def terms(
    recipe: Recipe, player: str, when: Progress | None = None, given: dict[str, Tensor] | None = None
) -> tuple[Losses, Any]:
    """Return the loss terms of a player's game, and the nets they were computed with."""
    networks = nets.build(recipe, torch.device("cpu"))
    phase = next(phase for phase in recipe.phases if phase.player == player)
    torch.manual_seed(0)
    with nets.Trainable(recipe).only(player):
        return phase.loss(networks, given or batch(), when or progress()), networks


def fakes(when: Progress | None = None) -> Tensor:
    """Return the grey values of the fakes of a moment [N]: half of z_0."""
    return 0.5 * (when or progress()).normal("z", 2)[:, 0]
