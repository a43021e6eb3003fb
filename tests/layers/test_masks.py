"""Masks: values 0 and 1, sizes as promised, shapes against a slow reference, sample by sample."""

from __future__ import annotations

import itertools
from math import cos, hypot, pi, sin

import pytest
import torch
from torch import Tensor

from gantlet.layers import masks


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(32, 32), (20, 48), (8, 8)])
def test_every_kind_gives_holes_and_something_known(size: tuple[int, int]) -> None:
    made = {
        "rectangles": masks.rectangles(uniform(64, 2, 4), *size),
        "strokes": masks.strokes(uniform(64, 4, 10, 3), *size),
        "dots": masks.dots(uniform(64, 1, 16, 16), *size),
        "lettering": masks.lettering(uniform(64, 1, 16, 16), *size),
        "half": masks.half(uniform(64), *size),
    }
    for kind, mask in made.items():
        assert mask.shape == (64, 1, *size), kind
        assert mask.dtype == torch.float32
        assert set(mask.unique().tolist()) == {0.0, 1.0}
        share = mask.mean((1, 2, 3))
        assert 0.05 < float(share.mean()) < 0.7, (kind, share.mean())


def test_a_mask_depends_on_its_own_numbers_alone() -> None:
    numbers = uniform(6, 4, 10, 3)
    whole = masks.strokes(numbers, 24, 30)
    assert torch.equal(whole[2:4], masks.strokes(numbers[2:4], 24, 30))
    assert not torch.equal(whole[0], whole[1])
    boxes = uniform(6, 2, 4)
    assert torch.equal(masks.rectangles(boxes, 24, 30)[4:], masks.rectangles(boxes[4:], 24, 30))


def test_rectangles_by_hand() -> None:
    """Sides .2 + .3 u of the shorter side, the corner among all that fit: the last one at u just below 1."""
    mask = masks.rectangles(torch.tensor([[[0.0, 1.0, 0.0, 0.999]]]), 10, 20)
    expected = torch.zeros(10, 20)
    expected[0:2, 15:20] = 1  # 2 x 5 in 10 x 20: top 0 of 0..8, left 15 of 0..15
    assert torch.equal(mask[0, 0], expected)
    both = masks.rectangles(torch.tensor([[[0.0, 1.0, 0.0, 0.999], [1.0, 0.0, 0.999, 0.0]]]), 10, 20)
    expected[5:10, 0:2] = 1
    assert torch.equal(both[0, 0], expected)


def slow_strokes(numbers: Tensor, height: int, width: int) -> Tensor:
    """Return one mask [H, W] of strokes [S, V, 3], pixel by pixel, with the words of the docstring."""
    mask = torch.zeros(height, width)
    for number, stroke in enumerate(numbers.tolist()):
        if number and stroke[2][2] >= 0.5:
            continue
        fold = lambda p, size: size - abs(p % (2 * size) - size)  # noqa: E731
        count = 4 + int(stroke[1][2] * (len(stroke) - 3))
        radius = (0.04 + 0.14 * stroke[0][2]) * min(height, width) / 2
        y, x = stroke[0][0] * height, stroke[0][1] * width
        points = [(fold(y, height), fold(x, width))]
        for i in range(1, count):
            turn = 2 * pi / 5 + (stroke[i][0] - 0.5) * 4 * pi / 15
            turn = 2 * pi - turn if i % 2 == 0 else turn
            step = stroke[i][1] * hypot(height, width) / 4
            y, x = y + step * sin(turn), x + step * cos(turn)
            points.append((fold(y, height), fold(x, width)))
        for (ay, ax), (by, bx) in itertools.pairwise(points):
            for row in range(height):
                for column in range(width):
                    py, px = row + 0.5 - ay, column + 0.5 - ax
                    length = max((by - ay) ** 2 + (bx - ax) ** 2, 1e-6)
                    t = min(max((py * (by - ay) + px * (bx - ax)) / length, 0), 1)
                    if hypot(py - t * (by - ay), px - t * (bx - ax)) <= radius:
                        mask[row, column] = 1
    return mask


def test_strokes_against_the_slow_reference() -> None:
    numbers = uniform(4, 3, 7, 3, seed=3)
    fast = masks.strokes(numbers, 18, 25)
    slow = torch.stack([slow_strokes(sample, 18, 25) for sample in numbers])[:, None]
    assert float((fast - slow).abs().mean()) < 0.002  # a pixel may lie on the edge


def test_half_takes_each_side() -> None:
    mask = masks.half(torch.tensor([0.0, 0.3, 0.6, 0.9]), 4, 6)
    assert mask.mean((1, 2, 3)).tolist() == [0.5] * 4
    assert [mask[0, 0, :2].min(), mask[1, 0, 2:].min(), mask[2, 0, :, :3].min(), mask[3, 0, :, 3:].min()] == [1] * 4


def test_dots_and_lettering_cover_their_share() -> None:
    assert float(masks.dots(uniform(200, 1, 16, 16), 32, 32, 0.2).mean()) == pytest.approx(0.2, abs=0.01)
    assert float(masks.lettering(uniform(400, 1, 20, 18), 40, 36, 0.5).mean()) == pytest.approx(0.25, abs=0.01)


def test_centre_and_composite() -> None:
    inputs, filling = torch.full((2, 3, 8, 12), -0.123456789), torch.ones(2, 3, 8, 12)
    mask = masks.centre(8, 12, 4, 6, inputs)
    assert torch.equal(mask[0, 0, 2:6, 3:9], torch.ones(4, 6))
    assert float(mask.sum()) == 24
    out = masks.composite(inputs, filling, mask)
    assert torch.equal(out[..., 2:6, 3:9], filling[..., 2:6, 3:9])
    assert torch.equal(out[:, :, :2], inputs[:, :, :2])


def test_one_of_follows_its_weights() -> None:
    kinds = [torch.full((2000, 1, 1, 1), float(k)) for k in range(3)]
    chosen = masks.one_of(kinds, [1.0, 0.0, 3.0], uniform(2000)).flatten()
    counts = [(chosen == k).float().mean().item() for k in range(3)]
    assert counts[1] == 0
    assert counts[2] == pytest.approx(0.75, abs=0.03)
