"""How srgan makes its small, worn inputs from the pictures of the data: once by bicubic, or twice over at random."""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import torch
from torch import Tensor

from gantlet.layers.corruption import to_intensity, to_picture
from gantlet.layers.degradations import blur, detour, downscale, gaussian_kernels, jpeg, one_of, reductions
from gantlet.recipe import Draws

WIDTHS = ((0.2, 3.0), (0.2, 1.5))  # of the blur, in pixels, first and second time (Wang 2021, section 4.1)
GAUSSIAN = ((1.0, 30.0), (1.0, 25.0))  # of additive noise, in grey levels of 255
POISSON = ((0.05, 3.0), (0.05, 2.5))  # factor on the noise of 256 events at white
QUALITY = (30.0, 95.0)  # of JPEG
GREY = 0.4  # probability that all channels share their noise


def bicubic(image: Tensor, scale: int, draws: Draws) -> Tensor:
    """Return pictures in [-1, 1] at 1 / scale of their size by antialiased bicubic, clipped as a file clips them."""
    return downscale(image, scale).clamp(-1, 1)


def second_order(image: Tensor, scale: int, draws: Draws) -> Tensor:
    """Return pictures in [-1, 1] at 1 / scale of their size after blur, resize, noise and JPEG, twice.

    Real-ESRGAN (Wang et al., 2021, arXiv:2107.10833), section 3.1, per sample. A batch has one size, so the first
    resize goes down to .75, .5 or not at all and back; the second is the reduction by `scale`, by area, bilinear or
    bicubic. Left out: generalised Gaussian and sinc kernels, enlarging, sharpened targets, chroma subsampling.
    """
    with torch.autocast(image.device.type, enabled=False):  # three digits of bf16 are coarser than a grey level
        x = _blurred(to_intensity(image), 0, draws)
        x = one_of([x, detour(x, 0.75), detour(x, 0.5)], draws.uniform("resize0"))
        x = _compressed(_noisy(x, 0, draws), 0, draws)
        x = one_of(reductions(_blurred(x, 1, draws), scale), draws.uniform("resize1"))
        return to_picture(_compressed(_noisy(x, 1, draws), 1, draws))


def _between(draws: Draws, stream: str, ends: tuple[float, float]) -> Tensor:
    """Return a number per sample, uniform between two ends, [N]."""
    return ends[0] + (ends[1] - ends[0]) * draws.uniform(stream)


def _blurred(x: Tensor, order: int, draws: Draws) -> Tensor:
    """Return x blurred by a Gaussian of random widths and direction."""
    width, height = (_between(draws, f"blur_{axis}{order}", WIDTHS[order]) for axis in "xy")
    kernels = gaussian_kernels(width, height, pi * draws.uniform(f"blur_angle{order}"), 10 if order == 0 else 5)
    return blur(x, kernels)


def _noisy(x: Tensor, order: int, draws: Draws) -> Tensor:
    """Return x with Gaussian or Poisson noise, each half of the time, grey or in each channel by itself."""
    own = draws.normal(f"noise{order}", *x.shape[1:])
    grey = (draws.uniform(f"grey{order}") < GREY)[:, None, None, None]
    normal = torch.where(grey, own[:, :1], own)
    constant = (_between(draws, f"sigma{order}", GAUSSIAN[order]) / 255)[:, None, None, None]
    events = _between(draws, f"events{order}", POISSON[order])[:, None, None, None] * (x.clamp_min(0) / 256).sqrt()
    gaussian = (draws.uniform(f"kind{order}") < 0.5)[:, None, None, None]
    return x + torch.where(gaussian, constant, events) * normal


def _compressed(x: Tensor, order: int, draws: Draws) -> Tensor:
    """Return x as a JPEG file of random quality keeps it."""
    return jpeg(x, _between(draws, f"quality{order}", QUALITY))


Degradation = Callable[[Tensor, int, Draws], Tensor]
