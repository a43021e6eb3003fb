"""The networks of StyleGAN2 (Karras 2020, configuration F; labels as in StyleGAN2-ADA, arXiv:2006.06676), any size.

Shapes: z and w [N, latent_dim], y [N], pictures [N, C, H, W], G's not squashed. The parts of G are for use alone as
well: `G.mapping(z, y)` gives w, `G.synthesis(w, noise)` takes w as [N, latent_dim] or one per layer,
[N, layers, latent_dim].
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.equalised import EqualisedConv2d, EqualisedLinear, same
from gantlet.layers.grid import base_grid, crop, even_padding
from gantlet.layers.minibatch_std import MinibatchStd
from gantlet.layers.modulated_conv import ModulatedConv2d
from gantlet.layers.pixel_norm import pixel_norm
from gantlet.layers.resampling import (
    blur_after_doubling,
    blur_before_halving,
    doubling,
    downsample,
    halving,
    upsample,
)
from gantlet.networks.progan import level_widths

GAIN = sqrt(2)  # of the leaky ReLU; it stands with the weights before it (layers/equalised.py)


class Mapping(nn.Module):
    """Fully connected layers to w [N, latent_dim], from z [N, inputs] on the hypersphere, a label, or both joined.

    All but the embedding of the label learns at `lr_multiplier` of the learning rate. The embedded label has
    `label_size` times the length of z.
    """

    def __init__(
        self,
        inputs: int,
        latent_dim: int,
        num_layers: int,
        num_classes: int = 0,
        lr_multiplier: float = 0.01,
        label_size: float = 1.0,
    ) -> None:
        super().__init__()
        self.num_classes, self.label_size = num_classes, label_size
        self.embedding = EqualisedLinear(num_classes, latent_dim) if num_classes else None
        sizes = [inputs + (latent_dim if num_classes else 0)] + [latent_dim] * (num_layers - 1)
        self.layers = nn.ModuleList(
            EqualisedLinear(size, latent_dim, weight_gain=GAIN, bias_gain=GAIN, lr_multiplier=lr_multiplier)
            for size in sizes
        )

    def forward(self, z: Tensor | None, y: Tensor | None = None) -> Tensor:
        parts = [] if z is None else [pixel_norm(z)]
        if self.embedding is not None:
            assert y is not None, "these networks were built with classes: they need labels"
            label = self.embedding(F.one_hot(y, self.num_classes).type_as(self.embedding.weight))
            parts.append(self.label_size * pixel_norm(label))
        h = torch.cat(parts, dim=1)
        for layer in self.layers:
            h = F.leaky_relu(layer(h), 0.2)
        return h


class StyledConv(nn.Module):
    """Modulated 3x3 convolution (doubling with FIR if `up`), noise of learned strength, bias, LeakyReLU * sqrt(2)."""

    def __init__(self, inputs: int, outputs: int, latent_dim: int, up: bool) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(inputs, outputs, 3, latent_dim, operation=doubling if up else same)
        self.blur = blur_after_doubling() if up else None
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        y, gain = self.conv(x, w)
        if self.blur is not None:
            y = self.blur(y)
        y = torch.addcmul((self.bias * GAIN).type_as(y)[:, None, None], y, (gain * GAIN).type_as(y))
        if noise is not None:
            y = y + (noise * (self.noise_strength * GAIN)).type_as(y)
        return F.leaky_relu(y, 0.2)


class ToPicture(nn.Module):
    """Modulated 1x1 convolution to the channels of a picture, not demodulated, plus bias."""

    def __init__(self, inputs: int, channels: int, latent_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(inputs, channels, 1, latent_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        picture: Tensor = self.conv(x, w)[0] + self.bias[:, None, None]
        return picture


class Synthesis(nn.Module):
    """A learned constant, one styled convolution at the base grid, two per doubling, pictures of all levels summed.

    Layer i reads w[:, i]; the picture of a level reads the w of the layer that follows it (the authors' convention), so
    there are `num_layers` = convolutions + 1 of them, 18 at 1024 pixels. `noise_shapes` are the (rows, columns) of the
    noise that each convolution takes.
    """

    def __init__(
        self, latent_dim: int, channels: int, resolution: int | Sequence[int], channel_base: int, channel_max: int
    ) -> None:
        super().__init__()
        widths = level_widths(resolution, channel_base, channel_max)
        self.resolution, grid = resolution, base_grid(resolution, len(widths) - 1)
        self.constant = nn.Parameter(nn.init.normal_(torch.empty(widths[0], *grid)))
        self.layers = nn.ModuleList([StyledConv(widths[0], widths[0], latent_dim, up=False)])
        for a, b in itertools.pairwise(widths):
            self.layers.extend([StyledConv(a, b, latent_dim, up=True), StyledConv(b, b, latent_dim, up=False)])
        self.to_picture = nn.ModuleList(ToPicture(width, channels, latent_dim) for width in widths)
        self.upsample = upsample()
        self.num_layers = len(self.layers) + 1
        levels = [(i + 1) // 2 for i in range(len(self.layers))]
        self.noise_shapes = tuple((grid[0] * 2**level, grid[1] * 2**level) for level in levels)

    def forward(self, w: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """Return pictures [N, C, H, W]; `noise` has [N, 1, rows, columns] for each convolution, None leaves it out."""
        styles = w.unbind(1) if w.dim() == 3 else [w] * self.num_layers
        h = self.constant.expand(len(w), -1, -1, -1)
        picture: Tensor | None = None
        for number, layer in enumerate(self.layers):
            h = layer(h, styles[number], None if noise is None else noise[number])
            if number % 2 == 0:
                new = self.to_picture[number // 2](h, styles[number + 1])
                picture = new if picture is None else self.upsample(picture) + new
        assert picture is not None
        return crop(picture, self.resolution)


class Generator(nn.Module):
    """Mapping and synthesis, and the running mean of w for truncation. 1024 pixels: 30,370,060 parameters."""

    w_average: Tensor

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        channel_base: int = 32_768,
        channel_max: int = 512,
        mapping_layers: int = 8,
        mapping_lr: float = 0.01,
        num_classes: int = 0,
        label_size: float = 1.0,
    ) -> None:
        super().__init__()
        self.mapping = Mapping(latent_dim, latent_dim, mapping_layers, num_classes, mapping_lr, label_size)
        self.synthesis = Synthesis(latent_dim, channels, resolution, channel_base, channel_max)
        self.register_buffer("w_average", torch.zeros(latent_dim))

    @torch.no_grad()
    def follow(self, w: Tensor, keep: float = 0.995) -> None:
        """Move the running mean of w towards the mean of w [N, latent_dim] (authors' code: .995 per batch)."""
        self.w_average.lerp_(w.float().mean(0), 1 - keep)

    def truncate(self, w: Tensor, truncation: float) -> Tensor:
        """Return w moved towards its mean: mean + truncation * (w - mean) (Karras 2019, appendix B)."""
        return w if truncation == 1 else torch.lerp(self.w_average.type_as(w), w, truncation)

    def forward(self, z: Tensor, y: Tensor | None = None, noise: Sequence[Tensor] | None = None) -> Tensor:
        pictures: Tensor = self.synthesis(self.mapping(z, y), noise)
        return pictures


class DownBlock(nn.Module):
    """3x3; FIR, 3x3 with stride 2; LeakyReLU(.2) * sqrt(2) after both; if `residual` plus FIR, 1x1, over sqrt(2)."""

    def __init__(self, inputs: int, outputs: int, residual: bool) -> None:
        super().__init__()
        gain = GAIN * sqrt(0.5) if residual else GAIN  # of the second activation
        self.conv0 = EqualisedConv2d(inputs, inputs, 3, weight_gain=GAIN, bias_gain=GAIN)
        self.blur = blur_before_halving()
        self.conv1 = EqualisedConv2d(inputs, outputs, 3, weight_gain=gain, bias_gain=gain, operation=halving)
        self.skip = EqualisedConv2d(inputs, outputs, 1, weight_gain=sqrt(0.5), bias=False) if residual else None
        self.downsample = downsample()

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.conv0(x), 0.2)
        h = F.leaky_relu(self.conv1(self.blur(h)), 0.2)
        return h if self.skip is None else h + self.skip(self.downsample(x))


class Discriminator(nn.Module):
    """1x1, a down block per doubling, minibatch deviation, 3x3, linear, one logit [N].

    1024 pixels: 29,012,513 parameters. With labels the last layer gives a vector whose inner product with the mapped
    label, over the root of its length, is the logit (StyleGAN2-ADA, after Miyato & Koyama 2018). residual=False is the
    plain D of its CIFAR-10 preset.
    """

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        channel_base: int = 32_768,
        channel_max: int = 512,
        group_size: int = 4,
        residual: bool = True,
        num_classes: int = 0,
        mapping_layers: int = 8,
        mapping_lr: float = 0.01,
    ) -> None:
        super().__init__()
        widths = level_widths(resolution, channel_base, channel_max)
        first, grid = widths[0], base_grid(resolution, len(widths) - 1)
        self.padding = even_padding(resolution, len(widths) - 1)
        self.from_picture = EqualisedConv2d(channels, widths[-1], 1, weight_gain=GAIN, bias_gain=GAIN)
        pairs = list(itertools.pairwise(widths))
        self.blocks = nn.ModuleList(DownBlock(b, a, residual) for a, b in reversed(pairs))
        self.deviation = MinibatchStd(group_size)
        self.conv = EqualisedConv2d(first + 1, first, 3, weight_gain=GAIN, bias_gain=GAIN)
        self.linear = EqualisedLinear(first * grid[0] * grid[1], first, weight_gain=GAIN, bias_gain=GAIN)
        self.logit = EqualisedLinear(first, first if num_classes else 1)
        self.mapping = Mapping(0, first, mapping_layers, num_classes, mapping_lr) if num_classes else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = F.leaky_relu(self.from_picture(F.pad(x, self.padding) if any(self.padding) else x), 0.2)
        for block in self.blocks:
            h = block(h)
        h = F.leaky_relu(self.conv(self.deviation(h)), 0.2)
        h = self.logit(F.leaky_relu(self.linear(h.permute(0, 2, 3, 1).flatten(1)), 0.2))
        if self.mapping is None:
            return h[:, 0]  # type: ignore[no-any-return]
        logits: Tensor = (h * self.mapping(None, y)).sum(1) / sqrt(h.shape[1])
        return logits
