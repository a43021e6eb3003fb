"""A mend for convolutions in bf16 on processors: gradients of kernels that reach beyond a small map on both sides.

PyTorch 2.13 with AVX-512 computes them wrongly. Some taps of a kernel never meet a cell of the map; their gradient is
0, but is left unwritten: NaN, infinity or, worse, any number, at random, and in three dimensions it may even write
where other things lie. Measured over some 20,000 sizes: wrong are just the strided convolutions that leave one column
(transposed ones: read one), and the convolutions in three dimensions whose maps are no deeper than the padding before
and behind together. In single precision all are right, and maps so small cost next to nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

STRAIGHT = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def mend(network: nn.Module) -> None:
    """Let the convolutions of a network that learns in bf16 on a processor take small maps in single precision."""
    for module in network.modules():
        if isinstance(module, (*STRAIGHT, *TRANSPOSED)) and (module.stride[-1] > 1 or len(module.stride) == 3):
            module.register_forward_hook(_in_single_precision)


def _in_single_precision(layer: Any, given: tuple[Any, ...], out: Tensor) -> Tensor | None:
    if out.dtype != torch.bfloat16 or not torch.is_grad_enabled():
        return None
    small = given[0] if isinstance(layer, TRANSPOSED) else out  # the map that has a cell for each place of the kernel
    one_column = small.shape[-1] == 1 and layer.stride[-1] > 1
    if not one_column and (small.dim() < 5 or small.shape[2] > 2 * _padding(layer)):
        return None
    with torch.autocast("cpu", enabled=False):
        again: Tensor = layer.forward(given[0].float(), *given[1:])
    return again.to(out.dtype)


def _padding(layer: Any) -> int:
    """Return how many cells are added before a map's depth, at most."""
    return int(layer.kernel_size[0]) - 1 if isinstance(layer.padding, str) else int(layer.padding[0])
