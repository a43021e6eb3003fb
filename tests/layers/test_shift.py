"""Maps moved as a whole."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from gantlet.layers.shift import shift

X = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5).float()


def test_whole_pixels_are_moved_down_and_to_the_right_and_zeros_come_in() -> None:
    moved = shift(X, torch.tensor([[1 / 4, 2 / 5], [0.0, 0.0]]))
    torch.testing.assert_close(moved[0], F.pad(X[0], (2, 0, 1, 0))[:, :4, :5])
    torch.testing.assert_close(moved[1], X[1])


def test_half_a_pixel_is_the_mean_of_two() -> None:
    row = torch.tensor([[[[0.0, 2, 6, 8]]]])
    torch.testing.assert_close(shift(row, torch.tensor([[0.0, 1 / 8]])).flatten(), torch.tensor([0.0, 1, 4, 7]))


def test_it_has_a_gradient_in_the_maps_and_in_the_way() -> None:
    x = torch.rand(1, 1, 4, 4, requires_grad=True)
    by = torch.tensor([[0.11, -0.07]], requires_grad=True)
    shift(x, by).square().sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert by.grad is not None
    for direction in range(2):
        step = torch.zeros(1, 2)
        step[0, direction] = 1e-3
        with torch.no_grad():
            slope = (shift(x, by + step).square().sum() - shift(x, by - step).square().sum()) / 2e-3
        torch.testing.assert_close(by.grad[0, direction], slope, rtol=2e-2, atol=2e-2)
