"""All networks of a recipe by name, and which of them learn right now."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from gantlet.engine.precision import place
from gantlet.recipe import Recipe


class Networks:
    """Networks and helpers as attributes; `averaged` holds the moving averages, the live ones where none is kept."""

    def __init__(self, modules: Mapping[str, nn.Module], averaged: Networks | None = None) -> None:
        self.modules = dict(modules)
        self._averaged = averaged

    def __getattr__(self, name: str) -> nn.Module:
        try:
            return self.__dict__["modules"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(f"no network or helper is called '{name}'") from None

    @property
    def averaged(self) -> Networks:
        return self if self._averaged is None else self._averaged


def build(recipe: Recipe, device: torch.device) -> Networks:
    """Place a recipe's networks and helpers on the device and copy those that get a moving average."""
    live: dict[str, nn.Module] = {}
    copies: dict[str, nn.Module] = {}
    for player in recipe.players.values():
        for name, network in player.networks.items():
            live[name] = place(network, device).train()
            if player.average_halflife is not None:
                copies[name] = copy.deepcopy(live[name]).eval().requires_grad_(False)
    for name, helper in recipe.helpers.items():
        live[name] = place(helper, device)
    return Networks(live, averaged=Networks(live | copies))


class Trainable:
    """The parameters each player may change: frozen ones stay frozen through all the toggling."""

    def __init__(self, recipe: Recipe) -> None:
        self.of = {
            name: [p for network in player.networks.values() for p in network.parameters() if p.requires_grad]
            for name, player in recipe.players.items()
        }
        for parameters in self.of.values():
            for parameter in parameters:
                parameter.requires_grad_(False)

    @contextmanager
    def only(self, player: str) -> Iterator[None]:
        """Let one player learn; for everybody else's loss its parameters are constants."""
        for parameter in self.of[player]:
            parameter.requires_grad_(True)
        try:
            yield
        finally:
            for parameter in self.of[player]:
                parameter.requires_grad_(False)


@contextmanager
def evaluating(nets: Networks) -> Iterator[None]:
    """Switch every network to evaluation (batch norm reads its running statistics), then back."""
    before = {name: module.training for name, module in nets.modules.items()}
    for module in nets.modules.values():
        module.eval()
    try:
        yield
    finally:
        for name, training in before.items():
            nets.modules[name].train(training)
