"""A history of generated pictures, in buffers (Shrivastava et al., 2017, arXiv:1612.07828, section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PicturePool(nn.Module):
    """The last pictures of a generator, of which a discriminator sees old ones among the new.

    Rows pass in order, as one by one: while the pool is not full each is kept and handed out; then each is either
    handed out as it is or takes the place of a kept one, which is handed out instead, with equal chances. So parts of a
    batch give what the whole gives. A pool of `size` 0 hands out what it gets.
    """

    holds_rows = ("pictures",)  # several processes all take those of the first: pictures have no mean
    pictures: Tensor
    seen: Tensor

    def __init__(self, size: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("pictures", torch.zeros(size, *shape))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, x: Tensor, uniform: Tensor) -> Tensor:
        """Return [N, ...], float32, of new x [N, ...]; `uniform` [N, 2] in [0, 1): whether to swap, and with which."""
        size, x = len(self.pictures), x.detach().float()
        if size == 0:
            return x
        number = self.seen + torch.arange(len(x), device=x.device)
        filling = number < size
        slot = torch.where(filling, number, (uniform[:, 1] * size).long().clamp_max(size - 1))
        swaps = ~filling & (uniform[:, 0] < 0.5)
        writes = filling | swaps
        # Row j wrote to the slot of row i: [i, j]. The last such j before i is what i finds there, the last of all
        # what stays. Rows of one slot so write the same picture, and the order of writing does not matter.
        wrote = writes[None, :] & (slot[:, None] == slot[None, :])
        kept = self.pictures[slot]
        found = _latest(wrote.tril(-1), x, kept)
        self.pictures.index_copy_(0, slot, _latest(wrote, x, kept))
        self.seen += len(x)
        return torch.where(_like(swaps, x), found, x)


def _latest(wrote: Tensor, x: Tensor, otherwise: Tensor) -> Tensor:
    """Return for each row of `wrote` [N, N] the picture of its last True column, or `otherwise` where there is none."""
    columns = torch.arange(1, len(x) + 1, device=x.device)
    last = (wrote * columns).amax(1)
    return torch.where(_like(last > 0, x), x[(last - 1).clamp_min(0)], otherwise)


def _like(flags: Tensor, x: Tensor) -> Tensor:
    return flags.view(-1, *[1] * (x.dim() - 1))
