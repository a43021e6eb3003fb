"""Bilinear changes of size: hand-computed values, torch's interpolation inside, transposes of each other, gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradgradcheck

from gantlet.layers.resampling_bilinear import BilinearDown, BilinearUp, bilinear_kernel


def test_the_kernel_is_121_with_11() -> None:
    by_hand = torch.tensor([1.0, 3.0, 3.0, 1.0])  # [1, 2, 1] convolved with [1, 1]
    torch.testing.assert_close(bilinear_kernel()[0, 0], torch.outer(by_hand, by_hand) / 64)
    assert torch.equal(bilinear_kernel().bfloat16().float(), bilinear_kernel())


def test_a_single_pixel_by_hand() -> None:
    """Enlarged: 9/16 near, 3/16 beside, 1/16 across, in a 4x4 patch. Reduced: 9/64 of a pixel in the middle four."""
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 1, 1] = 16.0
    patch = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0]))
    torch.testing.assert_close(BilinearUp()(x)[0, 0, 1:5, 1:5], patch)
    assert float(BilinearUp()(x).sum()) == pytest.approx(64)
    torch.testing.assert_close(BilinearDown()(x)[0, 0], torch.tensor([[2.25, 0.75], [0.75, 0.25]]))


@pytest.mark.parametrize("size", [(4, 6), (7, 5)])
def test_inside_it_is_the_interpolation_of_torch(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    wanted = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(BilinearUp()(x)[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1])
    assert float((BilinearUp()(x) - wanted).abs().max()) > 0.01  # the border is another one


def test_reducing_is_the_121_filter_and_the_mean_of_four() -> None:
    x = torch.randn(2, 3, 6, 8)
    line = torch.tensor([1.0, 2.0, 1.0]) / 4
    smooth = F.conv2d(F.pad(x, (2, 2, 2, 2)), (line[:, None] * line).expand(3, 1, 3, 3), groups=3)
    wanted = F.avg_pool2d(smooth[..., 1:-1, 1:-1], 2)
    torch.testing.assert_close(BilinearDown()(x)[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1])


def test_one_is_the_transpose_of_the_other() -> None:
    x, y = torch.randn(1, 2, 4, 6), torch.randn(1, 2, 8, 12)
    torch.testing.assert_close((BilinearUp()(x) * y).sum(), 4 * (x * BilinearDown()(y)).sum(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [BilinearUp, BilinearDown])
def test_second_derivatives_and_no_state(layer: type[torch.nn.Module]) -> None:
    module = layer().double()
    assert gradgradcheck(lambda x: module(x).sin(), (torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True),))
    assert module.state_dict() == {}
