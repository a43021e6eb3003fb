"""What a measurement does to a picture: differentiable functions of intensities and of noise that is given.

Intensities are 0 at black and 1 at white, [N, C, H, W], and may lie outside: nothing is clipped here. `normal` holds
standard normal numbers, `uniform` numbers in [0, 1), both of the shape of the picture unless said otherwise.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def to_intensity(pictures: Tensor, black: float = -1.0, white: float = 1.0) -> Tensor:
    """Return the intensity of pictures whose values are `black` and `white` at its ends."""
    return (pictures - black) / (white - black)


def to_picture(intensity: Tensor, black: float = -1.0, white: float = 1.0) -> Tensor:
    """Return pictures of intensities: the inverse of `to_intensity`."""
    return intensity * (white - black) + black


def gaussian(x: Tensor, sigma: float, normal: Tensor) -> Tensor:
    """Return x + sigma n: the noise of electronics."""
    return x + sigma * normal


def poisson(x: Tensor, events: float, normal: Tensor) -> Tensor:
    """Return counts of `events` per pixel at white, as intensities: x + sqrt(x / events) n.

    The normal approximation of Poisson(events x) / events, reparametrised (Kaneko & Harada 2020): mean and variance
    are exact, fewer than about five events in a pixel are not. The root is taken of x + 1e-4: its slope at 0 is
    infinite.
    """
    return x + ((x.clamp_min(0) + 1e-4) / events).sqrt() * normal


def multiplicative(x: Tensor, sigma: float, normal: Tensor) -> Tensor:
    """Return x (1 + sigma n)."""
    return x * (1 + sigma * normal)


def speckle(x: Tensor, uniform: Tensor) -> Tensor:
    """Return x times the mean of L exponential numbers, as coherent light and radar have it (L looks).

    `uniform` [N, L, C, H, W]. Goodman, 1976: intensity of fully developed speckle; its contrast is 1 / sqrt(L).
    """
    return x * -torch.log1p(-uniform).mean(1)


def salt_and_pepper(x: Tensor, share: float, uniform: Tensor) -> Tensor:
    """Return x with `share` of the values replaced, half of them by black and half by white."""
    salted = torch.where(uniform >= 1 - share / 2, torch.ones_like(x), x)
    return torch.where(uniform < share / 2, torch.zeros_like(x), salted)


def mask(x: Tensor, share: float, uniform: Tensor) -> Tensor:
    """Return x with `share` of the pixels black (Block-Pixels of Bora 2018). `uniform` [N, 1, H, W]."""
    return x * (uniform >= share)


def blur(x: Tensor, sigma: float) -> Tensor:
    """Return x convolved with a Gaussian of `sigma` pixels, cut at three sigma; borders are repeated outwards."""
    radius = max(int(3 * sigma + 0.5), 1)
    offsets = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma).square())
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, -1)
    padded = F.pad(x, (radius, radius, radius, radius), mode="replicate")
    across = F.conv2d(padded, kernel[:, :, None, :], groups=x.shape[1])
    return F.conv2d(across, kernel[:, :, :, None], groups=x.shape[1])


def rotate(x: Tensor, uniform: Tensor) -> Tensor:
    """Return each picture turned by a random multiple of 90 degrees (180 where it is not square). `uniform` [N]."""
    quarters = [torch.rot90(x, turn, (2, 3)) for turn in ((0, 1, 2, 3) if x.shape[2] == x.shape[3] else (0, 2))]
    chosen = (uniform * len(quarters)).long()
    turned: Tensor = torch.stack(quarters)[chosen, torch.arange(len(x), device=x.device)]
    return turned


def shuffle_channels(x: Tensor, uniform: Tensor) -> Tensor:
    """Return each picture with its channels in a random order. `uniform` [N, C]."""
    order = uniform.argsort(1)[:, :, None, None]
    return x.gather(1, order.expand_as(x))


def invert_channels(x: Tensor, uniform: Tensor) -> Tensor:
    """Return x with the sign of each channel of each picture turned over or not, at random. `uniform` [N, C]."""
    return torch.where((uniform < 0.5)[:, :, None, None], -x, x)
