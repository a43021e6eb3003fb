"""Statistics in float32 whatever the precision of the network around them."""

from __future__ import annotations

import torch
from torch import Tensor


def wide(x: Tensor) -> Tensor:
    """Return x in float32, or in float64 if it is that already."""
    return x if x.dtype == torch.float64 else x.float()


def single_on_processor(x: Tensor) -> bool:
    """Tell whether a processor computes with x in single precision; a norm would make weights anew if asked."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
