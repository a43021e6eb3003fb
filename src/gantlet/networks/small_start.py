"""Initial weights of pix2pix and CycleGAN, for pictures and volumes: a function to `Module.apply`."""

from __future__ import annotations

from torch import nn

from gantlet.layers.instance_norm import InstanceNorm
from gantlet.networks.initialisation import weight_and_bias

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def small_start(module: nn.Module) -> None:
    """Weights N(0, .02), biases 0, gains of norms N(1, .02): Isola 2017, section 6.2; Zhu 2017, section 7.1; code."""
    if isinstance(module, CONVOLUTIONS):
        weight, bias = weight_and_bias(module)
        nn.init.normal_(weight, 0.0, 0.02)
        if bias is not None:
            nn.init.zeros_(bias)
    elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d | InstanceNorm) and module.weight is not None:
        nn.init.normal_(module.weight, 1.0, 0.02)


def kept_start(module: nn.Module) -> None:
    """Weights that keep sizes through leaky ReLUs of slope .2 (He 2015, Eq. 15), biases 0: where there are no norms."""
    if isinstance(module, CONVOLUTIONS):
        weight, bias = weight_and_bias(module)
        nn.init.kaiming_normal_(weight, 0.2)
        if bias is not None:
            nn.init.zeros_(bias)
