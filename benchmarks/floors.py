"""What pictures-into-pictures models must beat: methods that learn nothing, or next to nothing.

Pictures are arrays [H, W, C] in [0, 1]. All but `bicubic` and `LookUpTable` need scikit-image (extra `dev`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.floating[Any]]


def bicubic(picture: Pixels, scale: float) -> Pixels:
    """Resize by Pillow's bicubic filter (a = -0.5; antialiased when it makes smaller), clipped to [0, 1]."""
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    planes = [Image.fromarray(np.ascontiguousarray(plane, np.float32)) for plane in np.moveaxis(picture, 2, 0)]
    return np.stack([np.asarray(plane.resize(size, Image.Resampling.BICUBIC)) for plane in planes], 2).clip(0, 1)


def biharmonic(picture: Pixels, hole: NDArray[np.bool_]) -> Pixels:
    """Fill a hole [H, W] by the biharmonic equation (Damelin & Hoang 2018), which joins values and slopes."""
    from skimage.restoration import inpaint_biharmonic

    filled: Pixels = inpaint_biharmonic(picture, hole, channel_axis=2)
    return filled.clip(0, 1)


def non_local_means(picture: Pixels, sigma: float) -> Pixels:
    """Denoise by non-local means (Buades, Coll & Morel 2005) for a known sigma: patches of 5, search of 13, h .8."""
    from skimage.restoration import denoise_nl_means

    options = dict(patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=True)
    if picture.shape[2] == 1:  # with an axis of one channel scikit-image 0.26 loses it, and fails
        return np.asarray(denoise_nl_means(picture[..., 0], **options))[..., None]
    made: Pixels = denoise_nl_means(picture, channel_axis=2, **options)
    return made


def total_variation(picture: Pixels, weight: float) -> Pixels:
    """Denoise by total variation (Rudin, Osher & Fatemi 1992; Chambolle 2004); `weight` is best chosen on data."""
    from skimage.restoration import denoise_tv_chambolle

    made: Pixels = denoise_tv_chambolle(picture, weight=weight, channel_axis=2)
    return made


@dataclass(frozen=True)
class LookUpTable:
    """The mean target of each intensity of the source: the best that knows a pixel and nothing around it."""

    table: NDArray[np.float64]  # [levels, channels of the target]

    @classmethod
    def fit(cls, sources: Pixels, targets: Pixels, levels: int = 256) -> LookUpTable:
        """Fit to aligned pictures [N, H, W, Cs] (their mean over channels is looked up) and [N, H, W, Ct]."""
        places, wanted = cls._places(sources, levels).ravel(), targets.reshape(-1, targets.shape[-1])
        counts = np.bincount(places, minlength=levels)
        sums = np.stack([np.bincount(places, plane, levels) for plane in wanted.T], 1)
        seen = np.flatnonzero(counts)
        means = sums[seen] / counts[seen, None]
        # Levels that were not seen lie on the line between those that were.
        return cls(np.stack([np.interp(np.arange(levels), seen, plane) for plane in means.T], 1))

    def __call__(self, sources: Pixels) -> Pixels:
        """Return [..., Ct] for pictures [..., Cs]."""
        return self.table[self._places(sources, len(self.table))]

    @staticmethod
    def _places(sources: Pixels, levels: int) -> NDArray[np.int64]:
        return np.rint(sources.mean(-1).clip(0, 1) * (levels - 1)).astype(np.int64)
