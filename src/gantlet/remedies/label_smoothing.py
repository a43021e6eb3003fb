"""Label smoothing: Improved Techniques for Training GANs (Salimans et al., 2016, 3.4), arXiv:1606.03498."""

from __future__ import annotations

from gantlet.recipe import Losses, Recipe
from gantlet.remedies.surgery import Moment, after


def label_smoothing(
    recipe: Recipe,
    *,
    target: float = 0.9,  # of D on real pictures; fakes keep theirs, which is the one side
) -> Recipe:
    """D is asked to be 90 % sure of real pictures, not 100 %.

    Symptom: D is overconfident: accuracy near 1, logits that grow without end.
    (1 - target) E D(real) is added, which turns softplus(-r) into the cross-entropy with this target, and, up to a
    constant, least squares with target 1 into least squares with this one. For other losses it only holds D(real) down.
    """

    def smooth(moment: Moment) -> Losses:
        # -t log s(r) - (1 - t) log(1 - s(r)) = softplus(-r) + (1 - t) r
        return {**moment.terms, "smoothing": (1 - target) * moment.logits("real_logits").mean()}

    return after(recipe, "D", smooth)
