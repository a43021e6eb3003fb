"""What every metric asks of the features it is given, and products it can trust."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from gantlet.errors import UserError


def check_features(features: Tensor, name: str, *, minimum: int = 2) -> Tensor:
    """Return `features` detached, when they are [N, F] finite numbers with N >= `minimum` and F >= 1.

    Raises UserError that calls the set `name`.
    """
    if features.ndim != 2 or features.shape[1] < 1 or not features.is_floating_point():
        raise UserError(f"The {name} must be floats [N, F]; they are {features.dtype} {list(features.shape)}.")
    if features.shape[0] < minimum:
        raise UserError(f"{features.shape[0]} {name} are too few; this number needs at least {minimum}.")
    features = features.detach()
    if not bool(torch.isfinite(features).all()):
        raise UserError(f"The {name} hold NaN or infinite values, so no distance is defined.")
    return features


def check_pair(first: Tensor, second: Tensor) -> None:
    """Raise UserError unless both sets of features [N, F], [M, F] have the same F."""
    if first.shape[1] != second.shape[1]:
        raise UserError(
            f"The two sets have {first.shape[1]} and {second.shape[1]} features: "
            "extract both with the same network before comparing them."
        )


@contextmanager
def exact_products(device: torch.device) -> Iterator[None]:
    """Run matrix products in full float32 or float64, whatever a training has allowed (TF32, bf16, autocast)."""
    settings = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    allowed = [setting.fp32_precision for setting in settings]
    for setting in settings:
        setting.fp32_precision = "ieee"
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for setting, before in zip(settings, allowed):
            setting.fp32_precision = before
