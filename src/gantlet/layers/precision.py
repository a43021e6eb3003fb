"""Statistics in float32 whatever the precision of the network around them."""

from __future__ import annotations

import torch
from torch import Tensor


def wide(x: Tensor) -> Tensor:
    """Return x in float32, or in float64 if it is that already."""
    return x if x.dtype == torch.float64 else x.float()


def quick_on_processor(x: Tensor) -> bool:
    """Tell whether a processor computes with x in single precision or in bf16, with autocast or without."""
    return x.dtype in (torch.float32, torch.bfloat16) and x.device.type == "cpu"


def bf16_on_processor(x: Tensor) -> bool:
    """Tell whether a processor computes with x in bf16, by what x is or by autocast."""
    return x.device.type == "cpu" and (x.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu"))
