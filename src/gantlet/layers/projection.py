"""Labels projected onto a discriminator's features: cGANs with Projection Discriminator (Miyato & Koyama 2018)."""

from __future__ import annotations

from torch import Tensor, nn


def projected_logits(h: Tensor, y: Tensor | None, logit: nn.Module, embedding: nn.Embedding | None) -> Tensor:
    """Return psi(h) + <embed(y), h>, [N] (arXiv:1802.05637, Eq. 7), of features [N, F]; without an embedding psi(h)."""
    logits: Tensor = logit(h)[:, 0]
    return logits if embedding is None else logits + (embedding(y) * h).sum(1)
