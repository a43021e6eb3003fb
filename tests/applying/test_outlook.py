"""What tiles of a picture with holes learn of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.applying.outlook import outlook
from gantlet.layers.smooth_fill import smooth_fill


def prepare(pixels: NDArray[Any]) -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def fill(inputs: Tensor, mask: Tensor) -> Tensor:
    return smooth_fill(inputs, mask)


@pytest.mark.parametrize("size", [(300, 200), (97, 640), (64, 64), (1, 700)])
def test_the_whole_is_made_small_filled_and_made_large(size: tuple[int, int]) -> None:
    y, x = np.mgrid[: size[0], : size[1]]
    pixels = ((y / size[0] + x / size[1]) - 1).astype(np.float32)[None, ..., None]
    mask = torch.zeros(1, 1, *size)
    mask[..., size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = 1
    seen: list[Tensor] = []

    def watched(inputs: Tensor, mask: Tensor) -> Tensor:
        seen.append(inputs)
        assert inputs.shape[2:] == mask.shape[2:]
        return fill(inputs, mask)

    hidden = np.where(mask[0, 0].numpy()[None, ..., None] > 0.5, np.float32("nan"), pixels)
    made = outlook(watched, hidden, mask, prepare, 64)
    assert made.shape == (1, 1, *size)
    assert max(seen[0].shape[2:]) <= 64
    assert torch.isfinite(made).all()
    off = (made[0, 0].float() - torch.from_numpy(pixels[0, ..., 0])).abs()
    assert off.mean() < 0.05
    assert off.max() < 0.35


def test_blocks_are_the_mean_of_what_is_known_in_them() -> None:
    pixels = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 0, 0] = mask[..., 2:, 2:] = 1
    seen: dict[str, Tensor] = {}

    def watched(inputs: Tensor, mask: Tensor) -> Tensor:
        seen.update(inputs=inputs, mask=mask)
        return inputs

    outlook(watched, pixels, mask, prepare, 2)
    assert torch.allclose(seen["inputs"][0, 0], torch.tensor([[10 / 3, 4.5], [10.5, 0.0]]))
    assert seen["mask"][0, 0].tolist() == [[0, 0], [0, 1]]
