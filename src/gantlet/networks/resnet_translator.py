"""The residual translators: CycleGAN's (Zhu 2017, section 7.2; Johnson 2016), and one of many styles (Dumoulin 2017).

Pictures [N, C, H, W] of any size: what is no multiple of 4 is padded by its border. The sides must be 8 at least.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.dimensions import cut, pad_to_multiple, shortest_side
from gantlet.layers.instance_norm import ConditionalInstanceNorm, plain
from gantlet.networks.small_start import kept_start, small_start

MULTIPLE = 4


def translator_blocks(resolution: int | Sequence[int]) -> int:
    """Return the number of residual blocks: 9 from 256 pixels on, 6 below (Zhu 2017, section 7.2), 3 below 64."""
    side = shortest_side(resolution)
    return 9 if side >= 256 else 6 if side >= 64 else 3


def reach(blocks: int, fine: int = 0) -> int:
    """Return how far, in pixels, an output pixel looks around itself: half the receptive field of the convolutions.

    3 + 1 + 2 going down, 4 for each of two convolutions a block, at most as much going up, 1 for each `fine` layer.
    """
    return 2 * (3 + 1 + 2) + 2 * MULTIPLE * blocks + fine


def reflected(in_channels: int, out_channels: int, kernel: int, bias: bool = True) -> nn.Conv2d:
    """Return a convolution of stride 1 that keeps the size and mirrors the borders."""
    return nn.Conv2d(in_channels, out_channels, kernel, 1, kernel // 2, padding_mode="reflect", bias=bias)


class Block(nn.Module):
    """x + IN(conv(relu(IN(conv(x))))), 3x3, mirrored borders."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            reflected(channels, channels, 3),
            plain(channels),
            nn.ReLU(),
            reflected(channels, channels, 3),
            plain(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)  # type: ignore[no-any-return]


class Translator(nn.Module):
    """c7s1-w, d2w, d4w, `blocks` residual blocks of 4w, u2w, uw, c7s1 and tanh; instance norm without gain, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        layers: list[nn.Module] = [reflected(in_channels, width, 7), plain(width), nn.ReLU()]
        for w in (width, 2 * width):
            layers += [nn.Conv2d(w, 2 * w, 3, 2, 1), plain(2 * w), nn.ReLU()]
        layers += [Block(4 * width) for _ in range(blocks)]
        for w in (2 * width, width):
            layers += [nn.ConvTranspose2d(2 * w, w, 3, 2, 1, output_padding=1), plain(w), nn.ReLU()]
        self.body = nn.Sequential(*layers, reflected(width, out_channels, 7))
        self.apply(small_start)

    def forward(self, x: Tensor) -> Tensor:
        return cut(torch.tanh(self.body(pad_to_multiple(x, MULTIPLE))), x.shape[2:])


def slope_of(normalise: bool) -> float:
    """Return the slope below 0: without norms a layer of ReLUs can die as a whole, and did (docs/lab-log.md)."""
    return 0.0 if normalise else 0.2


class StyleBlock(nn.Module):
    """x + CIN(conv(relu(CIN(conv(x))))): the residual block whose norms know the style."""

    def __init__(self, channels: int, styles: int, normalise: bool = True) -> None:
        super().__init__()
        self.convs = nn.ModuleList(reflected(channels, channels, 3, bias=False) for _ in range(2))
        first, last = (ConditionalInstanceNorm(channels, styles, normalise) for _ in range(2))
        self.norms = nn.ModuleList([first, last])
        self.slope = slope_of(normalise)
        if not normalise:
            nn.init.zeros_(last.gain)  # nothing else keeps sums of blocks from growing

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        h = F.leaky_relu(self.norms[0](self.convs[0](x), code), self.slope)
        return x + self.norms[1](self.convs[1](h), code)  # type: ignore[no-any-return]


class StyleTranslator(nn.Module):
    """Adds to a picture x [N, C, H, W] what a style changes; `code` [N, styles] holds shares that add up to 1.

    The layers of `Translator`, but every norm has gains and biases per style, sizes double by repeating pixels before
    a 3x3 convolution (Dumoulin 2017, Table 1: no checkerboard), and the output is x plus the last convolution times 1
    less the share of style 0: that one is x itself, and the others start as it. Not bounded: the caller clamps what it
    shows. Instance norm hides how bright a place is; without `normalise` a style may depend on it. With `fine` layers
    the way up adds the maps of the way down, and that many 3x3 convolutions at full size, which see x as well, end it:
    what a style does to single pixels need not pass through maps of a quarter of the size.
    """

    def __init__(
        self, channels: int, styles: int, width: int = 32, blocks: int = 5, normalise: bool = True, fine: int = 0
    ) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        norm = partial(ConditionalInstanceNorm, styles=styles, normalise=normalise)
        self.stem = reflected(channels, width, 7, bias=False)
        self.downs = nn.ModuleList(nn.Conv2d(w, 2 * w, 3, 2, 1, bias=False) for w in widths[:-1])
        self.blocks = nn.ModuleList(StyleBlock(widths[-1], styles, normalise) for _ in range(blocks))
        self.ups = nn.ModuleList(reflected(2 * w, w, 3, bias=False) for w in reversed(widths[:-1]))
        self.down_norms = nn.ModuleList(norm(w) for w in widths)
        self.up_norms = nn.ModuleList(norm(w) for w in reversed(widths[:-1]))
        self.fine = nn.ModuleList(
            reflected(width + (channels if number == 0 else 0), width, 3, bias=False) for number in range(fine)
        )
        self.fine_norms = nn.ModuleList(norm(width) for _ in range(fine))
        self.out = reflected(width, channels, 3 if fine else 7)
        self.slope = slope_of(normalise)
        self.apply(small_start if normalise else kept_start)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        padded = pad_to_multiple(x, MULTIPLE)
        h, kept = padded, []
        for layer, norm in zip([self.stem, *self.downs], self.down_norms, strict=True):
            h = F.leaky_relu(norm(layer(h), code), self.slope)
            kept.append(h)
        for block in self.blocks:
            h = block(h, code)
        for up, norm, beside in zip(self.ups, self.up_norms, reversed(kept[:-1]), strict=True):
            h = up(F.interpolate(h, scale_factor=2.0))
            h = F.leaky_relu(norm(h + beside if self.fine else h, code), self.slope)
        for number, (layer, norm) in enumerate(zip(self.fine, self.fine_norms, strict=True)):
            h = F.leaky_relu(norm(layer(h if number else torch.cat([h, padded], 1)), code), self.slope)
        change = (1 - code[:, :1, None, None]) * self.out(h)
        return cut(padded + change, x.shape[2:])
