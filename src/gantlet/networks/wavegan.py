"""WaveGAN and SpecGAN: Adversarial Audio Synthesis (Donahue et al., 2018), arXiv:1802.04208, appendix D.

Shapes: z [N, latent_dim], y [N], sounds [N, C, T] or pictures [N, C, H, W] in [-1, 1]. Weights Glorot-uniform, biases
0, TensorFlow's defaults that the authors took. The paper has no labels: their embedding beside z and the projection in
D are ours, as in networks/cnn.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.phase_shuffle import PhaseShuffle
from gantlet.layers.projection import projected_logits
from gantlet.layers.sound_conv import SoundConv1d, SoundConvTranspose1d
from gantlet.networks.initialisation import WEIGHTED, weight_and_bias

WAVE, PICTURE = (25, 4), (5, 2)  # kernel, stride: 25 and 4 of a wave, 5x5 and 2x2 of a picture
NARROW = 16  # maps up to which a wave is convolved as a picture: at 64 that takes twice the time (docs/lab-log.md)


def glorot(module: nn.Module) -> None:
    """Draw weights Glorot-uniform, biases 0; the embedding of a label starts small (networks/cnn.py)."""
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, 0.0, 0.1)
    elif isinstance(module, (*WEIGHTED, nn.Conv1d, nn.ConvTranspose1d)):
        weight, bias = weight_and_bias(module)
        nn.init.xavier_uniform_(weight)
        if bias is not None:
            nn.init.zeros_(bias)


class Generator(nn.Module):
    """Linear to the base grid with `width` 2^(stages - 1) maps, transposed convolutions that halve them, ReLU, tanh.

    `sides` (samples,) or (height, width). With 5 stages, width 64 and (16384,) or (128, 128): the published networks.
    What the grid has too much is cut at the far end.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        sides: Sequence[int],
        width: int = 64,
        stages: int = 5,
        num_classes: int = 0,
        embedding_dim: int = 32,
    ) -> None:
        super().__init__()
        self.sides = tuple(sides)
        kernel, stride = WAVE if len(self.sides) == 1 else PICTURE
        wave = SoundConvTranspose1d if width <= NARROW else nn.ConvTranspose1d
        layer = wave if len(self.sides) == 1 else nn.ConvTranspose2d
        self.grid = [-(-side // stride**stages) for side in self.sides]
        widths = [width * 2**i for i in reversed(range(stages))]
        self.embedding = nn.Embedding(num_classes, embedding_dim) if num_classes else None
        inputs = latent_dim + (embedding_dim if num_classes else 0)
        self.project = nn.Linear(inputs, prod(self.grid) * widths[0])
        # Output `stride` times as long: 2 padding - output padding = kernel - stride.
        padding, extra = (kernel - stride + 1) // 2, (kernel - stride) % 2
        self.ups = nn.ModuleList(
            layer(a, b, kernel, stride, padding, extra) for a, b in itertools.pairwise([*widths, channels])
        )
        self.apply(glorot)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(y)], dim=1)
        h = self.project(z).unflatten(1, (-1, *self.grid))
        for up in self.ups:
            h = up(torch.relu(h))
        for dim, side in enumerate(self.sides, start=2):
            h = h.narrow(dim, 0, side)
        return torch.tanh(h)


class Discriminator(nn.Module):
    """Strided convolutions that double `width` maps, LeakyReLU(.2), one linear logit; no norm. Logits [N].

    `shuffle` n > 0 puts phase shuffle after all convolutions but the last. Sounds are padded with silence (0), pictures
    with their least value (-1), at the far end, to a size that halves evenly.
    """

    def __init__(
        self,
        channels: int,
        sides: Sequence[int],
        width: int = 64,
        stages: int = 5,
        shuffle: int = 0,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        kernel, stride = WAVE if len(sides) == 1 else PICTURE
        wave = SoundConv1d if width <= NARROW else nn.Conv1d
        conv = wave if len(sides) == 1 else nn.Conv2d
        grid = [-(-side // stride**stages) for side in sides]
        missing = [cells * stride**stages - side for cells, side in zip(grid, sides, strict=True)]
        self.padding = [cells for side in reversed(missing) for cells in (0, side)]
        self.least = 0.0 if len(sides) == 1 else -1.0
        layers: list[nn.Module] = []
        widths = [channels, *(width * 2**i for i in range(stages))]
        for number, (a, b) in enumerate(itertools.pairwise(widths), start=1):
            layers += [conv(a, b, kernel, stride, (kernel - stride + 1) // 2), nn.LeakyReLU(0.2)]
            layers += [PhaseShuffle(shuffle)] if shuffle and number < stages else []
        self.body = nn.Sequential(*layers)
        features = widths[-1] * prod(grid)
        self.logit = nn.Linear(features, 1)
        self.embedding = nn.Embedding(num_classes, features) if num_classes else None
        self.apply(glorot)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.body(F.pad(x, self.padding, value=self.least) if any(self.padding) else x).flatten(1)
        return projected_logits(h, y, self.logit, self.embedding)
