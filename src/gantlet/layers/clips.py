"""Clips [N, C, T, H, W] and their frames [N * T, C, H, W], without a copy where memory is channels-last."""

from __future__ import annotations

import torch
from torch import Tensor


def frames_of(clips: Tensor) -> Tensor:
    """Return the frames [N * T, C, H, W] of clips [N, C, T, H, W], clip after clip, channels-last."""
    return clips.permute(0, 2, 3, 4, 1).flatten(0, 1).permute(0, 3, 1, 2)


def as_clips(frames: Tensor, count: int) -> Tensor:
    """Return clips [count, C, T, H, W] of their frames [count * T, C, H, W], clip after clip."""
    rows = frames.permute(0, 2, 3, 1)
    return rows.reshape(count, -1, *rows.shape[1:]).permute(0, 4, 1, 2, 3)


def pick(clips: Tensor, times: Tensor) -> Tensor:
    """Return the frames [N, C, k, H, W] at `times` [N, k], whole numbers below T, of clips [N, C, T, H, W]."""
    rows = torch.arange(len(clips), device=clips.device)[:, None]
    return clips.permute(0, 2, 1, 3, 4)[rows, times].permute(0, 2, 1, 3, 4)


def choose(uniform: Tensor, count: int) -> Tensor:
    """Return `count` different times [N, count] in order, every choice as likely, from U(0, 1) numbers [N, T]."""
    return uniform.argsort(1)[:, :count].sort(1).values
