"""MoCoGAN: Decomposing Motion and Content for Video Generation (Tulyakov et al., 2018), on today's small networks.

A recurrent net turns noise into a path of motion codes, a net of pictures draws each frame from its code and from the
content of the clip. As in networks/strided.py there are 4x4 layers of stride 2 alone and a fully connected layer of
`hidden` units in each player (docs/lab-log.md, 2026-11-22).
Shapes: content [N, content_dim], noise [N, 1 + T, noise_dim], y [N], clips [N, C, T, H, W].
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import log2, pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.layers.clips import as_clips, frames_of, pick
from gantlet.layers.conditional_norm import VectorBatchNorm2d
from gantlet.layers.grid import base_grid, crop, even_padding, num_stages
from gantlet.layers.picture_conv import PictureConv2d, PictureConvTranspose2d
from gantlet.layers.precision import wide
from gantlet.layers.projection import projected_logits
from gantlet.networks import initialisation, strided

LABEL = 8  # numbers by which a label is told to the path and to every frame
KEPT = 2.0  # logit of how much of its state the path keeps from frame to frame at first, 88 %


class Generator(nn.Module):
    """A GRU from noise to motion codes, and a small CNN from content and code to each frame.

    The first row of the noise begins the path, each further one moves it by a frame. Content and label also give the
    gain and bias of every norm of the CNN: what a thing looks like is then the same wherever it is.
    """

    def __init__(
        self,
        content_dim: int,
        noise_dim: int,
        motion_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        width: int = 64,
        num_classes: int = 0,
        hidden: int = 1024,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_classes, LABEL) if num_classes else None
        told = LABEL if num_classes else 0
        self.begin = nn.Linear(noise_dim + told, motion_dim)
        self.path = nn.GRU(noise_dim + told, motion_dim, batch_first=True)
        with torch.no_grad():
            # Update gates begin nearly shut: paths stay apart, where they would all run into one fixed point.
            bias = self.path.bias_ih_l0
            assert isinstance(bias, Tensor)
            bias[motion_dim : 2 * motion_dim] += KEPT
        self.picture = Frame(content_dim + told, motion_dim, channels, resolution, width, hidden)

    def motion(self, noise: Tensor, y: Tensor | None = None, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the codes [N, T, motion_dim] and the state [N, motion_dim] after them.

        With a `state` the path goes on from there and every row of the noise moves it.
        """
        with torch.autocast(noise.device.type, enabled=False):  # small, and rounding adds up along a path
            noise = wide(noise)
            if self.embedding is not None:
                noise = torch.cat([noise, self.embedding(y)[:, None].expand(-1, noise.shape[1], -1)], dim=2)
            if state is None:
                state, noise = torch.tanh(self.begin(noise[:, 0])), noise[:, 1:]
            codes, last = self.path(noise.contiguous(), state[None].contiguous())
            return codes, last[0]

    def draw(self, content: Tensor, codes: Tensor, y: Tensor | None = None) -> Tensor:
        """Return a frame for each code: clips [N, C, T, H, W] in [-1, 1]."""
        if self.embedding is not None:
            content = torch.cat([content, self.embedding(y)], dim=1)
        return as_clips(self.picture(content.repeat_interleave(codes.shape[1], dim=0), codes.flatten(0, 1)), len(codes))

    def forward(self, content: Tensor, noise: Tensor, y: Tensor | None = None, times: Tensor | None = None) -> Tensor:
        """Return clips of all frames, or of those at `times` [N, k] alone, which costs no more than these."""
        codes, _ = self.motion(noise, y)
        if times is not None:
            codes = codes.gather(1, times[:, :, None].expand(-1, -1, codes.shape[2]))
        return self.draw(content, codes, y)


class Frame(nn.Module):
    """InfoGAN's generator (Chen 2016), the gain and bias of its maps' norms from the content (Brock 2019)."""

    def __init__(
        self,
        content_dim: int,
        motion_dim: int,
        channels: int,
        resolution: int | Sequence[int],
        width: int,
        hidden: int,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        stages = num_stages(resolution)
        self.grid = base_grid(resolution, stages)
        widths = [width * 2**i for i in reversed(range(stages))]
        self.hidden, self.norm = nn.Linear(content_dim + motion_dim, hidden, bias=False), nn.BatchNorm1d(hidden)
        self.project = nn.Linear(hidden, widths[0] * self.grid[0] * self.grid[1])
        self.norms = nn.ModuleList(VectorBatchNorm2d(w, content_dim) for w in widths)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False) for a, b in itertools.pairwise(widths))
        self.out = PictureConvTranspose2d(widths[-1], channels, 4, 2, 1)
        self.apply(initialisation.dcgan)

    def forward(self, content: Tensor, code: Tensor) -> Tensor:
        """Return frames [N, C, H, W] in [-1, 1] of content [N, content_dim] and code [N, motion_dim]."""
        h = torch.relu(self.norm(self.hidden(torch.cat([content, code], dim=1))))
        h = self.project(h).unflatten(1, (*self.grid, -1)).permute(0, 3, 1, 2)
        h = torch.relu(self.norms[0](h, content))
        for up, norm in zip(self.ups, self.norms[1:], strict=True):
            h = torch.relu(norm(up(h), content))
        return crop(torch.tanh(self.out(h)), self.resolution)


class VideoDiscriminator(nn.Module):
    """4x4x4 convolutions of stride 2 that double `width` maps, a layer of `hidden` units, LeakyReLU(.2), no norm.

    Labels are projected. Time is halved with space as long as there are four frames, then left alone.
    """

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        num_frames: int,
        width: int = 64,
        num_classes: int = 0,
        hidden: int = 1024,
    ) -> None:
        super().__init__()
        stages = num_stages(resolution)
        rows, columns = base_grid(resolution, stages)
        self.padding = even_padding(resolution, stages)
        layers: list[nn.Module] = []
        widths = [channels, *(width * 2**i for i in range(stages))]
        for a, b in itertools.pairwise(widths):
            halve = num_frames >= 4
            time = dict(kernel=4, stride=2, padding=1) if halve else dict(kernel=1, stride=1, padding=0)
            layers += [
                nn.Conv3d(a, b, (time["kernel"], 4, 4), (time["stride"], 2, 2), (time["padding"], 1, 1)),
                nn.LeakyReLU(0.2),
            ]
            num_frames = num_frames // 2 if halve else num_frames
        self.body = nn.Sequential(*layers)
        self.hidden = nn.Sequential(nn.Linear(widths[-1] * num_frames * rows * columns, hidden), nn.LeakyReLU(0.2))
        self.logit = nn.Linear(hidden, 1)
        self.embedding = initialisation.small_embedding(num_classes, hidden)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return logits [N]."""
        maps = self.body(F.pad(x, self.padding) if any(self.padding) else x)
        h = self.hidden(maps.permute(0, 2, 3, 4, 1).flatten(1))
        return projected_logits(h, y, self.logit, self.embedding)


class Discriminator(nn.Module):
    """One judge of whole clips, who sees motion, and one of single frames at `times`, who sees content (Eq. 4)."""

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        num_frames: int,
        width: int = 64,
        num_classes: int = 0,
        hidden: int = 1024,
    ) -> None:
        super().__init__()
        self.video = VideoDiscriminator(channels, resolution, num_frames, width, num_classes, hidden)
        self.image = strided.Discriminator(channels, resolution, width, num_classes, hidden)

    def forward(self, x: Tensor, y: Tensor | None, times: Tensor) -> Tensor:
        """Return logits [N, 1 + k] of clips x and of their frames at `times` [N, k]."""
        k = times.shape[1]
        of_frames = self.image(frames_of(pick(x, times)), None if y is None else y.repeat_interleave(k))
        return torch.cat([self.video(x, y)[:, None], of_frames.view(-1, k)], dim=1)


class SparseDiscriminator(nn.Module):
    """A few frames of a clip and the time between them: no 3-D convolution, any length (Skorokhodov et al., 2022).

    StyleGAN-V (arXiv:2112.14683), section 3.3: maps of each frame by a layer of stride 2, laid on each other and judged
    by a net that is told the distances in time. There they change the weights of all its layers; here the gain and bias
    of the laid maps, and the logit as a projection.
    """

    def __init__(
        self,
        channels: int,
        resolution: int | Sequence[int],
        num_frames: int,
        frames: int = 3,
        width: int = 64,
        num_classes: int = 0,
        hidden: int = 1024,
    ) -> None:
        super().__init__()
        stages = num_stages(resolution)
        rows, columns = base_grid(resolution, stages)
        self.padding = even_padding(resolution, stages)
        self.frame = nn.Sequential(PictureConv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2))
        joined, widths = frames * width, [width * 2**i for i in range(1, stages)]
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise([joined, *widths]):
            layers += [nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2)]
        if not layers:  # the smallest pictures are at their base grid by now
            widths, layers = [2 * width], [nn.Conv2d(joined, 2 * width, 3, 1, 1), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.octaves = max(int(log2(max(num_frames - 1, 1))), 1) + 1
        told = 2 * self.octaves * (frames - 1)
        self.gain, self.bias = nn.Linear(told, joined), nn.Linear(told, joined)
        self.hidden = nn.Sequential(nn.Linear(widths[-1] * rows * columns, hidden), nn.LeakyReLU(0.2))
        self.logit = nn.Linear(hidden, 1)
        self.distance = nn.Linear(told, hidden)
        self.embedding = initialisation.small_embedding(num_classes, hidden)
        for layer in (self.gain, self.bias):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.distance.weight, 0.0, 0.02)

    def forward(self, x: Tensor, y: Tensor | None, times: Tensor) -> Tensor:
        """Return logits [N] of the frames at `times` [N, k] of clips x, or of x, if it is these frames already."""
        count, k = times.shape
        frames = frames_of(x if x.shape[2] == k else pick(x, times))
        maps = self.frame(F.pad(frames, self.padding) if any(self.padding) else frames)
        joined = as_clips(maps, count).transpose(1, 2).flatten(1, 2)
        told = self.between(times)
        gain, bias = (layer(told)[:, :, None, None] for layer in (self.gain, self.bias))
        h = self.hidden(self.body(torch.addcmul(bias, joined, 1 + gain)).permute(0, 2, 3, 1).flatten(1))
        # The projection of features on what they should be at this distance, as labels are projected.
        logits: Tensor = self.logit(h)[:, 0] + (self.distance(told) * h).sum(1)
        if self.embedding is not None:
            logits = logits + (self.embedding(y) * h).sum(1)
        return logits

    def between(self, times: Tensor) -> Tensor:
        """Return sines and cosines [N, (k - 1) 2 octaves] of the frames from one time to the next, waves of 2, 4, 8."""
        octave = torch.arange(self.octaves, device=times.device)
        angles = times.diff(dim=1)[:, :, None] * (pi / 2.0**octave)
        return torch.cat([angles.sin(), angles.cos()], dim=2).flatten(1)
