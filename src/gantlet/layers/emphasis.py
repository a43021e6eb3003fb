"""Pre-emphasis of speech, a filter that levels its falling spectrum, and its inverse, on waves [N, C, T]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.layers.precision import wide


def emphasis(wave: Tensor, coefficient: float = 0.95) -> Tensor:
    """Return x(t) - a x(t - 1), where x is 0 before it begins."""
    return wave - coefficient * F.pad(wave, (1, -1))


def de_emphasis(wave: Tensor, coefficient: float = 0.95) -> Tensor:
    """Return y(t) = x(t) + a y(t - 1), the inverse of `emphasis`, exact to float32.

    The recursion is written out as a sum of doublings: (1 - a z)^-1 = (1 + a z)(1 + a^2 z^2)(1 + a^4 z^4) ..., up to
    where a^n is below 1e-12. Raises ValueError unless 0 <= a < 1.
    """
    if not 0 <= coefficient < 1:
        raise ValueError(f"de-emphasis takes a coefficient of at least 0 and below 1, not {coefficient}")
    with torch.autocast(wave.device.type, enabled=False):
        y, delay = wide(wave), 1
        while delay < y.shape[-1] and coefficient**delay > 1e-12:
            y, delay = y + coefficient**delay * F.pad(y, (delay, -delay)), 2 * delay
    return y
