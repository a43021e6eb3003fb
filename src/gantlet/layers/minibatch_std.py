"""Minibatch standard deviation (Karras 2018, section 3): D sees how much the samples of a group differ."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gantlet.layers.precision import wide


class MinibatchStd(nn.Module):
    """Appends a map that holds the mean standard deviation of all features in a group: [N, C, ...] -> [N, C+1, ...].

    Groups are neighbours in the batch (the authors stride over it, which is the same for samples in random order), so a
    batch of reals followed by fakes mixes no group as long as the reals are a multiple of `group_size`, and halves of a
    batch give the numbers of the whole. A remainder forms a smaller group; one sample alone gets zero.
    """

    def __init__(self, group_size: int = 4) -> None:
        super().__init__()
        self.group_size = group_size

    def forward(self, x: Tensor) -> Tensor:
        whole = len(x) - len(x) % self.group_size
        parts = [part for part in (x[:whole], x[whole:]) if len(part)]
        deviations = torch.cat([_deviation(part, min(self.group_size, len(part))) for part in parts])
        column = deviations.type_as(x).view(-1, *[1] * (x.dim() - 1))
        return torch.cat([x, column.expand(-1, 1, *x.shape[2:])], dim=1)


def _deviation(x: Tensor, group_size: int) -> Tensor:
    """Return the deviation of each sample's group, [N], where N is a multiple of `group_size`."""
    groups = wide(x).reshape(-1, group_size, *x.shape[1:])
    variance = (groups - groups.mean(1, keepdim=True)).square().mean(1)
    per_group: Tensor = (variance + 1e-8).sqrt().flatten(1).mean(1)
    return per_group.repeat_interleave(group_size)
