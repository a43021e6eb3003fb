"""Fully connected networks of the first GANs (Goodfellow 2014, Mirza & Osindero 2014)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.grid import height_width
from gantlet.layers.maxout import Maxout


def one_hot(y: Tensor, num_classes: int) -> Tensor:
    """Return y [N] as float one-hot rows [N, num_classes]."""
    return F.one_hot(y, num_classes).float()


class Generator(nn.Module):
    """z [N, latent_dim] (and y [N]) -> hidden layers -> picture [N, C, H, W] in [-1, 1].

    Without classes: Goodfellow 2014, 1200-1200 ReLU on MNIST. With classes the one-hot label has a hidden layer of its
    own and joins after the latent's: Mirza & Osindero 2014, section 4.1 (200 and 1000 into 1200).
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        hidden: tuple[int, int] = (1200, 1200),
        num_classes: int = 0,
        label_hidden: int = 1000,
        activation: Callable[[], nn.Module] = nn.ReLU,
        output: Callable[[Tensor], Tensor] = torch.tanh,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_classes, self.output = num_classes, output
        self.shape = (channels, *height_width(resolution))
        self.of_z = nn.Sequential(nn.Linear(latent_dim, hidden[0]), activation())
        self.of_y = nn.Sequential(nn.Linear(num_classes, label_hidden), activation()) if num_classes else None
        joint = hidden[0] + (label_hidden if num_classes else 0)
        self.joint = nn.Sequential(nn.Linear(joint, hidden[1]), activation(), nn.Linear(hidden[1], prod(self.shape)))
        self.dropout = nn.Dropout(dropout)  # of hidden units

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.of_z(z)
        if self.of_y is not None:
            assert y is not None
            h = torch.cat([h, self.of_y(one_hot(y, self.num_classes))], dim=1)
        linear, activation, last = self.joint
        h = self.dropout(activation(linear(self.dropout(h))))
        return self.output(last(h)).view(-1, *self.shape)


def sigmoid_output(h: Tensor) -> Tensor:
    """Return the paper's sigmoid picture in [0, 1], on the scale [-1, 1]."""
    return 2 * torch.sigmoid(h) - 1


class MaxoutDiscriminator(nn.Module):
    """x [N, C, H, W] (and y [N]) -> logits [N], maxout layers with dropout.

    Without classes: 240x5, 240x5 (goodfeli/adversarial `mnist.yaml`). With classes: x 240x5 and y 50x5 join in 240x4
    (Mirza & Osindero 2014). Dropout .5 on hidden units; inputs are kept with probability .8, which scales them by 1.25.
    Pictures are mapped to the paper's [0, 1]: at [-1, 1] the black background drives SGD at 0.1 to infinity.
    """

    def __init__(self, channels: int, resolution: int | Sequence[int], units: int = 240, num_classes: int = 0) -> None:
        super().__init__()
        self.num_classes = num_classes
        inputs = channels * prod(height_width(resolution))
        label_units = max(units * 50 // 240, 1) if num_classes else 0
        self.of_x = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), Maxout(inputs, units, 5), nn.Dropout(0.5))
        self.of_y = nn.Sequential(Maxout(num_classes, label_units, 5), nn.Dropout(0.5)) if num_classes else None
        self.joint = nn.Sequential(
            Maxout(units + label_units, units, 4 if num_classes else 5), nn.Dropout(0.5), nn.Linear(units, 1)
        )

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.of_x((x + 1) / 2)
        if self.of_y is not None:
            assert y is not None
            h = torch.cat([h, self.of_y(one_hot(y, self.num_classes))], dim=1)
        logits: Tensor = self.joint(h)
        return logits[:, 0]


class Discriminator(nn.Module):
    """x [N, C, H, W] (and y [N]) -> two LeakyReLU layers h -> logits [N] = psi(h) + <embed(y), h>: the plain form.

    Labels enter as a projection (Miyato & Koyama 2018): appended to 784 pixels as a one-hot row, G ignored them
    (docs/lab-log.md).
    """

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        hidden: tuple[int, int] = (512, 256),
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels * prod(height_width(resolution)), hidden[0]),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden[0], hidden[1]),
            nn.LeakyReLU(0.2),
        )
        self.logit = nn.Linear(hidden[1], 1)
        self.embedding = nn.Embedding(num_classes, hidden[1]) if num_classes else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.layers(x.flatten(1))
        logits: Tensor = self.logit(h)[:, 0]
        if self.embedding is not None:
            logits = logits + (self.embedding(y) * h).sum(1)
        return logits
