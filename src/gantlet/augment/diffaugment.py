"""DiffAugment: Differentiable Augmentation for Data-Efficient GAN Training (Zhao et al., 2020), arXiv:2006.10738.

Every function takes pictures x [N, C, H, W] and changes each at random; ranges are those of the authors' code. Of clips
[N, C, T, H, W] all frames are changed alike (Skorokhodov et al., 2022, StyleGAN-V, section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gantlet.augment.sampling import exact, move


def brightness(x: Tensor) -> Tensor:
    """x + U(-.5, .5)."""
    return x + per_picture(x) - 0.5


def saturation(x: Tensor) -> Tensor:
    """Distance from grey times U(0, 2); one channel is grey already."""
    grey = x.mean(1, keepdim=True)
    return (x - grey) * (per_picture(x) * 2) + grey


def contrast(x: Tensor) -> Tensor:
    """Distance from the picture's mean times U(.5, 1.5)."""
    mean = x.mean(tuple(range(1, x.dim())), keepdim=True)
    return (x - mean) * (per_picture(x) + 0.5) + mean


def flip(x: Tensor) -> Tensor:
    """Mirrored left to right, every second picture on average."""
    return torch.where(per_picture(x) < 0.5, x.flip(-1), x)


def translation(x: Tensor, ratio: float = 0.125) -> Tensor:
    """Moved by whole pixels, up to `ratio` of each side in each direction; zeros come in."""
    height, width = x.shape[-2:]
    matrix = torch.eye(3, device=x.device).repeat(len(x), 1, 1)
    for axis, side in enumerate((width, height)):
        most = int(side * ratio + 0.5)
        matrix[:, axis, 2] = torch.randint(-most, most + 1, (len(x),), device=x.device).float()
    return move(x, matrix.to(x.dtype), "zeros")


def cutout(x: Tensor, ratio: float = 0.5) -> Tensor:
    """A rectangle of `ratio` of each side set to 0, its centre anywhere in the picture."""
    keep: Tensor | None = None
    for dimension in (-2, -1):
        side = x.shape[dimension]
        size = int(side * ratio + 0.5)
        first = torch.randint(0, side + (1 - size % 2), (len(x), 1), device=x.device) - size // 2
        place = torch.arange(side, device=x.device)
        outside = (place < first) | (place >= first + size)
        shape = [len(x)] + [1] * (x.dim() - 1)
        shape[dimension] = side
        keep = outside.view(shape) if keep is None else keep | outside.view(shape)
    assert keep is not None
    return x * keep.to(x.dtype)


POLICIES: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    "color": (brightness, saturation, contrast),
    "translation": (translation,),
    "cutout": (cutout,),
}


def diffaugment(x: Tensor, policy: str = "color,translation,cutout", probability: float = 1.0) -> Tensor:
    """Return pictures with the named families of augmentation applied, each picture with this probability."""
    x = changed = exact(x)
    with torch.autocast(x.device.type, enabled=False):
        for name in policy.split(","):
            for change in POLICIES[name]:
                changed = change(changed)
    return changed if probability >= 1 else torch.where(per_picture(x) < probability, changed, x)


def automatic(count: int) -> float:
    """Return the share of pictures to augment for a data set of `count`: .3 for few, 0 from 100,000 on.

    min(.5, (1e5 - n) 3e-6), the rule of lightweight-gan.
    """
    return min(0.5, max(100_000 - count, 0) * 3e-6)


def per_picture(x: Tensor) -> Tensor:
    """Return U(0, 1) numbers [N, 1, 1, 1], one per picture; [N, 1, 1, 1, 1], one per clip."""
    return torch.rand(len(x), *[1] * (x.dim() - 1), device=x.device, dtype=x.dtype)
