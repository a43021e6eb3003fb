"""Self-attention over the positions of a picture (Zhang 2019, SAGAN)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """x + gamma * out(sum_i softmax_i(<query(x_j), key(x_i)>) value(x_i)) (Zhang 2019, Eq. 1 to 3). x [N, C, H, W].

    1x1 convolutions without bias: queries and keys of C/8 maps, values of C/2, out back to C; gamma begins at 0, so
    the layer begins as the identity. With `pool`, keys and values are max-pooled 2x2, odd sides rounded up (authors'
    code): a quarter of the products. The scores are not divided by a square root, as published. Spectral norm is put
    on from outside, like on any convolution. Written as two matrix products, not as torch's fused attention, which has
    no second derivative.
    """

    def __init__(self, channels: int, pool: bool = True) -> None:
        super().__init__()
        self.pool = pool
        few, half = max(channels // 8, 1), max(channels // 2, 1)
        self.query, self.key = nn.Conv2d(channels, few, 1, bias=False), nn.Conv2d(channels, few, 1, bias=False)
        self.value, self.out = nn.Conv2d(channels, half, 1, bias=False), nn.Conv2d(half, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))  # without dimensions: it does not turn bf16 activations into fp32

    def forward(self, x: Tensor) -> Tensor:
        key, value = self.key(x), self.value(x)
        if self.pool:
            key, value = F.max_pool2d(key, 2, ceil_mode=True), F.max_pool2d(value, 2, ceil_mode=True)
        weights = (_rows(self.query(x)) @ _rows(key).transpose(1, 2)).softmax(2)  # [N, H W, positions of the keys]
        seen = (weights @ _rows(value)).view(x.shape[0], *x.shape[2:], -1).permute(0, 3, 1, 2)  # channels-last already
        attended: Tensor = x + self.gamma * self.out(seen)
        return attended


def _rows(maps: Tensor) -> Tensor:
    """Return maps [N, C, H, W] as [N, H W, C]: a view of channels-last memory."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)
