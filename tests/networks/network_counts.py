"""Parameter counts of layers, as one works them out on paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def parameters(network: nn.Module) -> int:
    """Return how many trainable numbers a network has."""
    return sum(parameter.numel() for parameter in network.parameters())


def linear(inputs: int, outputs: int, bias: bool = True) -> int:
    return inputs * outputs + outputs * bias


def conv(inputs: int, outputs: int, kernel: int, bias: bool = True) -> int:
    return inputs * outputs * kernel**2 + outputs * bias


def batch_norm(channels: int) -> int:
    return 2 * channels


def shapes(network: nn.Module, kind: type[nn.Module], *inputs: Tensor) -> list[tuple[int, ...]]:
    """Return the output shapes, without the batch, of all modules of a kind in the order they run."""
    seen: list[tuple[int, ...]] = []
    hooks = [
        module.register_forward_hook(lambda module, inputs, out: seen.append(tuple(out.shape[1:])))
        for module in network.modules()
        if isinstance(module, kind)
    ]
    with torch.no_grad():
        network.eval()(*inputs)
    for hook in hooks:
        hook.remove()
    return seen
