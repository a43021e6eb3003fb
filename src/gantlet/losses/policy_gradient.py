"""Learning from rewards of what was sampled (REINFORCE, Williams 1992), and what makes its gradients less noisy."""

from __future__ import annotations

import torch
from torch import Tensor


def reinforce(log_p: Tensor, reward: Tensor, baseline: Tensor | float = 0.0) -> Tensor:
    """Return -sum_t log p(token t) (reward_t - baseline_t) per row, [N], from log p and rewards [N, T].

    Its gradient is an unbiased estimate as long as the baseline does not depend on the row's own token.
    """
    return -(log_p.float() * (reward - baseline).detach()).sum(1)


def leave_one_out(reward: Tensor, there: Tensor) -> Tensor:
    """Return for each position [N, T] the mean reward of the other rows that reach it; 0 where none does.

    A baseline that takes away what all rows have in common and keeps the gradient unbiased (Kool 2019).
    """
    counted = there.type_as(reward)
    total, count = (reward * counted).sum(0) - reward * counted, counted.sum(0) - counted
    return total / count.clamp_min(1)


def normalised_ratio(logits: Tensor) -> Tensor:
    """Return N r_i / sum r, mean 1, where r = D / (1 - D) = exp(logit) of a row [N] (Che 2017)."""
    return len(logits) * torch.softmax(logits.float(), 0)
