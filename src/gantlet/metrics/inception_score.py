"""The inception score: are the samples of clear classes, and of many?"""

from __future__ import annotations

import torch
from torch import Tensor

from gantlet.errors import UserError
from gantlet.metrics.checks import check_features


def inception_score(logits: Tensor, *, splits: int = 10) -> tuple[float, float]:
    """Return mean and standard deviation over splits of exp(E KL(p(y|x) || p(y))) for logits [N, K]: 1 to K.

    Split i holds samples i N // splits up to (i + 1) N // splits in the given order; p(y) is the mean over the split.
    The score knows no reference: it rewards K clear classes even where the data has others.

    Raises UserError when there are fewer samples than splits or the logits are not finite.

    Source: Salimans et al. 2016, arXiv:1606.03498, section 4.
    """
    if splits < 1:
        raise UserError(f"splits must be at least 1, not {splits}.")
    logits = check_features(logits, "logits", minimum=splits)
    log_p = torch.log_softmax(logits.double(), dim=1)
    scores = []
    for i in range(splits):
        part = log_p[i * len(log_p) // splits : (i + 1) * len(log_p) // splits]
        log_marginal = torch.logsumexp(part, dim=0) - torch.tensor(len(part), dtype=torch.float64).log()
        scores.append((part.exp() * (part - log_marginal)).sum(dim=1).mean().exp())
    all_scores = torch.stack(scores)
    return float(all_scores.mean()), float(all_scores.std(correction=0))
