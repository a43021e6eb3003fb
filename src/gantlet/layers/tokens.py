"""Rows of tokens [N, T]: a sentence, END, then PAD; and how one symbol is chosen from its logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PAD, END, BEGIN, UNKNOWN = range(4)  # real symbols have the ids from 4 on
ROWS = 1024  # rows of logits whose distributions are summed up at once: 20 MB for 5,000 symbols


def shifted(tokens: Tensor) -> Tensor:
    """Return what a network that predicts each token has read before it: BEGIN, then all but the last."""
    return F.pad(tokens[:, :-1], (1, 0), value=BEGIN)


def unfinished(tokens: Tensor) -> Tensor:
    """Return which positions [N, T] belong to the sentence or are its END."""
    ends = (tokens == END).cumsum(1)
    return (ends == 0) | ((ends == 1) & (tokens == END))


def finished(tokens: Tensor) -> Tensor:
    """Return tokens with PAD after the first END."""
    return tokens.where(unfinished(tokens), PAD)


def pick(logits: Tensor, uniform: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the token [N] at which the distribution function of logits [N, V] passes uniform numbers [N].

    Inverse-CDF sampling: one number per token, so a row's choice depends on its own number alone. Temperature 0 takes
    the most likely symbol.
    """
    if temperature == 0:
        return logits.argmax(1)
    if len(logits) > ROWS:
        parts = zip(torch.split(logits, ROWS), torch.split(uniform, ROWS), strict=True)
        return torch.cat([pick(*part, temperature) for part in parts])
    weights = torch.softmax(logits.float() / temperature, 1).cumsum(1)
    chosen = torch.searchsorted(weights, uniform[:, None] * weights[:, -1:], right=True)
    return chosen[:, 0].clamp_max(logits.shape[1] - 1)  # the product may round up to the last sum itself


def gumbel(uniform: Tensor) -> Tensor:
    """Return standard Gumbel numbers from uniform ones in [0, 1): -log(-log u)."""
    return -torch.log(-torch.log(uniform.clamp_min(1e-20)))
