"""A probability that follows how far D overfits (Karras 2020, ADA, section 3; Jiang 2021, APA, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Adaptive(nn.Module):
    """p rises while r_t = E sign(D(real)) is above its target and falls while below, all state in buffers.

    r_t is 0 without overfitting and 1 with complete overfitting; it needs a loss for which logit 0 lies between real
    and fake. Every `interval` samples p moves by (samples since then) / `speed`, clamped to [0, `highest`]: near 1 the
    augmentations would leak into the samples.
    """

    p: Tensor
    r: Tensor
    signs: Tensor
    count: Tensor
    since: Tensor

    def __init__(self, p: float, target: float, speed: int, interval: int, highest: float) -> None:
        super().__init__()
        self.target, self.speed, self.interval, self.highest = target, speed, interval, highest
        for name, value in dict(p=p, r=0.0, signs=0.0, count=0.0).items():
            self.register_buffer(name, torch.tensor(value))
        self.register_buffer("since", torch.tensor(0))  # samples seen at the last change of p

    @torch.no_grad()
    def update(self, real_logits: Tensor, samples: int) -> None:
        """Take note of D's logits on real pictures at a moment of training, and move p if it is due. Never waits."""
        self.signs += real_logits.float().sign().sum()
        self.count += real_logits.numel()
        elapsed = samples - self.since
        due = elapsed >= self.interval
        r = self.signs / self.count
        p = (self.p + (r - self.target).sign() * elapsed / self.speed).clamp(0.0, self.highest)
        self.p.copy_(torch.where(due, p, self.p))
        self.r.copy_(torch.where(due, r, self.r))
        self.since.add_(torch.where(due, elapsed, 0))
        for total in (self.signs, self.count):
            total.mul_(~due)
