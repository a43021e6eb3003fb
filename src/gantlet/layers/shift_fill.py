"""A filling of holes with what stands elsewhere in the same picture, without parameters.

The idea is that of He and Sun (2012), Statistics of Patch Offsets for Image Completion: a few shifts explain a picture
that repeats itself. Here all shifts count, each by how well the picture agrees with itself when moved by it; that
agreement is a masked correlation, and it and the filling are a few Fourier transforms (Padfield 2012, Masked Object
Registration in the Fourier Domain).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gantlet.layers.smooth_fill import smooth_fill

# Chosen on the photographs that benchmarks/restoration.py trains on: docs/lab-log.md, 2026-11-22.
OVERLAP = 0.4  # shifts count for which this share of the known pixels meets known pixels
NOISE = 0.03  # disagreement below which shifts count alike, as a share of the variance
POWER = 8.0  # a shift of half the disagreement counts 2^8 times as much
LEAST = 1e-5  # total weight below which no shift is any good: float32 knows nothing smaller
TRUST = 0.6  # disagreement at which the filling and the other one count alike


def self_fill(pictures: Tensor, mask: Tensor, guess: Tensor | None = None) -> Tensor:
    """Return pictures [N, C, H, W] filled by their own repeats as far as these agree, else by `guess`.

    `mask` [N, 1, H, W] is 1 in the hole; without a guess it is filled smoothly. Known pixels stay bit for bit.
    """
    other = smooth_fill(pictures, mask) if guess is None else torch.where(mask > 0.5, guess.type_as(pictures), pictures)
    filled, expected = shift_fill(pictures, mask, other)
    return torch.where(mask > 0.5, other + (filled - other) / (1 + (expected / TRUST).square()), pictures)


def shift_fill(pictures: Tensor, mask: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Return pictures [N, C, H, W] filled where `mask` [N, 1, H, W] is 1, and the disagreement [N, 1, H, W] expected.

    A pixel of the hole is the mean of the known pixels at all shifts s from it, weighted by (d(s) + NOISE)^-POWER,
    where d(s) is the mean squared difference of known pixels that are s apart, as a share of the variance: 0 for a
    period, about 2 for what has nothing in common. Where no good shift leads to a known pixel it is that of `other`,
    and the disagreement is 2. Known pixels stay bit for bit, and have a disagreement of 0.
    """
    height, width = mask.shape[2:]
    hole = mask > 0.5
    known = (~hole).float()
    count = known.sum((2, 3), keepdim=True).clamp_min(1.0)
    x = pictures.float().masked_fill(hole, 0.0)
    mean = x.sum((2, 3), keepdim=True) / count
    x = (x - mean) * known
    variance = (x.square().sum((1, 2, 3), keepdim=True) / count).clamp_min(1e-8)
    differs, meets = disagreement(x, known)
    differs = differs / variance
    weight = torch.where(meets >= OVERLAP * count, (differs + NOISE) ** -POWER, 0.0)
    weight[..., 0, 0] = 0.0  # a pixel is no evidence for itself
    weight = weight / weight.amax((2, 3), keepdim=True).clamp_min(1e-30)

    def gathered(kernel: Tensor, values: Tensor) -> Tensor:
        """Return the sum over s of kernel(s) values(x + s)."""
        both = _spectrum(kernel, weight.shape).conj() * _spectrum(values, weight.shape)
        return _back(both, weight.shape)[..., :height, :width]

    total = gathered(weight, known)
    found = hole & (total > LEAST)
    total = total.clamp_min(LEAST)
    filled = torch.where(found, gathered(weight, x) / total + mean, other.float()).type_as(pictures)
    expected = torch.where(found, gathered(weight * differs, known) / total, 2.0)
    return torch.where(hole, filled, pictures), expected.clamp(0.0, 2.0) * hole


def disagreement(x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean squared difference of known pixels that are s apart, and how many pairs, each [N, 1, 2H, 2W].

    `x` [N, C, H, W] is 0 where `known` [N, 1, H, W] is. Negative shifts are at the end, as in a Fourier transform. With
    k for known, the sum over x of k(x) k(x + s) (p(x) - p(x + s))^2 is (p^2 * k)(s) + (k * p^2)(s) - 2 (p * p)(s).
    """
    shape = (len(x), 1, 2 * x.shape[2], 2 * x.shape[3])
    k, squares, values = (_spectrum(each, shape) for each in (known, x.square().sum(1, keepdim=True), x))
    both = squares.conj() * k + k.conj() * squares
    meets = _back(k.conj() * k, shape).round()
    total = _back(both - 2 * (values.conj() * values).sum(1, keepdim=True), shape)
    return total.clamp_min(0.0) / meets.clamp_min(1.0), meets


def _spectrum(x: Tensor, shape: Sequence[int]) -> Tensor:
    found: Tensor = torch.fft.rfft2(x, s=tuple(shape[2:]))
    return found


def _back(x: Tensor, shape: Sequence[int]) -> Tensor:
    found: Tensor = torch.fft.irfft2(x, s=tuple(shape[2:]))
    return found
