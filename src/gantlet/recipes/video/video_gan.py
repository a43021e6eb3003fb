"""What GANs of clips share: the codes of content and motion, sampling them, frames without end, and the game."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gantlet.draws import SampleDraws
from gantlet.layers.clips import choose
from gantlet.losses.adversarial import AdversarialLoss
from gantlet.recipe import Batch, Draws, Losses, Nets, Progress
from gantlet.recipes.image_gan import Latent, mean, report_diversity, report_game

FIXED = (None, "content", "motion")  # what samples of a call may share
Loss = Callable[[Nets, Batch, Progress], Losses]
CHUNK = 16  # frames that `frames` computes at a time


def path_noise(draws: Draws, noise_dim: int, first: int, last: int, scale: float = 1.0) -> Tensor:
    """Return rows `first` to `last - 1` of the noise that moves a path, [N, last - first, noise_dim].

    Row 0, where the path begins, is standard normal, the others `scale` times that. Each row is a stream of its own:
    a clip of more frames begins as the shorter one does.
    """
    rows = [draws.normal(f"motion{t}", noise_dim) * (scale if t else 1.0) for t in range(first, last)]
    return torch.stack(rows, dim=1)


def check_fix(fix: str | None) -> None:
    """Raise ValueError for what samples cannot share."""
    if fix not in FIXED:
        raise ValueError(f"fix must be content or motion, not '{fix}'")


def path_sampler(
    content_dim: int, noise_dim: int, num_frames: int, step_noise: float
) -> tuple[Callable[..., Tensor], Callable[..., Iterator[Tensor]]]:
    """Return (sample, frames) of a G that follows a path: G(content, noise, y), G.motion and G.draw (mocogan)."""
    own_length = num_frames

    def codes(draws: SampleDraws, fix: str | None) -> tuple[Tensor, SampleDraws]:
        check_fix(fix)
        content = (draws.repeated() if fix == "content" else draws).normal("content", content_dim)
        return content, draws.repeated() if fix == "motion" else draws

    def sample(
        nets: Nets,
        draws: SampleDraws,
        label: Tensor | None = None,
        num_frames: int | None = None,
        fix: str | None = None,
    ) -> Tensor:
        """Return clips [N, C, num_frames, H, W]; with `fix` all share sample 0's content, or its motion."""
        if num_frames is not None and num_frames < 1:
            raise ValueError(f"num_frames must be at least 1, not {num_frames}")
        content, moving = codes(draws, fix) if fix is not None else (draws.normal("content", content_dim), draws)
        noise = path_noise(moving, noise_dim, 0, 1 + (num_frames or own_length), step_noise)
        clips: Tensor = nets.G(content, noise, label)
        return clips.float()

    def frames(nets: Nets, draws: SampleDraws, label: Tensor | None = None, fix: str | None = None) -> Iterator[Tensor]:
        """Yield frame after frame [N, C, H, W] of the clips that `sample` returns, without end, in constant memory."""
        content, moving = codes(draws, fix)
        path, state = nets.G.motion(path_noise(moving, noise_dim, 0, 1 + CHUNK, step_noise), label)
        done = CHUNK
        while True:
            yield from nets.G.draw(content, path, label).float().unbind(2)
            noise = path_noise(moving, noise_dim, 1 + done, 1 + done + CHUNK, step_noise)
            path, state = nets.G.motion(noise, label, state)
            done += CHUNK

    return sample, frames


def times(draws: Draws, num_frames: int, count: int) -> Tensor:
    """Return `count` different times [N, count] of a clip in order, drawn at random."""
    return choose(draws.uniform("times", num_frames), count)


def check_seen(num_frames: int, count: int) -> None:
    """Raise ValueError if a clip has not so many frames to look at."""
    if not 1 <= count <= num_frames:
        raise ValueError(f"a clip of {num_frames} frames has no {count} to look at")


def per_clip(losses: Tensor) -> Tensor:
    """Return the loss of each clip, [N], of losses [N] of its one logit or [N, 1 + k] of the clip and of k frames.

    The frames of a clip together count as much as the clip.
    """
    return losses if losses.dim() == 1 else losses[:, 0] + losses[:, 1:].mean(1)


Fakes = Callable[
    [Nets, Draws, Tensor | None], tuple[Tensor, Losses]
]  # (nets, draws, y) -> clips, more terms of G's loss


def clip_game(loss: AdversarialLoss, fakes: Fakes) -> tuple[Loss, Loss]:
    """Return the losses of D and of G, for a D of clips with batch norm: a pass for real ones and one for fakes."""

    def discriminator(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        real, y = batch["clip"], batch.get("label")
        fake, _ = fakes(nets, progress, y)
        real_logits, fake_logits = nets.D(real, y), nets.D(fake, y)
        report_game(progress, real_logits, fake_logits)
        return {"adversarial": mean(loss.discriminator(real_logits, fake_logits), batch.get("weight"))}

    def generator(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        y = batch.get("fake_label", batch.get("label"))
        fake, terms = fakes(nets, progress, y)
        fake_logits = nets.D(fake, y)
        report_diversity(progress, batch["clip"], fake)
        return {"adversarial": mean(loss.generator(fake_logits, fake_logits), batch.get("weight")), **terms}

    return discriminator, generator


def two_code_sampler(
    latent: Latent, latent_dim: int, num_frames: int, draw: Callable[[Nets, Tensor, Tensor, Tensor | None], Tensor]
) -> Callable[..., Tensor]:
    """Return `sample` of a G of one length, by draw(nets, content z, motion z, y): one z for both if none is fixed."""
    length = num_frames

    def sample(
        nets: Nets,
        draws: SampleDraws,
        label: Tensor | None = None,
        num_frames: int | None = None,
        fix: str | None = None,
    ) -> Tensor:
        """Return clips [N, C, T, H, W] of the length trained on; with `fix` all share sample 0's content, or motion."""
        check_fix(fix)
        if num_frames not in (None, length):
            raise ValueError(f"num_frames is {length}, those of the clips it was trained on, not {num_frames}")
        content = motion = latent(draws, latent_dim)
        if fix is not None:
            shared = latent(draws.repeated(), latent_dim)
            content, motion = (shared, motion) if fix == "content" else (content, shared)
        return draw(nets, content, motion, label).float()

    return sample
