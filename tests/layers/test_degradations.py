"""Degradations against Pillow, against hand-computed kernels, and sample by sample."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gantlet.layers import corruption, degradations


def picture(n: int, channels: int, height: int, width: int) -> Tensor:
    """Return smooth random pictures with intensities in [0, 1], whole grey levels of 255."""
    noise = torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(0))
    smooth = corruption.blur(noise, 2.0)
    smooth = (smooth - smooth.amin()) / (smooth.amax() - smooth.amin())
    return (smooth * 255).round() / 255


def of_pillow(x: Tensor) -> Image.Image:
    return Image.fromarray((x * 255).round().byte().permute(1, 2, 0).numpy())


def test_bicubic_is_that_of_pillow() -> None:
    """Pillow's bicubic has a = -1/2 and widens its filter; PyTorch without `antialias` does neither."""
    x = (0.25 + 0.5 * picture(1, 3, 24, 32)).mul(255).round() / 255  # no overshoot: Pillow clips between its passes
    small = np.asarray(of_pillow(x[0]).resize((8, 6), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    ours = degradations.downscale(x, 4)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours.clip(0, 1) - small).max() < 1.2 / 255
    large = np.asarray(of_pillow(x[0]).resize((64, 48), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    ours = degradations.upscale(x, 2)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours.clip(0, 1) - large).max() < 1.2 / 255


@pytest.mark.parametrize("quality", [30, 60, 95])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_that_of_pillow(quality: int, channels: int) -> None:
    x = picture(1, channels, 40, 29)
    image = of_pillow(x[0]) if channels == 3 else Image.fromarray((x[0, 0] * 255).round().byte().numpy())
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=0)
    theirs = np.asarray(Image.open(file), dtype=np.float32).reshape(40, 29, channels)
    ours = degradations.jpeg(x, torch.tensor([float(quality)]))[0].permute(1, 2, 0).numpy() * 255
    before = x[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(ours - theirs)[:40, :24].mean() < 0.5  # whole blocks: libjpeg rounds colours on the way
    assert np.abs(ours - theirs)[:40, :24].mean() < 0.6 * np.abs(before - theirs)[:40, :24].mean()


def test_jpeg_takes_a_quality_per_sample() -> None:
    x = picture(2, 3, 16, 16)
    both = degradations.jpeg(x, torch.tensor([20.0, 90.0]))
    alone = degradations.jpeg(x[1:], torch.tensor([90.0]))
    torch.testing.assert_close(both[1:], alone)
    assert (both[0] - x[0]).abs().mean() > 2 * (both[1] - x[1]).abs().mean()


def test_kernels_and_blur() -> None:
    wide, narrow = torch.tensor([2.0, 1.0, 2.0]), torch.tensor([2.0, 1.0, 0.5])
    kernels = degradations.gaussian_kernels(wide, narrow, torch.tensor([0.3, 0.0, torch.pi / 2]), 6)
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(3))
    offsets = torch.arange(-6, 7.0)
    variances = [
        ((k.sum(0) * offsets.square()).sum().item(), (k.sum(1) * offsets.square()).sum().item()) for k in kernels
    ]
    assert variances[1] == pytest.approx((1.0, 1.0), abs=0.01)  # across, down
    assert variances[2][1] > 10 * variances[2][0]  # a quarter turn: wide downwards
    x = picture(3, 2, 12, 15)
    blurred = degradations.blur(x, kernels)
    torch.testing.assert_close(blurred[1:2], corruption.blur(x[1:2], 1.0), rtol=0, atol=5e-3)  # cut at 3, here at 6
    torch.testing.assert_close(blurred[1:2], degradations.blur(x[1:2], kernels[1:2]))


def test_reductions_and_detour_keep_mean_and_size() -> None:
    x = picture(2, 3, 16, 24)
    for small in degradations.reductions(x, 4):
        assert small.shape == (2, 3, 4, 6)
        torch.testing.assert_close(small.mean((1, 2, 3)), x.mean((1, 2, 3)), rtol=0, atol=0.02)
    assert degradations.detour(x, 0.5).shape == x.shape
    assert degradations.detour(x, 0.5).std() < x.std()


def test_one_of_takes_all_kinds_equally() -> None:
    kinds = [torch.full((3, 1, 1, 1), float(k)) for k in range(3)]
    assert degradations.one_of(kinds, torch.tensor([0.0, 0.5, 0.99])).flatten().tolist() == [0, 1, 2]
