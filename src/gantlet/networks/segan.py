"""The networks of SEGAN (Pascual, Bonafonte & Serra, 2017), arXiv:1703.09452, section 3: one-dimensional, on waves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gantlet.layers.virtual_batch_norm import VirtualBatchNorm2d

WIDTHS = (16, 32, 32, 64, 64, 128, 128, 256, 256, 512, 1024)  # section 3
KERNEL = 31  # idem


class Generator(nn.Module):
    """Noisy waves [N, 1, T] and z [N, widths[-1], T / multiple] to clean waves [N, 1, T] in [-1, 1].

    Strided convolutions with PReLU down to the bottleneck, to which z is joined; transposed ones back, each beside the
    maps of its own size. T is a multiple of `multiple`.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, kernel: int = KERNEL, stride: int = 2) -> None:
        super().__init__()
        self.multiple, self.latent_dim = stride ** len(widths), widths[-1]
        padding = kernel // 2
        pairs = list(zip([1, *widths[:-1]], widths, strict=True))
        self.down = nn.ModuleList(nn.Conv1d(a, b, kernel, stride, padding) for a, b in pairs)
        self.up = nn.ModuleList(
            nn.ConvTranspose1d(2 * b, a, kernel, stride, padding, output_padding=stride - 1) for a, b in reversed(pairs)
        )
        self.down_slopes = nn.ModuleList(nn.PReLU(b) for _, b in pairs)
        self.up_slopes = nn.ModuleList(nn.PReLU(a) for a, _ in reversed(pairs[1:]))

    def forward(self, wave: Tensor, z: Tensor) -> Tensor:
        x, skips = wave, []
        for layer, activation in zip(self.down, self.down_slopes, strict=True):
            x = layer(x)
            skips.append(x)  # before the activation (authors' code)
            x = activation(x)
        x = torch.cat([x, z.type_as(x)], 1)
        for number, layer in enumerate(self.up[:-1]):
            x = self.up_slopes[number](layer(x))
            x = torch.cat([x, skips[-2 - number]], 1)
        return torch.tanh(self.up[-1](x))


class Discriminator(nn.Module):
    """Pairs [N, 2, T] of a wave and the noisy one it came from to logits [N]; T is `length`.

    The encoder's layers with virtual batch norm and leaky ReLU of .3; a convolution of width 1 to one map, and a linear
    layer over its positions. `reference` [R, 2, T] are the pairs that the norms take their statistics from.
    """

    def __init__(
        self, length: int, reference: int, widths: Sequence[int] = WIDTHS, kernel: int = KERNEL, stride: int = 2
    ) -> None:
        super().__init__()
        self.reference = reference
        pairs = zip([2, *widths[:-1]], widths, strict=True)
        self.layers = nn.ModuleList(nn.Conv1d(a, b, kernel, stride, kernel // 2) for a, b in pairs)
        self.norms = nn.ModuleList(VirtualBatchNorm2d(nn.BatchNorm2d(b), reference) for b in widths)
        self.activation = nn.LeakyReLU(0.3)
        self.squeeze = nn.Conv1d(widths[-1], 1, 1)
        self.logit = nn.Linear(length // stride ** len(widths), 1)

    def forward(self, pairs: Tensor, reference: Tensor) -> Tensor:
        x = torch.cat([reference.type_as(pairs), pairs])
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = self.activation(norm(layer(x)[:, :, None])[:, :, 0])
        logits: Tensor = self.logit(self.squeeze(x[self.reference :])[:, 0])[:, 0]
        return logits
