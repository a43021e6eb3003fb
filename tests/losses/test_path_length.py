"""Path lengths in closed form: of a linear map they are known, and their gradient reaches weights and mapping."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from gantlet.losses.path_length import path_lengths


def test_lengths_of_a_linear_synthesis() -> None:
    """pictures = sum over layers of A_l w_l: the gradient in layer l is A_l^T y / sqrt(H W), its squares averaged."""
    torch.manual_seed(0)
    layers, dim, shape = 3, 4, (2, 5, 6)
    maps = torch.randn(layers, *shape, dim)
    w = torch.randn(7, layers, dim, requires_grad=True)
    direction = torch.randn(7, *shape)
    found = path_lengths(lambda w: torch.einsum("lchwd,nld->nchw", maps, w), w, direction)
    gradients = torch.einsum("lchwd,nchw->nld", maps, direction) / sqrt(5 * 6)
    torch.testing.assert_close(found.detach(), gradients.square().sum(2).mean(1).sqrt())


def test_expected_length_of_an_identity_is_one() -> None:
    """For a picture that is w itself, J = I and E|y|^2 / (H W) is the number of channels: here 1."""
    w = torch.randn(4000, 1, 64, requires_grad=True)
    lengths = path_lengths(lambda w: w.view(-1, 1, 8, 8), w, torch.randn(4000, 1, 8, 8))
    assert float(lengths.detach().square().mean()) == pytest.approx(1.0, rel=0.02)


def test_each_sample_has_its_own_length() -> None:
    w = torch.ones(2, 1, 1, requires_grad=True)
    scales = torch.tensor([1.0, 10.0]).view(2, 1, 1, 1)
    lengths = path_lengths(lambda w: scales * w[:, :, :, None], w, torch.ones(2, 1, 1, 1))
    assert lengths.detach().tolist() == pytest.approx([1.0, 10.0])


def test_the_penalty_reaches_what_made_w_and_what_reads_it() -> None:
    torch.manual_seed(0)
    z = torch.randn(3, 1, 2, dtype=torch.float64)

    def penalty(mapping: Tensor, synthesis: Tensor) -> Tensor:
        w = torch.tanh(z @ mapping)
        with torch.no_grad():
            direction = torch.arange(12, dtype=torch.float64).view(3, 1, 2, 2)

        def pictures(w: Tensor) -> Tensor:
            return (w @ synthesis).pow(3).view(-1, 1, 2, 2)

        with pytest.MonkeyPatch.context() as patch:  # keep float64, which a numerical derivative needs
            patch.setattr(Tensor, "float", lambda self: self)
            return path_lengths(pictures, w, direction)

    mapping = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    synthesis = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(penalty, (mapping, synthesis))


def test_runs_in_float32_under_autocast_and_survives_a_synthesis_that_ignores_w() -> None:
    w = torch.randn(2, 1, 3, requires_grad=True)
    weight = torch.randn(3, 4, requires_grad=True)
    direction = torch.randn(2, 1, 2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lengths = path_lengths(lambda w: (w @ weight).view(-1, 1, 2, 2), w, direction)
    assert lengths.dtype == torch.float32
    torch.testing.assert_close(
        lengths, path_lengths(lambda w: (w @ weight).view(-1, 1, 2, 2), w, direction), rtol=0, atol=0
    )
    still = path_lengths(lambda w: (0 * w @ weight).view(-1, 1, 2, 2), w, direction)
    (gradient,) = torch.autograd.grad(still.sum(), weight)
    assert torch.isfinite(gradient).all()
