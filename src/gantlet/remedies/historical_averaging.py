"""Historical averaging: Improved Techniques for Training GANs (Salimans et al., 2016, 3.3), arXiv:1606.03498."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gantlet.recipe import Losses, Recipe
from gantlet.remedies.surgery import Moment, after, network, with_helper


class History(nn.Module):
    """The mean of a network's parameters over all updates so far, in buffers."""

    count: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        for i, parameter in enumerate(network.parameters()):
            self.register_buffer(f"mean{i}", parameter.detach().clone())

    def distance(self, network: nn.Module) -> Tensor:
        """Return |theta - mean of past theta|^2; 0 while there is no past."""
        distances = [(parameter - mean).square().sum() for parameter, mean in self._pairs(network)]
        return torch.stack(distances).sum() * (self.count > 0)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take the present parameters into the mean."""
        self.count += 1
        for parameter, mean in self._pairs(network):
            mean += (parameter - mean) / self.count

    def _pairs(self, network: nn.Module) -> list[tuple[Tensor, Tensor]]:
        return [(parameter, self.get_buffer(f"mean{i}")) for i, parameter in enumerate(network.parameters())]


def historical_averaging(
    recipe: Recipe,
    *,
    weight: float = 1.0,  # the paper gives none
) -> Recipe:
    """Both players are held back towards the mean of their own past.

    Symptom: the players circle each other: losses and samples return to where they were.
    It keeps a copy of all parameters. With --accumulate each part of a batch enters the mean, so that all but the first
    are also held back towards the present: another method.
    """
    for name in ("G", "D"):
        of = network(recipe, name)
        helper = f"history_{name}"

        def hold(moment: Moment, of: nn.Module = of, helper: str = helper) -> Losses:
            history = getattr(moment.nets, helper)
            term = weight * history.distance(of)
            history.update(of)
            return {**moment.terms, "history": term}

        recipe = after(with_helper(recipe, **{helper: History(of)}), name, hold)
    return recipe
