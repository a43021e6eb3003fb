"""Layers of a built D, found and made wider: the first for packing, the last for what compares samples."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gantlet.layers.picture_conv import PictureConv2d
from gantlet.layers.spectral_norm import SpectralNorm, spectral_norm

Layer = nn.Conv2d | nn.Linear


def last_layer(D: nn.Module) -> Layer:
    """Return the layer that gives the logit: the last with one output. Raises ValueError if there is none."""
    found = [m for m in D.modules() if isinstance(m, nn.Linear | nn.Conv2d) and outputs(m) == 1]
    if not found:
        raise ValueError("it needs a D that ends in a Linear or Conv2d with one output")
    return found[-1]


def outputs(layer: Layer) -> int:
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def first_layers(D: nn.Module, channels: int, numbers: int) -> list[Layer]:
    """Return the layers that read pictures of so many channels (and numbers in all): convolutions, or else one Linear.

    A residual block has two, its convolution and its shortcut. Raises ValueError if there is none.
    """
    convolutions: list[Layer] = [m for m in D.modules() if isinstance(m, nn.Conv2d)]
    if convolutions:
        found = [m for m in convolutions if inputs(m) == channels]
    else:
        linear: list[Layer] = [m for m in D.modules() if isinstance(m, nn.Linear)]
        found = [m for m in linear[:1] if inputs(m) >= numbers]  # a label may be appended to the pixels
    if not found:
        raise ValueError(f"it needs a D whose first layer is a Conv2d of {channels} channels, or a Linear")
    return found


def inputs(layer: Layer) -> int:
    return layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels


def widen(layer: Layer, more: int) -> None:
    """Give a layer more inputs: its own weights stay, new ones are drawn from among them.

    Drawing from the old weights gives the new ones the same distribution, whatever initialised them. Spectral norm
    is put on anew. Raises ValueError for a layer of another kind, or one that other code changes.
    """
    spectral = parametrize.is_parametrized(layer)
    kind = type(layer).__mro__[1] if spectral else type(layer)
    known = kind in (nn.Linear, nn.Conv2d, PictureConv2d) and getattr(layer, "groups", 1) == 1
    if not known or (spectral and not isinstance(parametrization(layer), SpectralNorm)):
        raise ValueError(f"it cannot widen a layer of D of its own kind ({type(layer).__name__})")
    if spectral:
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    weight = layer.weight.detach()
    drawn = weight.flatten()[torch.randint(weight.numel(), (len(weight), more, *weight.shape[2:]))]
    layer.weight = nn.Parameter(torch.cat([weight, drawn], dim=1))
    if isinstance(layer, nn.Linear):
        layer.in_features += more
    else:
        layer.in_channels += more
    if spectral:
        spectral_norm(layer)


def parametrization(layer: nn.Module) -> nn.Module:
    """Return what the weight of a parametrised layer goes through."""
    found: nn.Module = layer.parametrizations.weight[0]  # type: ignore[union-attr,index,assignment]
    return found


def exchange(root: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put `new` where `old` is. Raises ValueError if it is `root` itself."""
    for module in root.modules():
        for name, child in module.named_children():
            if child is old:
                setattr(module, name, new)
                return
    raise ValueError("it cannot exchange a D that is a single layer")


def shuffled(network: nn.Module) -> None:
    """Put the entries of every weight in another order: other initial weights of the same distribution."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                order = torch.randperm(parameter.numel())
                parameter.copy_(parameter.flatten()[order].view_as(parameter))
        for module in network.modules():
            if isinstance(module, parametrize.ParametrizationList) and isinstance(module[0], SpectralNorm):
                original = module.original
                assert isinstance(original, Tensor)
                module[0].iterate(original, 15)
