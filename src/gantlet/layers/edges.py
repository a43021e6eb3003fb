"""Pictures whose edges are smoothed: what a discriminator of drawings must learn to refuse (CartoonGAN, 2018)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.layers.corruption import blur
from gantlet.layers.precision import wide

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


def luminance(x: Tensor) -> Tensor:
    """Return the brightness [N, 1, H, W] of x [N, C, H, W]: BT.601 of three channels, the mean of any other number."""
    if x.shape[1] == 3:
        return (x * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    return x.mean(1, keepdim=True)


def edge_strength(x: Tensor) -> Tensor:
    """Return the length of the gradient of brightness [N, 1, H, W], per pixel: Sobel's filters, borders repeated."""
    smooth, slope = x.new_tensor([1.0, 2.0, 1.0]) / 4, x.new_tensor([-1.0, 0.0, 1.0]) / 2
    across = smooth[:, None] * slope[None, :]
    kernel = torch.stack([across, across.t()])[:, None]
    slopes = F.conv2d(F.pad(luminance(x), (1, 1, 1, 1), mode="replicate"), kernel)
    return slopes.square().sum(1, keepdim=True).sqrt()


def smooth_edges(x: Tensor, threshold: float = 0.1, reach: int = 2, sigma: float = 1.5) -> Tensor:
    """Return x [N, C, H, W] in [-1, 1], blurred by `sigma` pixels within `reach` pixels of its edges, else as it is.

    Chen et al., 2018 (CartoonGAN), section 3.2: find edges, widen them, smooth inside. Edges are where brightness
    changes by more than `threshold` a pixel; the paper has Canny's detector, which thins them before they are widened.
    """
    with torch.autocast(x.device.type, enabled=False):
        x = wide(x)
        edges = (edge_strength(x) > threshold).type_as(x)
        near = F.max_pool2d(edges, 2 * reach + 1, stride=1, padding=reach)
        return torch.lerp(x, blur(x, sigma), near)
