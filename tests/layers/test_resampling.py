"""Filters and fused boxes against definitions written as loops, and their second derivatives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradgradcheck

from gantlet.layers import resampling


def slow_upfirdn(x: Tensor, kernel: Tensor, up: int, down: int, padding: tuple[int, int, int, int]) -> Tensor:
    """Zeros between, zeros around (or a cut), a sum of products with the flipped kernel, every down-th number."""
    left, right, top, bottom = padding
    n, c, height, width = x.shape
    stuffed = torch.zeros(n, c, height * up, width * up, dtype=x.dtype)
    stuffed[..., ::up, ::up] = x
    padded = F.pad(stuffed, (max(left, 0), max(right, 0), max(top, 0), max(bottom, 0)))
    padded = padded[..., max(-top, 0) : padded.shape[-2] - max(-bottom, 0), :]
    padded = padded[..., max(-left, 0) : padded.shape[-1] - max(-right, 0)]
    size = kernel.shape[0]
    rows, columns = padded.shape[-2] - size + 1, padded.shape[-1] - size + 1
    out = torch.zeros(n, c, rows, columns, dtype=x.dtype)
    for i in range(rows):
        for j in range(columns):
            out[..., i, j] = (padded[..., i : i + size, j : j + size] * kernel.flip(0, 1)).sum((-2, -1))
    return out[..., ::down, ::down]


CASES = [
    (1, 1, (1, 1, 1, 1)), (1, 1, (2, 1, 0, 3)), (1, 2, (1, 1, 1, 1)), (1, 2, (2, 2, 2, 2)), (2, 1, (2, 1, 2, 1)),
    (2, 1, (3, 2, 3, 2)), (2, 1, (0, 0, 0, 0)), (2, 1, (4, 1, 2, 5)), (2, 2, (2, 1, 2, 1)), (3, 2, (2, 3, 1, 4)),
    (1, 1, (-1, 3, 3, -1)),
]  # fmt: skip


@pytest.mark.parametrize(("up", "down", "padding"), CASES)
def test_upfirdn_equals_its_definition(up: int, down: int, padding: tuple[int, int, int, int]) -> None:
    """With a kernel that is neither symmetric nor separable, so that a wrong flip or shift shows."""
    torch.manual_seed(0)
    x, kernel = torch.randn(2, 3, 5, 4), torch.randn(4, 4)
    wanted = slow_upfirdn(x, kernel, up, down, padding)
    torch.testing.assert_close(resampling.upfirdn(x, kernel, up, down, padding), wanted, rtol=1e-5, atol=1e-5)


def test_the_filter_is_a_normalised_outer_product_exact_in_bfloat16() -> None:
    kernel = resampling.filter_kernel()
    assert kernel[0].tolist() == [1 / 64, 3 / 64, 3 / 64, 1 / 64]
    assert kernel[1].tolist() == [3 / 64, 9 / 64, 9 / 64, 3 / 64]
    assert torch.equal(kernel.bfloat16().float(), kernel)


def test_layers_keep_the_level_of_a_flat_picture_and_have_the_promised_sizes() -> None:
    flat = torch.full((1, 2, 8, 6), 3.0)
    for layer, size in ((resampling.upsample(), (16, 12)), (resampling.downsample(), (4, 3))):
        out = layer(flat)
        assert out.shape[-2:] == size
        torch.testing.assert_close(out[..., 1:-1, 1:-1], torch.full_like(out[..., 1:-1, 1:-1], 3.0))
    assert resampling.blur_before_halving()(flat).shape[-2:] == (9, 7)
    assert resampling.blur_after_doubling()(torch.ones(1, 2, 9, 7)).shape[-2:] == (8, 6)
    assert list(resampling.upsample().state_dict()) == []  # a constant: no checkpoint holds it


def test_upsampling_is_bilinear_inside() -> None:
    """Zeros between the pixels, then [1, 3, 3, 1]: 3/4 and 1/4 of the two neighbours, as linear interpolation."""
    x = torch.randn(1, 2, 6, 5)
    wanted = F.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(resampling.upsample()(x)[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1])


@pytest.mark.parametrize("channels_last", [False, True])
def test_convolutions_that_change_the_size_equal_their_definitions(channels_last: bool) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 3, 6, 4), torch.randn(5, 3, 3, 3), torch.randn(5)
    if channels_last:
        x, weight = (t.contiguous(memory_format=torch.channels_last) for t in (x, weight))
    nearest = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), weight, bias, padding=1)
    torch.testing.assert_close(resampling.nearest_then_convolve(x, weight, bias), nearest, rtol=1e-4, atol=1e-4)
    pooled = F.avg_pool2d(F.conv2d(x, weight, bias, padding=1), 2)
    torch.testing.assert_close(resampling.convolve_then_pool(x, weight, bias), pooled, rtol=1e-4, atol=1e-4)
    # Doubling: zeros between, then the flipped kernel, at every position where it meets the picture.
    stuffed = torch.zeros(2, 3, 12, 8)
    stuffed[..., ::2, ::2] = x
    doubled = F.conv2d(F.pad(stuffed, (2, 1, 2, 1)), weight.flip(2, 3), bias)
    torch.testing.assert_close(resampling.doubling(x, weight, bias), doubled, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        resampling.halving(F.pad(x, (1, 0, 1, 0)), weight), F.conv2d(F.pad(x, (1, 0, 1, 0)), weight)[..., ::2, ::2]
    )


def test_filtered_doubling_and_halving_give_even_sizes_and_keep_a_flat_level() -> None:
    """A 3x3 kernel that sums to 1 on a flat picture: level 1 inside, before and after the filter's gain."""
    x, weight = torch.ones(1, 1, 8, 8), torch.full((1, 1, 3, 3), 1 / 9)
    up = resampling.blur_after_doubling()(resampling.doubling(x, weight))
    down = resampling.halving(resampling.blur_before_halving()(x), weight)
    assert up.shape[-2:] == (16, 16)
    assert down.shape[-2:] == (4, 4)
    torch.testing.assert_close(up[..., 3:-3, 3:-3], torch.ones(1, 1, 10, 10))
    torch.testing.assert_close(down[..., 1:-1, 1:-1], torch.ones(1, 1, 2, 2))


def test_enlarging_and_shrinking_undo_each_other() -> None:
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(resampling.enlarge(x, 1), x)
    torch.testing.assert_close(resampling.shrink(resampling.enlarge(x, 4), 4), x)


@pytest.mark.parametrize("name", ["upsample", "downsample", "blur_after_doubling", "blur_before_halving"])
def test_second_derivatives_of_filters(name: str) -> None:
    layer = getattr(resampling, name)().double()
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert gradgradcheck(lambda x: layer(x).pow(3), x)


@pytest.mark.parametrize("name", ["nearest_then_convolve", "convolve_then_pool", "doubling", "halving"])
def test_second_derivatives_of_convolutions(name: str) -> None:
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert gradgradcheck(getattr(resampling, name), (x, weight))


def test_a_single_pixel_by_hand() -> None:
    """Enlarged: 9/16 near, 3/16 beside, 1/16 across, in a 4x4 patch. Reduced: 9/64 of a pixel in the middle four."""
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 1, 1] = 16.0
    patch = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0]))
    torch.testing.assert_close(resampling.upsample()(x)[0, 0, 1:5, 1:5], patch)
    assert float(resampling.upsample()(x).sum()) == pytest.approx(64)
    torch.testing.assert_close(resampling.downsample()(x)[0, 0], torch.tensor([[2.25, 0.75], [0.75, 0.25]]))


@pytest.mark.parametrize("size", [(4, 6), (7, 5)])
def test_inside_enlarging_is_the_interpolation_of_torch(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    wanted = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(resampling.upsample()(x)[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1])
    assert float((resampling.upsample()(x) - wanted).abs().max()) > 0.01  # the border is another one


def test_reducing_is_the_121_filter_and_the_mean_of_four() -> None:
    x = torch.randn(2, 3, 6, 8)
    line = torch.tensor([1.0, 2.0, 1.0]) / 4
    smooth = F.conv2d(F.pad(x, (2, 2, 2, 2)), (line[:, None] * line).expand(3, 1, 3, 3), groups=3)
    wanted = F.avg_pool2d(smooth[..., 1:-1, 1:-1], 2)
    torch.testing.assert_close(resampling.downsample()(x)[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1])


@pytest.mark.parametrize("name", ["upsample", "downsample", "blur_after_doubling", "blur_before_halving"])
def test_on_a_processor_filters_in_bf16_are_rounded_once(name: str) -> None:
    layer, x = getattr(resampling, name)(), torch.randn(1, 2, 6, 6).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, layer(x.float()).bfloat16())
