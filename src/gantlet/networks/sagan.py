"""The networks of SAGAN (Zhang 2019, section 4 and authors' code): BigGAN's ancestors, and here its special case.

z goes into the first layer alone, each norm has a table per class, weights are Glorot-uniform; widths, blocks and
attention are those of `biggan.py` (128 pixels, ch 64: G 1024 to 64 maps, D 64 to 1024).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from gantlet.layers.conditional_norm import ConditionalBatchNorm2d
from gantlet.networks import biggan
from gantlet.networks.initialisation import WEIGHTED
from gantlet.networks.resnet import glorot


def initialise(module: nn.Module) -> None:
    """Draw weights Glorot-uniform, biases 0 (authors' code)."""
    if isinstance(module, WEIGHTED):
        glorot(module)


def generator(
    latent_dim: int,
    channels: int,
    resolution: int | Sequence[int],
    width: int = 64,
    num_classes: int = 0,
    attention: int = 32,
) -> biggan.Generator:
    """Return SAGAN's generator, without its spectral norm (on convolutions and the linear layer, not on tables)."""
    network = biggan.Generator(
        latent_dim,
        channels,
        resolution,
        width,
        num_classes,
        hierarchical=False,
        attention=attention,
        initialise=initialise,
    )
    for module in network.modules():
        if isinstance(module, ConditionalBatchNorm2d):
            nn.init.ones_(module.gain.weight)
            nn.init.zeros_(module.bias.weight)
    return network


def discriminator(
    channels: int, resolution: int | Sequence[int], width: int = 64, num_classes: int = 0, attention: int = 32
) -> biggan.Discriminator:
    """Return SAGAN's discriminator, without its spectral norm (on everything)."""
    return biggan.Discriminator(channels, resolution, width, num_classes, attention, initialise)
