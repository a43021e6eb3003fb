"""Virtual batch norm: Improved Techniques for Training GANs (Salimans et al., 2016, 3.5), arXiv:1606.03498."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gantlet.errors import UserError
from gantlet.layers.virtual_batch_norm import VirtualBatchNorm2d
from gantlet.recipe import Recipe
from gantlet.remedies.structure import exchange
from gantlet.remedies.surgery import latents, network, num_classes, owner, with_network


class WithReference(nn.Module):
    """A generator that makes the pictures of fixed latents along with those it is asked for: the reference batch."""

    def __init__(self, G: nn.Module, reference: tuple[Tensor | None, ...]) -> None:
        super().__init__()
        self.G, self.count = G, len(reference)
        for i, fixed in enumerate(reference):
            self.register_buffer(f"reference{i}", fixed)

    def forward(self, z: Tensor, *others: Tensor | None) -> Tensor:
        """Return the pictures of z (and labels, or whatever else G takes)."""
        given = [self.joined(i, asked) for i, asked in enumerate((z, *others))]
        pictures: Tensor = self.G(*given)
        return pictures[-len(z) :]

    def joined(self, i: int, asked: Tensor | None) -> Tensor | None:
        """Return the reference's part of the i-th input and then what is asked; a G without classes gets no labels."""
        fixed = getattr(self, f"reference{i}") if i < self.count else None
        if asked is not None and fixed is None and asked.is_floating_point():
            raise UserError(
                "Remedy 'virtual_batch_norm' needs a G that takes the same inputs in training as in sampling."
            )
        return None if asked is None or fixed is None else torch.cat([fixed, asked])


def virtual_batch_norm(
    recipe: Recipe,
    *,
    reference: int = 64,  # size of the fixed batch; G computes so many more pictures at each pass
) -> Recipe:
    """G's batch norm takes its statistics from a fixed reference batch and the sample itself.

    Symptom: samples of one batch share colours or texture; samples change with whatever else is in their batch.
    """
    G = network(recipe, "G")
    classes = num_classes(G)
    inputs = latents(recipe, reference, classes)
    norms = [module for module in G.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        raise ValueError("it needs a G with batch norm")
    for norm in norms:
        exchange(G, norm, VirtualBatchNorm2d(norm, reference))
    return with_network(recipe, owner(recipe, "G"), G=WithReference(G, inputs))
