"""Likelihoods and what stands beside them in a variational bound, in nats per sample, in float32."""

from __future__ import annotations

from math import log, pi

import torch.nn.functional as F
from torch import Tensor


def class_loss(class_logits: Tensor, y: Tensor) -> Tensor:
    """Return -log p(y) per sample, [N], from raw logits [N, K]: softmax before this is the classic AC-GAN bug."""
    return F.cross_entropy(class_logits.float(), y, reduction="none")


def bernoulli_nll(logits: Tensor, x: Tensor) -> Tensor:
    """Return -log p(x) per sample, [N], summed over everything but the batch; x in [0, 1], p = sigmoid(logits).

    x need not be 0 or 1 (Kingma & Welling 2013, appendix C.1, as it is used on grey pictures). A sum, not a mean: the
    mean over pixels weakens the likelihood 784-fold against the KL term, and nothing is learnt on MNIST.
    """
    nats: Tensor = F.binary_cross_entropy_with_logits(logits.float(), x.float(), reduction="none").flatten(1).sum(1)
    return nats


def gaussian_nll(mean: Tensor, x: Tensor) -> Tensor:
    """Return -log N(x; mean, I) per sample, [N]: (|x - mean|^2 + F log 2 pi) / 2 over the F numbers of a sample."""
    squares = (x.float() - mean.float()).square().flatten(1)
    return (squares.sum(1) + squares.shape[1] * log(2 * pi)) / 2


def kl_from_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, exp(log_variance)) || N(0, I)) per sample, [N] (Kingma & Welling 2013, appendix B)."""
    mean, log_variance = mean.float(), log_variance.float()
    return (mean.square() + log_variance.exp() - log_variance - 1).flatten(1).sum(1) / 2
