"""Minibatch standard deviation and pixel norm against slow loops and numbers worked out by hand."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import Tensor
from torch.autograd import gradgradcheck

from gantlet.layers.minibatch_std import MinibatchStd
from gantlet.layers.pixel_norm import pixel_norm


def slow(x: Tensor, group_size: int) -> Tensor:
    """Return what the layer appends, one number per sample, feature by feature."""
    numbers = []
    for start in range(0, len(x), group_size):
        group = x[start : start + group_size].double()
        deviations = [
            sqrt(float(group[:, c, i, j].var(unbiased=False)) + 1e-8)
            for c in range(x.shape[1])
            for i in range(x.shape[2])
            for j in range(x.shape[3])
        ]
        numbers += [sum(deviations) / len(deviations)] * len(group)
    return torch.tensor(numbers)


@pytest.mark.parametrize(("samples", "group_size"), [(8, 4), (4, 4), (2, 4), (6, 4), (7, 3), (1, 4)])
def test_deviation_equals_the_slow_loop(samples: int, group_size: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(samples, 3, 2, 4).contiguous(memory_format=torch.channels_last)
    out = MinibatchStd(group_size)(x)
    assert out.shape == (samples, 4, 2, 4)
    assert torch.equal(out[:, :3], x)
    torch.testing.assert_close(out[:, 3], slow(x, group_size)[:, None, None].expand(-1, 2, 4), rtol=1e-5, atol=1e-6)


def test_deviation_by_hand() -> None:
    """Samples -1 and 3 deviate by 2 from their mean; a sample alone by nothing."""
    x = torch.tensor([-1.0, 3.0, 5.0]).view(3, 1, 1, 1)
    assert MinibatchStd(2)(x)[:, 1, 0, 0].tolist() == pytest.approx([2, 2, 1e-4], rel=1e-4)


def test_groups_are_neighbours_so_that_parts_of_a_batch_give_what_the_whole_gives() -> None:
    x = torch.randn(12, 2, 3, 3)
    layer = MinibatchStd(4)
    torch.testing.assert_close(layer(x), torch.cat([layer(part) for part in x.split(4)]))


def test_deviation_is_computed_in_float32() -> None:
    x = (torch.randn(4, 8, 4, 4) + 100).bfloat16()
    out = MinibatchStd(4)(x)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out[:, -1].float(), slow(x, 4)[:, None, None].expand(-1, 4, 4), rtol=1e-2, atol=0)


def test_pixel_norm_divides_by_the_root_mean_square_over_features() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    root = sqrt(12.5)
    torch.testing.assert_close(pixel_norm(x), torch.tensor([[3 / root, 4 / root], [0, sqrt(2)]]))
    torch.manual_seed(0)
    maps = torch.randn(2, 5, 3, 4)
    slow_norm = torch.stack([m / m.square().mean(0).sqrt() for m in maps])
    torch.testing.assert_close(pixel_norm(maps), slow_norm)
    assert torch.isfinite(pixel_norm(torch.zeros(1, 4))).all()
    assert pixel_norm(maps.bfloat16()).dtype == torch.bfloat16


def test_second_derivatives() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 2, 2, 1, dtype=torch.float64, requires_grad=True)
    assert gradgradcheck(MinibatchStd(3), x)
    assert gradgradcheck(pixel_norm, x)
