"""What happens to a picture on its way to a small, worn copy: pure functions, nothing drawn here.

Intensities are 0 at black and 1 at white, [N, C, H, W]; numbers per sample are [N].
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

# ITU-T T.81 (JPEG), tables K.1 and K.2.
LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # JFIF 1.02
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def downscale(x: Tensor, scale: int) -> Tensor:
    """Return x at 1 / scale of its size by antialiased bicubic (a = -1/2), as MATLAB's imresize and Pillow do it."""
    size = (x.shape[2] // scale, x.shape[3] // scale)
    return F.interpolate(x, size, mode="bicubic", antialias=True)


def upscale(x: Tensor, scale: int) -> Tensor:
    """Return x at `scale` times its size by bicubic.

    `antialias` changes nothing about enlarging but the cubic: a = -1/2, the bicubic of the published baselines;
    without it PyTorch takes a = -3/4.
    """
    size = (x.shape[2] * scale, x.shape[3] * scale)
    return F.interpolate(x, size, mode="bicubic", antialias=True)


def one_of(pictures: Sequence[Tensor], uniform: Tensor) -> Tensor:
    """Return for each sample one of several pictures, all equally likely. `uniform` [N]."""
    chosen = (uniform * len(pictures)).long()
    return torch.stack(list(pictures))[chosen, torch.arange(len(uniform), device=uniform.device)]


def gaussian_kernels(sigma_x: Tensor, sigma_y: Tensor, angle: Tensor, radius: int) -> Tensor:
    """Return Gaussian kernels [N, K, K], K = 2 radius + 1, of two widths in pixels, turned by `angle`; sum 1."""
    line = torch.arange(-radius, radius + 1, device=angle.device, dtype=angle.dtype)
    y, x = line[None, :, None], line[None, None, :]
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along, across = x * cosine + y * sine, y * cosine - x * sine
    power = (along / sigma_x[:, None, None]).square() + (across / sigma_y[:, None, None]).square()
    kernels = torch.exp(-0.5 * power)
    return kernels / kernels.sum((1, 2), keepdim=True)


def blur(x: Tensor, kernels: Tensor) -> Tensor:
    """Return each picture convolved with its own kernel [N, K, K]; borders are repeated outwards."""
    n, channels, height, width = x.shape
    radius = kernels.shape[-1] // 2
    padded = F.pad(x, (radius,) * 4, mode="replicate").reshape(1, n * channels, height + 2 * radius, -1)
    weight = kernels.repeat_interleave(channels, 0)[:, None]
    return F.conv2d(padded, weight, groups=n * channels).view(n, channels, height, width)


def detour(x: Tensor, scale: float) -> Tensor:
    """Return x made smaller by area and back by bilinear interpolation: the pixels of a worse camera."""
    size = (max(int(x.shape[2] * scale), 1), max(int(x.shape[3] * scale), 1))
    small = F.interpolate(x, size, mode="area")
    return F.interpolate(small, x.shape[2:], mode="bilinear", align_corners=False)


def reductions(x: Tensor, scale: int) -> list[Tensor]:
    """Return x at 1 / scale of its size by area, by antialiased bilinear and by antialiased bicubic."""
    size = (x.shape[2] // scale, x.shape[3] // scale)
    area = F.interpolate(x, size, mode="area")
    return [area, F.interpolate(x, size, mode="bilinear", antialias=True), downscale(x, scale)]


def jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """Return x as a JPEG file of `quality` [N] (1 to 100) keeps it, with full chroma (4:4:4); 0 to 1 afterwards.

    Whole grey levels, blocks of 8 x 8, discrete cosine transform, steps from the tables of ITU-T T.81 as libjpeg
    scales them. Three channels are taken for RGB, any other number for grey ones. No gradient passes the rounding.
    """
    channels, height, width = x.shape[1:]
    padded = F.pad((x.clamp(0, 1) * 255).round(), (0, -width % 8, 0, -height % 8), mode="replicate")
    colour = channels == 3
    values = torch.einsum("dc,nchw->ndhw", x.new_tensor(TO_YCBCR), padded).round() if colour else padded
    middle = x.new_tensor([128.0, 0.0, 0.0] if colour else [128.0] * channels)[:, None, None]
    rows, columns = padded.shape[2] // 8, padded.shape[3] // 8
    blocks = (values - middle).reshape(-1, channels, rows, 8, columns, 8)
    base = x.new_tensor([LUMINANCE, CHROMINANCE, CHROMINANCE] if colour else [LUMINANCE] * channels)
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)[:, None, None, None]
    steps = ((base * percent + 50) / 100).floor().clamp(1, 255)[:, :, None, :, None, :]
    transform = x.new_tensor(_cosines())
    coefficients = torch.einsum("ui,nciajb,vb->ncuajv", transform, blocks.transpose(2, 3), transform)
    kept = (coefficients / steps.transpose(2, 3)).round() * steps.transpose(2, 3)
    back = torch.einsum("ui,ncuajv,vb->nciajb", transform, kept, transform).transpose(2, 3)
    values = back.flatten(4, 5).flatten(2, 3) + middle
    if colour:
        values = torch.einsum("dc,nchw->ndhw", x.new_tensor(TO_RGB), values.round())
    return (values[:, :, :height, :width].round() / 255).clamp(0, 1)


def _cosines() -> list[list[float]]:
    """Return the 8 x 8 matrix of the orthonormal discrete cosine transform: frequency u, position i."""
    scale = [sqrt(1 / 8)] + [sqrt(2 / 8)] * 7
    return [[scale[u] * cos((2 * i + 1) * u * pi / 16) for i in range(8)] for u in range(8)]
