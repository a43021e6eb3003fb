"""The history of pictures against a plain loop, whole and in parts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gantlet.layers.picture_pool import PicturePool


def slowly(size: int, x: Tensor, uniform: Tensor) -> tuple[list[float], list[float]]:
    """Return what is handed out and what is kept, one picture after the other."""
    kept: list[float] = []
    out: list[float] = []
    for value, (swap, which) in zip(x.tolist(), uniform.tolist(), strict=True):
        if len(kept) < size:
            kept.append(value)
            out.append(value)
        elif swap < 0.5:
            out.append(kept[int(which * size)])
            kept[int(which * size)] = value
        else:
            out.append(value)
    return out, kept


@pytest.mark.parametrize("parts", [[40], [20, 20], [1] * 40, [3, 30, 7]])
def test_it_is_the_plain_loop_whatever_the_parts(parts: list[int]) -> None:
    x, uniform = torch.arange(40.0), torch.rand(40, 2, generator=torch.Generator().manual_seed(3))
    pool = PicturePool(5, ())
    pairs = zip(x.split(parts), uniform.split(parts), strict=True)
    out = torch.cat([pool(a, u) for a, u in pairs])
    wanted, kept = slowly(5, x, uniform)
    assert out.tolist() == wanted
    assert pool.pictures.tolist() == kept
    assert int(pool.seen) == 40
    assert wanted != x.tolist()


def test_about_half_of_what_a_full_pool_hands_out_is_old() -> None:
    pool = PicturePool(50, (1, 2, 2))
    numbers = torch.arange(2000.0).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    uniform = torch.rand(2000, 2, generator=torch.Generator().manual_seed(0))
    out = torch.cat([pool(a, u) for a, u in zip(numbers.split(20), uniform.split(20), strict=True)])
    assert float((out != numbers)[50:].float().mean()) == pytest.approx(0.5, abs=0.04)


def test_without_a_pool_pictures_pass() -> None:
    x = torch.rand(3, 1, 2, 2)
    assert torch.equal(PicturePool(0, (1, 2, 2))(x, torch.zeros(3, 2)), x)


def test_it_keeps_float32_and_no_graph() -> None:
    pool = PicturePool(2, (1,))
    out = pool(torch.ones(2, 1, dtype=torch.bfloat16, requires_grad=True), torch.zeros(2, 2))
    assert (out.dtype, out.requires_grad, pool.pictures.dtype) == (torch.float32, False, torch.float32)
    assert sorted(pool.state_dict()) == ["pictures", "seen"]
