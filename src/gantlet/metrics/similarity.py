"""How like its reference a picture is: PSNR, SSIM and their kin. Every number has a definition that can be printed.

Pictures are [N, C, H, W]; `span` is the width of their range (2 for [-1, 1], 255 for 8 bits). Numbers are [N] float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.errors import UserError

ROWS = 256  # taken at once: large pictures need the memory
WINDOW, SIGMA, K1, K2 = 11, 1.5, 0.01, 0.03  # Wang, Bovik, Sheikh, Simoncelli 2004, section III.C


@dataclass(frozen=True)
class Protocol:
    """What PSNR and SSIM are taken of: all channels or BT.601 luma, and how much of the border is left out."""

    luma: bool = False
    crop: int = 0  # pixels of each border

    def lines(self, span: float, channels: int) -> list[str]:
        """Return the definitions of the numbers in words."""
        of = "Y of BT.601 (16 to 235)" if self.luma else f"{'RGB' if channels == 3 else 'all channels'} together"
        span = 255 if self.luma else span
        return [
            f"PSNR: 10 log10(range^2 / MSE), range {span:g}, {of}, border of {self.crop} left out",
            f"SSIM: Wang et al. 2004, Gaussian window {WINDOW} x {WINDOW} of sigma {SIGMA}, K1 {K1}, K2 {K2}, range "
            f"{span:g}, where the window fits, mean over channels and positions; {of}, border of {self.crop} left out",
        ]

    def of(self, pictures: Tensor, span: float, low: float = 0.0) -> tuple[Tensor, float]:
        """Return what is compared and its range, from pictures whose values go from `low` to `low + span`."""
        if self.luma:
            pictures, span = luma((pictures - low) / span), 255.0
        return crop_border(pictures, self.crop), span


def check_alike(pictures: Tensor, references: Tensor) -> None:
    """Raise UserError unless both are [N, C, H, W] of one shape."""
    if pictures.ndim != 4 or pictures.shape != references.shape or not pictures.numel():
        raise UserError(
            f"Pictures {list(pictures.shape)} and references {list(references.shape)} must have one shape [N, C, H, W]."
        )


def luma(rgb: Tensor) -> Tensor:
    """Return Y [N, 1, H, W] from 16 to 235 of RGB in [0, 1]: ITU-R BT.601 in studio range, as MATLAB's rgb2ycbcr.

    The literature of super-resolution measures on this Y, with a range of 255. Raises UserError for other channels.
    """
    if rgb.shape[1] != 3:
        raise UserError(f"Luma is taken of RGB, not of {rgb.shape[1]} channels.")
    red, green, blue = rgb.unbind(1)
    return (16 + 65.481 * red + 128.553 * green + 24.966 * blue)[:, None]


def crop_border(pictures: Tensor, border: int) -> Tensor:
    """Return pictures without `border` pixels on each side; UserError if nothing would be left."""
    if border < 0 or 2 * border >= min(pictures.shape[-2:]):
        raise UserError(f"A border of {border} leaves nothing of pictures {list(pictures.shape[-2:])}.")
    return pictures[..., border : pictures.shape[-2] - border, border : pictures.shape[-1] - border]


def psnr(pictures: Tensor, references: Tensor, span: float) -> Tensor:
    """Return 10 log10(span^2 / mean squared error) in decibels; infinite for equal pictures."""
    check_alike(pictures, references)
    return 10 * torch.log10(span**2 / _mean_error(torch.square, pictures, references))


def ssim(pictures: Tensor, references: Tensor, span: float) -> Tensor:
    """Return the structural similarity of Wang et al. 2004 (eq. 13), the mean over channels and positions.

    Moments are weighted by a normalised Gaussian window of 11 x 11 and sigma 1.5 without the correction N / (N - 1);
    positions count where the window lies within the picture. Raises UserError for sides below 11.
    """
    check_alike(pictures, references)
    if min(pictures.shape[-2:]) < WINDOW:
        raise UserError(f"SSIM needs sides of {WINDOW} pixels or more, not {list(pictures.shape[-2:])}.")
    c1, c2 = K1**2, K2**2
    # Variances do not change with the origin, and near 0 float32 loses least of them.
    shift = references.float().mean((2, 3), keepdim=True).flatten(0, 1)[:, None] / span
    height, width = pictures.shape[2] - WINDOW + 1, pictures.shape[3] - WINDOW + 1
    total = torch.zeros(pictures.shape[:2].numel(), dtype=torch.float64, device=pictures.device)
    for top in range(0, height, ROWS):
        rows = slice(top, min(top + ROWS, height) + WINDOW - 1)
        x, y = (each[:, :, rows].float().flatten(0, 1)[:, None] / span - shift for each in (pictures, references))
        mu_x, mu_y = _weighted(x), _weighted(y)
        spread = _weighted(x * x + y * y) - mu_x.square() - mu_y.square()
        shared = _weighted(x * y) - mu_x * mu_y
        mu_x, mu_y = mu_x + shift, mu_y + shift
        likeness = (2 * mu_x * mu_y + c1) / (mu_x.square() + mu_y.square() + c1)
        total += (likeness * (2 * shared + c2) / (spread + c2)).sum((1, 2, 3), dtype=torch.float64)
    return total.view(pictures.shape[:2]).mean(1) / (height * width)


def _weighted(values: Tensor) -> Tensor:
    """Return the mean of [N, 1, H, W] under the window at every place where it fits."""
    bell = [exp(-((place - WINDOW // 2) ** 2) / (2 * SIGMA**2)) for place in range(WINDOW)]
    for side in (3, 2):
        length = values.shape[side] - WINDOW + 1
        total = values.narrow(side, 0, length) * (bell[0] / sum(bell))
        for place in range(
            1, WINDOW
        ):  # sums of shifted pictures: several times the speed of a convolution of a channel
            total.add_(values.narrow(side, place, length), alpha=bell[place] / sum(bell))
        values = total
    return values


def hole_psnr(pictures: Tensor, references: Tensor, mask: Tensor, span: float) -> Tensor:
    """Return PSNR over the pixels where `mask` [N, 1, H, W] is 1; NaN without such."""
    check_alike(pictures, references)
    return 10 * torch.log10(span**2 / _mean_error(torch.square, pictures, references, mask))


def mean_absolute_error(pictures: Tensor, references: Tensor, mask: Tensor | None = None, unit: float = 1.0) -> Tensor:
    """Return the mean of |difference| times `unit`, over the pixels where `mask` [N, 1, H, W] is 1 if there is one.

    With pictures in [-1, 1] and `unit` half the width of the intensity window it is in physical units (Hounsfield).
    """
    check_alike(pictures, references)
    return unit * _mean_error(torch.abs, pictures, references, mask)


def _mean_error(
    size: Callable[[Tensor], Tensor], pictures: Tensor, references: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Return the mean size of the differences of each picture, over the pixels inside the mask if there is one."""
    if mask is None:
        mask = torch.ones_like(pictures[:1, :1], dtype=torch.bool)
    total = torch.zeros(len(pictures), dtype=torch.float64, device=pictures.device)
    count = total.clone()
    for parts in zip(*(torch.split(each, ROWS, 2) for each in (pictures, references, mask))):
        inside = (parts[2] > 0.5).expand(len(pictures), -1, -1, -1)
        errors = torch.where(inside, size(parts[0].float() - parts[1].float()), 0.0)
        total += errors.sum((1, 2, 3), dtype=torch.float64)
        count += inside.sum((1, 2, 3)) * pictures.shape[1]
    return total / count


def edge_spectrum_distance(pictures: Tensor, references: Tensor, span: float, cutoff: float = 0.25) -> Tensor:
    """Return the distance of the power spectra of fine detail: sum |log S - log R| / sum log R over radii.

    S and R are 1 + the periodogram (|FFT|^2 / pixels of the picture in 256 grey levels, minus its mean, times a Hann
    window), averaged over channels and over rings one frequency step wide, of radii from `cutoff` to 1 times Nyquist.
    0 means as much detail at each scale; blur and noise both raise it. It does not ask where the detail lies.
    Raises UserError for sides below 8.
    """
    check_alike(pictures, references)
    height, width = pictures.shape[-2:]
    if min(height, width) < 8:
        raise UserError(f"A spectrum needs sides of 8 pixels or more, not {height} x {width}.")
    device = pictures.device
    radius = torch.hypot(torch.fft.fftfreq(height, device=device)[:, None], torch.fft.rfftfreq(width, device=device))
    rings = (radius * min(height, width)).round().long()  # ring k: k periods along the shorter side
    nyquist = min(height, width) // 2
    kept = torch.arange(int(nyquist * cutoff) or 1, nyquist + 1, device=device)
    window = torch.hann_window(height, False, device=device)[:, None] * torch.hann_window(width, False, device=device)

    def detail(images: Tensor) -> Tensor:
        grey = images.float() * (255 / span)
        spectrum = torch.fft.rfft2((grey - grey.mean((2, 3), keepdim=True)) * window).abs().double().square()
        power = (spectrum / (height * width)).mean(1).flatten(1)
        sums = power.new_zeros(len(images), int(rings.max()) + 1).index_add_(1, rings.flatten(), power)
        counts = torch.bincount(rings.flatten(), minlength=sums.shape[1])
        return torch.log1p(sums[:, kept] / counts[kept])

    made, wanted = detail(pictures), detail(references)
    return (made - wanted).abs().sum(1) / wanted.sum(1)


def boundary_f1(found: Tensor, wanted: Tensor, tolerance: float = 2.0) -> Tensor:
    """Return the F1 of boundary pixels [N, 1, H, W] (true or > 0.5): found ones within `tolerance` of a wanted one.

    Precision is the share of found pixels with a wanted one within the Euclidean distance, recall the reverse; both
    empty gives 1, one empty 0.
    """
    check_alike(found, wanted)
    reach = int(tolerance)
    steps = torch.arange(-reach, reach + 1, device=found.device, dtype=torch.float32)
    disk = (torch.hypot(steps[:, None], steps) <= tolerance).float()[None, None]
    first, second = (found > 0.5).float(), (wanted > 0.5).float()

    def share(inner: Tensor, outer: Tensor) -> Tensor:
        near = F.conv2d(outer, disk, padding=reach) > 0.5
        total = inner.sum((1, 2, 3), dtype=torch.float64)
        return (inner * near).sum((1, 2, 3), dtype=torch.float64) / total.clamp_min(1)

    precision, recall = share(first, second), share(second, first)
    score = 2 * precision * recall / (precision + recall).clamp_min(1e-12)
    neither = (first.sum((1, 2, 3)) + second.sum((1, 2, 3))) == 0
    return torch.where(neither, torch.ones_like(score), score)
