"""What a classifier of the data's own classes says of samples: which classes appear, and whether labels are obeyed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gantlet.errors import UserError
from gantlet.metrics.checks import check_features, check_pair


def predicted_classes(logits_or_classes: Tensor) -> Tensor:
    """Return classes [N] int64 from logits [N, K], or from classes [N] that are given back.

    Raises UserError for another shape, classes that are no integers, or logits that are not finite.
    """
    if logits_or_classes.ndim == 2:
        return check_features(logits_or_classes, "logits", minimum=1).argmax(dim=1)
    if logits_or_classes.ndim != 1 or logits_or_classes.is_floating_point():
        raise UserError(f"Give logits [N, K] or whole classes [N]; not {list(logits_or_classes.shape)}.")
    return logits_or_classes.long()


def class_coverage(
    logits_or_classes: Tensor, num_classes: int, *, minimum_share: float | None = None
) -> dict[str, Any]:
    """Return how many of `num_classes` classes appear among samples, given by logits [N, K] or classes [N].

    A class is covered when its share of the samples is at least `minimum_share`, by default 0.1 / num_classes: a
    tenth of what an even mix would give it. The dict holds `covered` (int), `num_classes`, `minimum_share`,
    `shares` (a list that sums to 1) and `missing` (the classes not covered).

    Raises UserError when there are no samples or a class lies outside 0 .. num_classes - 1.
    """
    if num_classes < 1:
        raise UserError(f"num_classes must be at least 1, not {num_classes}.")
    counts = _counts(predicted_classes(logits_or_classes), num_classes)
    shares = counts.double() / counts.sum()
    least = 0.1 / num_classes if minimum_share is None else minimum_share
    covered = (shares >= least) & (counts > 0)
    return {
        "covered": int(covered.sum()),
        "num_classes": num_classes,
        "minimum_share": least,
        "shares": shares.tolist(),
        "missing": (~covered).nonzero().flatten().tolist(),
    }


def class_divergence(logits_or_classes: Tensor, reference_shares: Tensor) -> float:
    """Return KL(q || p) >= 0 in nats of the classes q of samples against the shares p [K] of a reference.

    This is the KL of the Stacked-MNIST experiments. Its floor is not 0: K classes counted in N samples of p itself
    give about (K - 1) / 2N, so print that beside it.

    Raises UserError when a class appears that the reference does not have.

    Source: Metz et al. 2017, arXiv:1611.02163, section 3.3.1.
    """
    counts = _counts(predicted_classes(logits_or_classes), len(reference_shares)).cpu()
    q = counts.double() / counts.sum()
    p = reference_shares.double().cpu() / reference_shares.double().cpu().sum()
    if bool(((p == 0) & (q > 0)).any()):
        raise UserError("Samples fall in a class that the reference does not have, so the divergence is infinite.")
    present = q > 0
    return float((q[present] * (q[present] / p[present]).log()).sum().clamp_min(0))


def label_accuracy(logits_or_classes: Tensor, labels: Tensor) -> float:
    """Return the share in [0, 1] of samples, by logits [N, K] or classes [N], whose class is the asked label [N].

    Raises UserError when the numbers of samples and labels differ or there are none.
    """
    classes = predicted_classes(logits_or_classes)
    if len(classes) == 0 or classes.shape != labels.shape:
        raise UserError(f"{len(classes)} samples need as many labels [N]; they have {list(labels.shape)}.")
    return float((classes == labels.to(classes.device)).double().mean())


def per_class_diversity(
    fake: Tensor, fake_labels: Tensor, real: Tensor, real_labels: Tensor, num_classes: int
) -> dict[str, Any]:
    """Return for each class how far samples lie from each other, relative to real ones: about 1 is right, 0 collapsed.

    The distance within a class is the root mean square over pairs of different samples, (2 tr C)^(1/2) with C the
    unbiased covariance of the class: no pair need be formed. The dict holds `ratios` (a list with None for a class
    of fewer than two samples on either side, or of equal reals), their `mean` and their `minimum`.

    `fake` [M, F] and `real` [N, F] are features, the labels [M] and [N] int64. Raises UserError when no class has
    two samples on both sides.
    """
    fake, real = check_features(fake, "features of the samples"), check_features(real, "real features")
    check_pair(fake, real)
    ours, theirs = _spread(fake, fake_labels, num_classes), _spread(real, real_labels, num_classes)
    ratios = [a / b if a is not None and b else None for a, b in zip(ours, theirs)]
    known = [ratio for ratio in ratios if ratio is not None]
    if not known:
        raise UserError("No class has two or more different samples on both sides, so no diversity can be compared.")
    return {"ratios": ratios, "mean": sum(known) / len(known), "minimum": min(known)}


def _counts(classes: Tensor, num_classes: int) -> Tensor:
    if len(classes) == 0:
        raise UserError("There are no samples whose classes could be counted.")
    if int(classes.min()) < 0 or int(classes.max()) >= num_classes:
        raise UserError(
            f"Classes must lie in 0..{num_classes - 1}; they go from {int(classes.min())} to {int(classes.max())}."
        )
    return torch.bincount(classes, minlength=num_classes)


def _spread(features: Tensor, labels: Tensor, num_classes: int) -> list[float | None]:
    if labels.shape != features.shape[:1]:
        raise UserError(f"{len(features)} samples need as many labels [N]; they have {list(labels.shape)}.")
    spread: list[float | None] = []
    for label in range(num_classes):
        rows = features[(labels == label).to(features.device)].double()
        spread.append(float((2 * rows.var(dim=0).sum()).sqrt()) if len(rows) >= 2 else None)
    return spread
