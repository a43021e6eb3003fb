"""The U-Net of pix2pix (Isola 2017, section 6.1.1) for pictures [N, C, H, W] and volumes [N, C, D, H, W]."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.dimensions import (
    convolution,
    cut,
    pad_to_multiple,
    shortest_side,
    transposed_convolution,
)
from gantlet.layers.instance_norm import InstanceNorm
from gantlet.networks.small_start import small_start


def unet_levels(resolution: int | Sequence[int], most: int = 8) -> int:
    """Return how often the shortest side can be halved until it is 1: 256 -> 8, 128 -> 7, 28 -> 4; at most `most`."""
    return max(min(shortest_side(resolution).bit_length() - 1, most), 1)


class UNet(nn.Module):
    """Halves the picture `levels` times and doubles it again; each doubling also sees the maps of its own size.

    4x4 convolutions of stride 2 to `width`, 2, 4, 8, 8, ... times `width` maps, LeakyReLU(.2); transposed ones back,
    ReLU; no norm on the first and on the innermost map; tanh. Dropout follows the norms of the decoder's widest layers
    but the innermost (three of them at 8 levels, as the authors' code has it; the paper counts the innermost too).
    Any size works: what is no multiple of 2^levels is padded by its border.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        levels: int = 8,
        width: int = 64,
        norm: Callable[[int], nn.Module] = InstanceNorm,
        dropout: float = 0.5,
        dims: int = 2,
    ) -> None:
        super().__init__()
        convolve, deconvolve = convolution(dims), transposed_convolution(dims)
        widths = [width * min(2**level, 8) for level in range(levels)]
        self.multiple, self.dropout = 2**levels, dropout
        self.downs = nn.ModuleList(
            convolve(a, b, 4, 2, 1, bias=False) for a, b in zip([in_channels, *widths], widths, strict=False)
        )
        self.down_norms = nn.ModuleList(norm(w) for w in widths[1:-1])
        # From the inside out: `inner` is what comes from below, the maps of the same size stand beside it.
        inner = [widths[-1], *(2 * w for w in reversed(widths[:-1]))]
        outer = [*reversed(widths[:-1]), out_channels]
        self.ups = nn.ModuleList(
            deconvolve(a, b, 4, 2, 1, bias=place == levels - 1)
            for place, (a, b) in enumerate(zip(inner, outer, strict=True))
        )
        self.up_norms = nn.ModuleList(norm(w) for w in outer[:-1])
        self.dropped = [place > 0 and w == 8 * width for place, w in enumerate(outer[:-1])]
        self.apply(small_start)

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.downs[0](pad_to_multiple(x, self.multiple))
        maps = [h]
        for place, down in enumerate(self.downs[1:]):
            h = down(F.leaky_relu(h, 0.2))
            h = self.down_norms[place](h) if place < len(self.down_norms) else h
            maps.append(h)
        h = maps.pop()
        for up, norm, dropped in zip(self.ups[:-1], self.up_norms, self.dropped, strict=True):
            h = norm(up(F.relu(h)))
            h = F.dropout(h, self.dropout, self.training) if dropped else h
            h = torch.cat([maps.pop(), h], 1)
        return cut(torch.tanh(self.ups[-1](F.relu(h))), x.shape[2:])
