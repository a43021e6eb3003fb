"""PSNR, SSIM and their kin against torchmetrics, brute force, and numbers worked out by hand."""

from __future__ import annotations

from math import log10

import numpy as np
import pytest
import torch
from torch import Tensor

from gantlet.errors import UserError
from gantlet.metrics import similarity
from gantlet.metrics.similarity import Protocol

from .helpers import import_torchmetrics


def pair(*shape: int, top: float = 1.0, noise: float = 0.1) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(*shape[:2], 5, 5), shape[2:], mode="bicubic").clamp(0, 1)
    return (smooth + noise * torch.randn(*shape)).clamp(0, 1) * top, smooth * top


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_psnr_and_ssim_equal_torchmetrics(top: float) -> None:
    reference = import_torchmetrics().functional.image
    made, wanted = pair(2, 3, 40, 53, top=top)
    for i in range(2):
        row = slice(i, i + 1)
        expected = reference.peak_signal_noise_ratio(made[row], wanted[row], data_range=top)
        assert similarity.psnr(made, wanted, top)[i].item() == pytest.approx(expected.item(), abs=1e-3)
        _, full = reference.structural_similarity_index_measure(
            made[row], wanted[row], data_range=top, sigma=1.5, return_full_image=True
        )
        expected = full[..., 5:-5, 5:-5].mean()  # its mean counts places where the window hangs over the border
        assert similarity.ssim(made, wanted, top)[i].item() == pytest.approx(expected.item(), abs=1e-4)


def test_ssim_equals_the_formula_window_by_window() -> None:
    made, wanted = (each.double() for each in pair(1, 1, 16, 14))
    places = np.arange(11) - 5.0
    weights = np.exp(-(places[:, None] ** 2 + places**2) / (2 * 1.5**2))
    weights /= weights.sum()
    values = []
    for top in range(6):
        for left in range(4):
            x, y = (each[0, 0, top : top + 11, left : left + 11].numpy() for each in (made, wanted))
            mx, my = (weights * x).sum(), (weights * y).sum()
            vx, vy, c = (
                (weights * (x - mx) ** 2).sum(),
                (weights * (y - my) ** 2).sum(),
                (weights * (x - mx) * (y - my)).sum(),
            )
            values.append((2 * mx * my + 1e-4) * (2 * c + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4)))
    assert similarity.ssim(made, wanted, 1.0).item() == pytest.approx(np.mean(values), abs=1e-6)


def test_equal_pictures() -> None:
    made, _ = pair(1, 3, 20, 20)
    assert similarity.psnr(made, made, 1.0).item() == float("inf")
    assert similarity.ssim(made, made, 1.0).item() == pytest.approx(1)
    assert similarity.edge_spectrum_distance(made, made, 1.0).item() == 0


def test_psnr_by_hand() -> None:
    wanted = torch.zeros(1, 1, 4, 4)
    assert similarity.psnr(wanted + 25.5, wanted, 255).item() == pytest.approx(20)
    assert similarity.psnr(wanted + 0.2, wanted, 2).item() == pytest.approx(20, abs=1e-5)


def test_luma_is_that_of_studio_bt_601() -> None:
    colours = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).view(5, 3, 1, 1)
    assert similarity.luma(colours).flatten().tolist() == pytest.approx([16, 235, 81.481, 144.553, 40.966], abs=1e-3)
    with pytest.raises(UserError, match="RGB"):
        similarity.luma(colours[:, :1])


def test_protocol_crops_takes_luma_and_says_so() -> None:
    made, wanted = pair(1, 3, 30, 30, top=255.0)
    made[..., :4, :] = 0  # nothing of the border counts
    protocol = Protocol(luma=True, crop=4)
    a, span = protocol.of(made, 255.0)
    b, _ = protocol.of(wanted, 255.0)
    assert (a.shape, span) == ((1, 1, 22, 22), 255.0)
    inner = similarity.luma(made[..., 4:-4, 4:-4] / 255) - similarity.luma(wanted[..., 4:-4, 4:-4] / 255)
    expected = 10 * log10(255**2 / inner.square().mean().item())
    assert similarity.psnr(a, b, span).item() == pytest.approx(expected, abs=1e-4)
    words = " ".join(protocol.lines(255.0, 3))
    for said in ("11 x 11", "1.5", "range 255", "BT.601", "border of 4", "K1 0.01"):
        assert said in words
    assert "RGB" in Protocol().lines(1.0, 3)[0]
    with pytest.raises(UserError, match="leaves nothing"):
        Protocol(crop=15).of(made, 255.0)


def test_numbers_inside_a_mask() -> None:
    wanted = torch.zeros(1, 2, 4, 4)
    made = wanted.clone()
    made[:, :, :2] = 0.5
    mask = torch.zeros(1, 1, 4, 4)
    mask[:, :, 1:3] = 1  # one row with an error of .5, one without
    assert similarity.hole_psnr(made, wanted, mask, 2).item() == pytest.approx(10 * log10(4 / 0.125))
    assert similarity.mean_absolute_error(made, wanted, mask, unit=1000).item() == pytest.approx(250)
    assert similarity.mean_absolute_error(made, wanted, unit=1000).item() == pytest.approx(250)
    assert similarity.mean_absolute_error(made, wanted, mask * 0).isnan().all()


def test_edge_spectrum_sees_blur_noise_and_not_shifts() -> None:
    torch.manual_seed(0)
    wanted = (torch.rand(1, 1, 9, 9).repeat_interleave(7, 2).repeat_interleave(7, 3) > 0.5).float() * 200
    blurred = torch.nn.functional.avg_pool2d(wanted, 3, 1, 1)
    noisy = wanted + 30 * torch.randn(wanted.shape)
    shifted = wanted.roll((7, 7), (2, 3))
    distances = [similarity.edge_spectrum_distance(x, wanted, 255).item() for x in (shifted, blurred, noisy)]
    assert distances[0] < 0.5 * min(distances[1:])
    both = similarity.edge_spectrum_distance(torch.cat([blurred, noisy]), wanted.expand(2, -1, -1, -1), 255)
    assert both.tolist() == pytest.approx(distances[1:])
    assert similarity.edge_spectrum_distance(noisy / 255, wanted / 255, 1).item() == pytest.approx(distances[2], 1e-3)


def test_edge_spectrum_by_hand() -> None:
    """A lone wave of one frequency: its periodogram by numpy's own FFT, ring by ring."""
    y, x = np.mgrid[:16, :16]
    made, wanted = 100 * np.cos(2 * np.pi * 5 * x / 16), 50 * np.cos(2 * np.pi * 6 * y / 16)
    logs = []
    for picture in (made, wanted):
        spectrum = (
            np.abs(np.fft.rfft2((picture - picture.mean()) * np.outer(np.hanning(16), np.hanning(16)))) ** 2 / 256
        )
        radius = np.rint(np.hypot(np.fft.fftfreq(16)[:, None], np.fft.rfftfreq(16)) * 16)
        logs.append(np.array([np.log1p(spectrum[radius == ring].mean()) for ring in range(2, 9)]))
    expected = np.abs(logs[0] - logs[1]).sum() / logs[1].sum()
    a, b = (torch.from_numpy(each)[None, None] for each in (made, wanted))
    assert similarity.edge_spectrum_distance(a, b, 255).item() == pytest.approx(expected, rel=1e-3)


def test_boundary_f1_tolerates_small_distances() -> None:
    wanted = torch.zeros(1, 1, 20, 20)
    wanted[..., 10, :] = 1
    for shift, expected in ((0, 1.0), (2, 1.0), (3, 0.0)):
        assert similarity.boundary_f1(wanted.roll(shift, 2), wanted, 2).item() == pytest.approx(expected)
    half = wanted.clone()
    half[..., 10:] = 0  # all found are right; of the 20 wanted, 12 have one within 2 pixels
    assert similarity.boundary_f1(half, wanted, 2).item() == pytest.approx(2 * 0.6 / 1.6)
    nothing = torch.zeros_like(wanted)
    assert similarity.boundary_f1(nothing, nothing).item() == 1
    assert similarity.boundary_f1(nothing, wanted).item() == 0
    corner = torch.zeros(1, 1, 20, 20)
    corner[..., 5, 5] = 1
    assert similarity.boundary_f1(corner.roll((2, 2), (2, 3)), corner, 2).item() == 0  # a disk, not a square


def test_shapes_are_checked() -> None:
    with pytest.raises(UserError, match="one shape"):
        similarity.psnr(torch.zeros(1, 1, 20, 20), torch.zeros(1, 1, 20, 21), 1.0)
    with pytest.raises(UserError, match="11 pixels"):
        similarity.ssim(torch.zeros(1, 1, 10, 20), torch.zeros(1, 1, 10, 20), 1.0)
    with pytest.raises(UserError, match="8 pixels"):
        similarity.edge_spectrum_distance(torch.zeros(1, 1, 7, 20), torch.zeros(1, 1, 7, 20), 1.0)
