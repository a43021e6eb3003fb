"""Gated and Fourier convolutions: hand-computed values, receptive fields, precision."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gantlet.layers.fourier_conv import FourierBlock, FourierUnit, SpectralTransform
from gantlet.layers.gated_conv import GatedConv2d


def test_gated_convolution_by_hand() -> None:
    layer = GatedConv2d(2, 3, kernel=1)
    x = torch.randn(2, 2, 4, 5)
    weight, bias = layer.conv.weight[:, :, 0, 0], layer.conv.bias
    both = torch.einsum("oc,nchw->nohw", weight, x) + bias[:, None, None]
    torch.testing.assert_close(layer(x), F.elu(both[:, :3]) * torch.sigmoid(both[:, 3:]))


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "size"), [(3, 1, 1, 8), (3, 2, 1, 4), (5, 1, 1, 8), (3, 1, 4, 8)]
)
def test_gated_convolution_keeps_or_halves(kernel: int, stride: int, dilation: int, size: int) -> None:
    layer = GatedConv2d(1, 2, kernel, stride, dilation)
    assert layer(torch.randn(1, 1, 8, 8)).shape == (1, 2, size, size)
    assert layer(torch.randn(1, 1, 2, 2)).shape[2] == 2 // stride  # smaller than its border


def test_fourier_unit_with_the_identity_is_the_positive_part_of_the_spectrum() -> None:
    unit = FourierUnit(2).eval()
    torch.nn.init.dirac_(unit.conv.weight)
    x = torch.randn(1, 2, 6, 8)
    spectrum = torch.fft.rfft2(x, norm="ortho")
    scale = 1 / (1 + unit.norm.eps) ** 0.5
    kept = torch.complex(F.relu(spectrum.real), F.relu(spectrum.imag)) * scale
    torch.testing.assert_close(unit(x), torch.fft.irfft2(kept, s=(6, 8), norm="ortho"), rtol=1e-4, atol=1e-5)


def test_one_fourier_block_sees_the_whole_picture_and_takes_odd_sizes() -> None:
    torch.manual_seed(0)
    block = FourierBlock(8).eval()
    x = torch.zeros(1, 8, 33, 17, requires_grad=True)
    block(x + torch.randn(1, 8, 33, 17))[0, :, 0, 0].sum().backward()
    assert x.grad is not None
    assert float((x.grad[0].abs().sum(0) > 0).float().mean()) > 0.95
    assert block(torch.randn(2, 8, 5, 9)).shape == (2, 8, 5, 9)


def test_fourier_block_runs_in_bf16() -> None:
    block = FourierBlock(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.isfinite(block(torch.randn(2, 8, 12, 12))).all()


def test_spectral_transform_has_the_parameters_of_its_layers() -> None:
    """C -> C/2 (1x1, BN), Fourier unit C -> C over real and imaginary parts (1x1, BN), C/2 -> C (1x1)."""
    c = 48
    by_hand = c * c // 2 + 2 * c // 2 + c * c + 2 * c + c // 2 * c
    assert sum(p.numel() for p in SpectralTransform(c, c).parameters()) == by_hand
