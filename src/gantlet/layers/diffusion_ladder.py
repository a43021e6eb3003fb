"""Noise on a discriminator's input whose strongest level adapts itself (Diffusion-GAN, arXiv:2206.02262)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DiffusionLadder(nn.Module):
    """Pictures at random rungs t of a diffusion, y = sqrt(a_t) x + sqrt(1 - a_t) sigma n, with t / steps beside them.

    a_t is the product of 1 - beta up to t, beta linear from 1e-4 to .02 over all `steps`. Half of the pictures stay as
    they are (t = 0), the others are at t uniform in 1 to T. T lives here, in buffers: every `interval` steps it grows
    if D is too sure of real pictures, the mean sign of their logits above `target`, and shrinks if not; from the
    shortest to the longest ladder it takes `samples` samples (the controller of Karras 2020, ADA).
    """

    signal: Tensor
    noise: Tensor
    length: Tensor
    signs: Tensor
    seen: Tensor
    last: Tensor

    def __init__(self, steps: int, shortest: int, sigma: float, target: float, samples: int, interval: int = 4) -> None:
        super().__init__()
        self.steps, self.shortest, self.target = steps, shortest, target
        self.samples, self.interval = samples, interval
        kept = (1 - torch.linspace(1e-4, 0.02, steps, dtype=torch.float64)).cumprod(0)
        kept = torch.cat([torch.ones(1, dtype=torch.float64), kept])
        self.register_buffer("signal", kept.sqrt().float())
        self.register_buffer("noise", sigma * (1 - kept).sqrt().float())
        self.register_buffer("length", torch.tensor(float(shortest)))
        self.register_buffer("signs", torch.zeros(()))  # sum of the signs of real logits since the last change
        self.register_buffer("seen", torch.zeros(()))  # how many they were
        self.register_buffer("last", torch.zeros((), dtype=torch.int64))  # step of the last change

    def forward(self, x: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
        """Return [N, C + 1, H, W]: x [N, C, H, W] diffused, and a plane of t / steps. `uniform` [N], `normal` as x."""
        rung = ((2 * uniform - 1) * self.length.round()).ceil().clamp_min(0).long()
        signal, noise = (level[rung][:, None, None, None] for level in (self.signal, self.noise))
        plane = (rung / self.steps)[:, None, None, None].expand(-1, 1, *x.shape[2:])
        return torch.cat([signal * x + noise * normal, plane], 1)

    @torch.no_grad()
    def watch(self, real_logits: Tensor) -> None:
        """Count the signs of D's logits of real pictures, [N]."""
        self.signs.add_(real_logits.float().sign().sum())
        self.seen.add_(real_logits.numel())

    @torch.no_grad()
    def adapt(self, step: int) -> None:
        """Move T by what was counted, if this step is due; a second call in the same step changes nothing.

        To be called before the first pictures of a step are diffused: parts of one batch then all see the same T.
        """
        due = (step - self.last >= self.interval) & (self.seen > 0)
        rate = (self.steps - self.shortest) / self.samples  # rungs a sample
        move = torch.sign(self.signs / self.seen.clamp_min(1) - self.target) * rate * self.seen
        moved = (self.length + move).clamp(self.shortest, self.steps)
        self.length.copy_(torch.where(due, moved, self.length))
        self.last.copy_(torch.where(due, torch.full_like(self.last, step), self.last))
        for counted in (self.signs, self.seen):
            counted.copy_(torch.where(due, torch.zeros_like(counted), counted))
