"""SRResNet on frames with a temporal term: Photo-Realistic Single Image Super-Resolution (Ledig et al., 2017).

arXiv:1609.04802 has the network. What is between neighbouring frames of the result shall be what is between those of
the truth; that is the temporal-difference loss of video restoration in its plainest form, without optical flow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gantlet.layers.clips import as_clips, frames_of, pick
from gantlet.layers.grid import crop
from gantlet.losses.similarity import l1
from gantlet.networks.srresnet import PlainSRResNet
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe, Tiling
from gantlet.recipes.optimizers import adam
from gantlet.recipes.pacing import Pacing
from gantlet.recipes.translation.degrading import bicubic
from gantlet.recipes.translation.restoration import maybe_decay, report_psnr

DATA = "clips"
TINY = dict(
    channels=1, resolution=8, num_frames=4, num_classes=2, width=8, blocks=1, batch_size=8, average_halflife=100
)
QUICK: dict[str, dict[str, object]] = {  # docs/lab-log.md, 2026-11-23
    "clip_superres": dict(
        width=24, blocks=4, lr=1e-3, frames=2, temporal_weight=0.1, decay_samples=60_000, batch_size=8
    )
}
PACING = {"clip_superres": Pacing(end="decay_samples")}


def clip_superres(
    *,
    channels: int = 3,  # of the clips; filled from the data
    resolution: int | Sequence[int] = 64,  # of the large frames; any size works, kept for the record
    num_frames: int = 16,  # of a clip; filled from the data
    frame_rate: float = 25.0,  # frames a second, for the record; filled from the data
    scale: int = 2,  # 2, 4 or 8 times larger; 1 takes the noise away and no more
    sigma: float = 0.0,  # of noise on the small frames, in grey levels of 255: what makes enlarged clips flicker
    temporal_weight: float = 0.0,  # of |(G_t - G_t-1) - (x_t - x_t-1)|; 0: frame by frame, as a model of pictures
    frames: int = 4,  # neighbouring frames of each clip that a step sees, at least 2
    width: int = 64,  # feature maps of G (Fig. 4)
    blocks: int = 16,  # residual blocks of G (Fig. 4)
    direct: bool = True,  # straight from the small size to pixels (ESPCN), far less work on a CPU
    lr: float = 1e-4,  # Adam (section 3.2)
    decay_samples: int | None = None,  # the rate falls along a cosine until then; None for constant
    beta1: float = 0.9,  # section 3.2
    beta2: float = 0.999,  # idem
    batch_size: int = 8,  # clips; the paper has 16 pictures
    average_halflife: int = 2_000,  # of G's moving average, in clips
) -> Recipe:
    """L1 on enlarged frames, and on the change from frame to frame; `apply` enlarges clips and pictures.

    The small frames are made in the loss by bicubic, with fresh noise on each: a frame says nothing about the noise of
    the next, so without the term what is left of it flickers. G/flicker is that term whatever it weighs.
    """
    if frames < 2 or frames > num_frames:
        raise ValueError(f"frames must be 2 to {num_frames}, as many as a clip has, not {frames}")
    game = Game(scale, sigma, temporal_weight, frames, num_frames)
    G = PlainSRResNet(channels, scale, width, blocks, direct)
    return Recipe(
        players={
            "G": Player(
                networks={"G": G},
                optimizer=adam(lr, (beta1, beta2)),
                schedule=maybe_decay(lr, decay_samples),
                average_halflife=average_halflife,
            )
        },
        phases=(Phase(player="G", loss=game.content),),
        batch_size=batch_size,
        apply=enlarge,
        example=game.example,
        tiling=Tiling(scale=scale, margin=min(2 * blocks + 8, 40)),
    )


@dataclass(frozen=True)
class Game:
    """The loss, and how small frames are made of large ones."""

    scale: int
    sigma: float
    temporal_weight: float
    frames: int
    num_frames: int

    def content(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """L1 per frame and, with a weight, L1 of the temporal differences, over a few neighbouring frames."""
        clips = batch["clip"]
        start = (progress.uniform("start") * (self.num_frames - self.frames + 1)).long()
        large = self.whole(pick(clips, start[:, None] + torch.arange(self.frames, device=clips.device)))
        made = as_clips(nets.G(frames_of(self.small(large, progress))), len(large)).float()
        report_psnr(progress, made, large)
        flicker = temporal_difference(made, large).mean()
        terms = {"pixels": l1(made, large).mean()}
        if self.temporal_weight:
            terms["temporal"] = self.temporal_weight * flicker
        progress.report("flicker", flicker)
        return terms

    def example(self, batch: Batch, draws: Draws) -> Mapping[str, Tensor]:
        """Return small, noisy clips made of a batch's."""
        return {"inputs": self.small(self.whole(batch["clip"]), draws)}

    def whole(self, clips: Tensor) -> Tensor:
        """Return clips without the rows and columns that do not divide by the scale."""
        return crop(clips, [side // self.scale * self.scale for side in clips.shape[-2:]])

    def small(self, clips: Tensor, draws: Draws) -> Tensor:
        """Return clips at 1 / scale of their size by antialiased bicubic, with noise on each frame."""
        less = as_clips(bicubic(frames_of(clips), self.scale, draws), len(clips))
        return less if not self.sigma else less + self.sigma / 127.5 * draws.normal("noise", *less.shape[1:])


def temporal_difference(made: Tensor, true: Tensor) -> Tensor:
    """Return the mean of |(made_t - made_t-1) - (true_t - true_t-1)| per clip, [N], of clips [N, C, T, H, W]."""
    return l1(made.diff(dim=2), true.diff(dim=2))


def enlarge(nets: Nets, inputs: Tensor) -> Tensor:
    """Return clips [N, C, T, H, W] or pictures [N, C, H, W] `scale` times as large, in [-1, 1]."""
    if inputs.dim() == 4:
        pictures: Tensor = nets.G(inputs)
        return pictures.float().clamp(-1, 1)
    return as_clips(nets.G(frames_of(inputs)), len(inputs)).float().clamp(-1, 1)
