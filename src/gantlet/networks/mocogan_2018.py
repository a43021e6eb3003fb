"""MoCoGAN as published (Tulyakov et al., 2018): DCGAN's generator per frame, two patch discriminators with batch norm.

Shapes: content [N, content_dim], noise [N, 1 + T, motion_dim], y [N], clips [N, C, T, H, W] in [-1, 1]. Published for
16 frames of 64 pixels. Weights begin at N(0, .02) as DCGAN's do; the authors' code keeps PyTorch's defaults.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.clips import as_clips, frames_of, pick
from gantlet.layers.grid import even_padding, num_stages
from gantlet.layers.noise import GaussianNoise
from gantlet.layers.picture_conv import PictureConv2d
from gantlet.networks import dcgan, initialisation


class Generator(nn.Module):
    """A GRU from noise to motion codes; DCGAN's generator of (content, category, code) for each frame (Table 1).

    The path begins at the first row of the noise itself. The category, one-hot, is the same in all frames.
    """

    def __init__(
        self,
        content_dim: int,
        motion_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 64,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.path = nn.GRU(motion_dim, motion_dim, batch_first=True)
        self.picture = dcgan.Generator(content_dim + num_classes + motion_dim, channels, resolution, width)

    def motion(self, noise: Tensor, y: Tensor | None = None, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the codes [N, T, motion_dim] and the state after them; with a `state` the path goes on from there."""
        with torch.autocast(noise.device.type, enabled=False):
            if state is None:
                state, noise = noise[:, 0], noise[:, 1:]
            codes, last = self.path(noise.contiguous(), state[None].contiguous())
            return codes, last[0]

    def draw(self, content: Tensor, codes: Tensor, y: Tensor | None = None) -> Tensor:
        """Return a frame for each code: clips [N, C, T, H, W] in [-1, 1]."""
        count, length = codes.shape[:2]
        if self.num_classes:
            assert y is not None
            content = torch.cat([content, F.one_hot(y, self.num_classes).type_as(content)], dim=1)
        z = torch.cat([content[:, None].expand(-1, length, -1), codes], dim=2)
        return as_clips(self.picture(z.flatten(0, 1)), count)

    def forward(self, content: Tensor, noise: Tensor, y: Tensor | None = None) -> Tensor:
        """Return clips of as many frames as there are rows of noise after the first."""
        return self.draw(content, self.motion(noise)[0], y)


class ImageDiscriminator(nn.Module):
    """4x4 convolutions of stride 2, batch norm between, noise before each: a logit for each patch of a frame."""

    def __init__(self, channels: int, resolution: int | Sequence[int], width: int, sigma: float) -> None:
        super().__init__()
        stages = num_stages(resolution)
        self.padding = even_padding(resolution, stages)
        widths = [width * 2**i for i in range(max(stages - 1, 1))]
        layers: list[nn.Module] = [
            GaussianNoise(sigma), PictureConv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)
        ]  # fmt: skip
        for a, b in itertools.pairwise(widths):
            layers += [GaussianNoise(sigma), nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers, GaussianNoise(sigma), nn.Conv2d(widths[-1], 1, 4, 2, 1, bias=False))
        self.apply(initialisation.dcgan)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [N, patches] of pictures."""
        logits: Tensor = self.body(F.pad(x, self.padding) if any(self.padding) else x).flatten(1)
        return logits


class VideoDiscriminator(nn.Module):
    """4x4x4 convolutions of stride 2 in space and 1 in time, batch norm between: a logit for each patch of a clip.

    With classes the last layer has that many more maps: their mean over patches are the logits of the category. Clips
    too short for four kernels of 4 frames (fewer than 13) get shorter kernels in the later layers.
    """

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        num_frames: int,
        width: int,
        num_classes: int,
        sigma: float,
    ) -> None:
        super().__init__()
        stages = num_stages(resolution)
        self.padding = even_padding(resolution, stages)
        widths = [channels, *(width * 2**i for i in range(max(stages - 1, 1))), 1 + num_classes]
        layers: list[nn.Module] = []
        for number, (a, b) in enumerate(itertools.pairwise(widths)):
            time = min(4, num_frames)
            num_frames -= time - 1
            layers += [GaussianNoise(sigma), nn.Conv3d(a, b, (time, 4, 4), (1, 2, 2), (0, 1, 1), bias=False)]
            if number < len(widths) - 2:
                layers += [nn.BatchNorm3d(b)] if number else []
                layers.append(nn.LeakyReLU(0.2))
        self.body = nn.Sequential(*layers)
        self.apply(initialisation.dcgan_in_space)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [N, patches] of clips and those of their category [N, num_classes]."""
        maps = self.body(F.pad(x, self.padding) if any(self.padding) else x).flatten(2)
        return maps[:, 0], maps[:, 1:].mean(2)


class Discriminator(nn.Module):
    """Both judges: `video` of whole clips, `image` of the frames at `times`."""

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        num_frames: int,
        width: int = 64,
        num_classes: int = 0,
        sigma: float = 0.0,
    ) -> None:
        super().__init__()
        self.video = VideoDiscriminator(channels, resolution, num_frames, width, num_classes, sigma)
        self.image = ImageDiscriminator(channels, resolution, width, sigma)

    def forward(self, x: Tensor, times: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of the patches of clips [N, P] and of frames at `times` [N, k], [N, k Q], and of categories."""
        of_clips, categories = self.video(x)
        of_frames = self.image(frames_of(pick(x, times)))
        return of_clips, of_frames.view(len(x), -1), categories
