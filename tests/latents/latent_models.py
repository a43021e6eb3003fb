"""Small models whose latent spaces are known exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from tiny_models import built
from torch import Tensor, nn

from gantlet.draws import SampleDraws
from gantlet.model import Model
from gantlet.recipe import Nets, Player, Recipe
from gantlet.recipes.optimizers import adam

SCALES = torch.tensor([0.5, 0.4, 0.3, 0.2, 0.1])


class Linear(nn.Module):
    """z [N, 5] -> pictures [N, 1, 4, 4] by a matrix with singular values SCALES and known directions."""

    def __init__(self, turn: Tensor) -> None:
        super().__init__()
        self.project = nn.Linear(5, 16)
        columns = torch.linalg.qr(torch.randn(16, 5, generator=torch.Generator().manual_seed(1))).Q
        self.project.weight.data = columns @ torch.diag(SCALES) @ turn
        nn.init.zeros_(self.project.bias)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.project(z).view(-1, 1, 4, 4)


class Style(nn.Module):
    """A generator in two halves: w = 2 z + y, and pictures from w through two affine layers."""

    def __init__(self) -> None:
        super().__init__()
        self.label = nn.Embedding(3, 5)
        self.affine = nn.ModuleList([nn.Linear(5, 8), nn.Linear(5, 8)])

    def mapping(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return 2 * z + self.label(y)

    def synthesis(self, w: Tensor) -> Tensor:
        return torch.tanh(torch.cat([layer(w) for layer in self.affine], dim=1)).view(-1, 1, 4, 4)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.synthesis(self.mapping(z, y))


def turn() -> Tensor:
    """Return an orthogonal matrix: its rows are the directions of `linear_model`."""
    return torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(2))).Q


def model_of(G: nn.Module, sample: Callable[..., Tensor], num_classes: int = 0) -> Model:
    """Return a model of pictures 4x4 around a generator."""
    recipe = Recipe(players={"G": Player(networks={"G": G}, optimizer=adam(1e-3, (0, 0.9)))}, phases=(), sample=sample)
    return built(recipe, "toy", {"latent_dim": 5, "num_classes": num_classes}, 1, 4, num_classes)


def sample_z(nets: Nets, draws: SampleDraws, label: Tensor | None = None, truncation: float = 1.0) -> Tensor:
    """Return samples of z, made shorter by truncation."""
    made: Tensor = nets.G(draws.normal("z", 5) * truncation, label)
    return made


def linear_model() -> Model:
    return model_of(Linear(turn()), sample_z)


def style_model() -> Model:
    torch.manual_seed(0)
    return model_of(Style(), sample_z, num_classes=3)


def no_truncation(nets: Nets, draws: Any, label: Tensor | None = None) -> Tensor:
    made: Tensor = nets.G(draws.normal("z", 5), label)
    return made
