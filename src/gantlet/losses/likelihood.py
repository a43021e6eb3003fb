"""Likelihoods."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def class_loss(class_logits: Tensor, y: Tensor) -> Tensor:
    """Return -log p(y) per sample, [N], from raw logits [N, K]: softmax before this is the classic AC-GAN bug."""
    return F.cross_entropy(class_logits.float(), y, reduction="none")
