"""The networks of InfoGAN (Chen et al. 2016, appendix C, Table 1), for any size.

Shapes: z [N, inputs] with noise and codes side by side, pictures [N, C, H, W] in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.grid import base_grid, even_padding, num_stages
from gantlet.networks import dcgan, initialisation


class Generator(nn.Module):
    """A fully connected layer with BN and ReLU, then DCGAN's generator: 74-1024-128x7x7-64x14x14-1x28x28 on MNIST.

    The norm after the second linear layer is per map; the authors' is per unit.
    """

    def __init__(
        self, inputs: int, channels: int, resolution: int | Sequence[int], width: int = 64, hidden: int = 1024
    ) -> None:
        super().__init__()
        self.hidden, self.norm = nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden)
        self.picture = dcgan.Generator(hidden, channels, resolution, width)
        initialisation.dcgan(self.hidden)

    def forward(self, z: Tensor) -> Tensor:
        pictures: Tensor = self.picture(torch.relu(self.norm(self.hidden(z))))
        return pictures


class Discriminator(nn.Module):
    """4x4 stride-2 convolutions, a hidden layer, then two heads: D's logit, and Q, which reads the codes off a picture.

    `forward` returns logits [N], class logits of the categorical code [N, codes] and means of the others
    [N, continuous]. BN but on the first layer, LeakyReLU(.1).
    """

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        codes: int,
        continuous: int,
        width: int = 64,
        hidden: int = 1024,
        q_hidden: int = 128,
    ) -> None:
        super().__init__()
        self.codes = codes
        stages = num_stages(resolution)
        grid, self.padding = base_grid(resolution, stages), even_padding(resolution, stages)
        self.body = dcgan.halving(channels, width, stages, nn.BatchNorm2d, slope=0.1)
        self.shared = fully_connected(width * 2 ** (stages - 1) * grid[0] * grid[1], hidden)
        self.logit = nn.Linear(hidden, 1)
        self.Q = nn.Sequential(*fully_connected(hidden, q_hidden), nn.Linear(q_hidden, codes + continuous))
        self.apply(initialisation.dcgan)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = self.body(F.pad(x, self.padding) if any(self.padding) else x)
        h = self.shared(maps.permute(0, 2, 3, 1).flatten(1))
        found = self.Q(h)
        return self.logit(h)[:, 0], found[:, : self.codes], found[:, self.codes :]


def fully_connected(inputs: int, outputs: int) -> nn.Sequential:
    """Return a linear layer with batch norm and LeakyReLU(.1)."""
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.LeakyReLU(0.1))
