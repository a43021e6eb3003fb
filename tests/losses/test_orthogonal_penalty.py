"""Orthogonal regularisation: values and gradients by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gantlet.losses.penalties import orthogonal_penalty


def slow(weight: Tensor) -> Tensor:
    """Return the sum over pairs of different filters of their squared inner product."""
    rows = weight.flatten(1)
    pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j]
    return torch.stack([(rows[i] @ rows[j]).square() for i, j in pairs]).sum()


def test_two_filters() -> None:
    """<(1, 2), (3, 4)> = 11, counted twice; the lengths 5 and 25 on the diagonal do not count."""
    assert float(orthogonal_penalty([torch.tensor([[1.0, 2.0], [3.0, 4.0]])])) == 2 * 11**2


def test_more_filters_than_entries() -> None:
    """Rows 1, 2, 3: products 2, 3, 6, each twice."""
    assert float(orthogonal_penalty([torch.tensor([[1.0], [2.0], [3.0]])])) == 2 * (4 + 9 + 36)


def test_weights_add_up() -> None:
    square, tall = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0], [2.0], [3.0]])
    assert float(orthogonal_penalty([square, tall])) == 242 + 98


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 5), (3, 2, 3, 3), (20, 1, 3, 3)])
def test_equals_the_pairs_and_so_does_its_gradient(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    found, wanted = orthogonal_penalty([weight]), slow(weight)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad(found, weight)
    rows = weight.detach().flatten(1)
    gram = rows @ rows.t()
    by_hand = 4 * (gram - gram.diag().diag()) @ rows  # d|off|^2/dW = 4 off W
    torch.testing.assert_close(gradient.flatten(1), by_hand, rtol=1e-4, atol=1e-4)


def test_orthogonal_filters_cost_nothing_whatever_their_length() -> None:
    weight = nn.init.orthogonal_(torch.empty(6, 2, 3, 3)) * torch.linspace(1, 5, 6).view(-1, 1, 1, 1)
    assert float(orthogonal_penalty([weight])) == pytest.approx(0, abs=1e-9)


def test_float32_inside_autocast() -> None:
    weight = torch.randn(8, 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = orthogonal_penalty([weight])
    assert inside.dtype == torch.float32
    assert torch.equal(inside, orthogonal_penalty([weight]))
