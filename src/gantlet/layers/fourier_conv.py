"""Fast Fourier convolution: every output pixel sees the whole picture (Chi et al., 2020; Suvorov et al., 2022, LaMa).

Suvorov et al.: Resolution-robust Large Mask Inpainting with Fourier Convolutions, arXiv:2109.07161, section 2.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FourierUnit(nn.Module):
    """Real FFT, a 1x1 convolution over the real and imaginary parts with BN and ReLU, inverse FFT. [N, C, H, W]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2 * width, 2 * width, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * width)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # there is no FFT in bf16
            spectrum = torch.fft.rfft2(x.float().contiguous(), norm="ortho")
            parts = torch.cat([spectrum.real, spectrum.imag], 1)
        parts = torch.relu(self.norm(self.conv(parts)))
        with torch.autocast(x.device.type, enabled=False):
            real, imaginary = parts.float().chunk(2, 1)
            back: Tensor = torch.fft.irfft2(torch.complex(real, imaginary), s=x.shape[2:], norm="ortho")
            return back


class SpectralTransform(nn.Module):
    """1x1 to half the maps with BN and ReLU, h + Fourier unit(h), 1x1 to the maps wanted (LaMa, Fig. 3 b)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        middle = max(outputs // 2, 1)
        self.reduce = nn.Sequential(nn.Conv2d(inputs, middle, 1, bias=False), nn.BatchNorm2d(middle), nn.ReLU())
        self.unit = FourierUnit(middle)
        self.expand = nn.Conv2d(middle, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.reduce(x)
        expanded: Tensor = self.expand(h + self.unit(h))
        return expanded


class FourierConv2d(nn.Module):
    """Local maps by 3x3 convolutions, `share` of the maps global by a spectral transform; each side hears the other.

    y_l = conv(x_l) + conv(x_g), y_g = conv(x_l) + spectral(x_g), then BN and ReLU of both (LaMa, Fig. 3 a).
    """

    def __init__(self, width: int, share: float = 0.75) -> None:
        super().__init__()
        self.far = min(max(round(width * share), 1), width - 1)
        self.near = width - self.far
        self.local = nn.Conv2d(width, self.near, 3, padding=1, padding_mode="reflect", bias=False)
        self.outward = nn.Conv2d(self.near, self.far, 3, padding=1, padding_mode="reflect", bias=False)
        self.spectral = SpectralTransform(self.far, self.far)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        near, far = x[:, : self.near], x[:, self.near :]
        joined = torch.cat([self.local(x), self.outward(near) + self.spectral(far)], 1)
        return torch.relu(self.norm(joined))


class FourierBlock(nn.Module):
    """x + two fast Fourier convolutions (LaMa, Fig. 2)."""

    def __init__(self, width: int, share: float = 0.75) -> None:
        super().__init__()
        self.body = nn.Sequential(FourierConv2d(width, share), FourierConv2d(width, share))

    def forward(self, x: Tensor) -> Tensor:
        block: Tensor = x + self.body(x)
        return block
