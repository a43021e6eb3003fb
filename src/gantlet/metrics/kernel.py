"""The kernel distance between two sets of features: unbiased for any number of samples."""

from __future__ import annotations

import torch
from torch import Tensor

from gantlet.errors import UserError
from gantlet.metrics.checks import check_features, check_pair, exact_products


def polynomial_kernel(x: Tensor, y: Tensor, *, degree: int = 3, gamma: float | None = None, coef: float = 1) -> Tensor:
    """Return (gamma <x_i, y_j> + coef)^degree [N, M] for x [N, F], y [M, F]; gamma is 1 / F unless given."""
    scale = 1 / x.shape[1] if gamma is None else gamma
    return (x @ y.T).mul_(scale).add_(coef).pow_(degree)


def squared_mmd(x: Tensor, y: Tensor, *, degree: int = 3, gamma: float | None = None, coef: float = 1) -> Tensor:
    """Return the unbiased estimate of MMD^2, a scalar that may be negative, for x [N, F], y [M, F] with N, M >= 2.

    Source: Gretton et al. 2012, equation 3; the cubic kernel of Binkowski et al. 2018, arXiv:1801.01401.
    """

    def kernel(first: Tensor, second: Tensor) -> Tensor:
        return polynomial_kernel(first, second, degree=degree, gamma=gamma, coef=coef)

    def within(points: Tensor) -> Tensor:
        n, values = len(points), kernel(points, points)
        return (values.sum() - values.trace()) / (n * (n - 1))

    return within(x) + within(y) - 2 * kernel(x, y).mean()


def kernel_distance(
    x: Tensor,
    y: Tensor,
    *,
    subset_size: int = 1000,
    subsets: int = 100,
    seed: int = 0,
    degree: int = 3,
    gamma: float | None = None,
    coef: float = 1,
) -> tuple[float, float]:
    """Return mean and standard deviation over subsets of the unbiased MMD^2 between x [N, F] and y [M, F].

    The subset rule: a CPU generator is seeded with `seed`; for each of `subsets` turns it draws one permutation of
    x, then one of y, and the first `subset_size` of each are compared. So the subsets depend on the seed and on the
    order of the features alone, and are drawn without replacement within a turn. The deviation is that of the
    subsets (divided by their number): it says how noisy one subset is, not how sure the mean is.

    Computed in float64. Raises UserError when a set has fewer than `subset_size` samples or `subset_size` < 2.

    Source: Binkowski et al. 2018, arXiv:1801.01401, section 4.
    """
    x, y = check_features(x, "features of the first set"), check_features(y, "features of the second set")
    check_pair(x, y)
    if subset_size < 2 or subsets < 1:
        raise UserError(f"subset_size must be at least 2 and subsets at least 1, not {subset_size} and {subsets}.")
    if subset_size > min(len(x), len(y)):
        raise UserError(
            f"A kernel distance over subsets of {subset_size} needs that many samples; "
            f"the sets have {len(x)} and {len(y)}. Give more samples or a smaller subset_size."
        )
    generator = torch.Generator().manual_seed(seed)
    values = []
    with exact_products(x.device):
        for _ in range(subsets):
            first = torch.randperm(len(x), generator=generator)[:subset_size].to(x.device)
            second = torch.randperm(len(y), generator=generator)[:subset_size].to(y.device)
            subset_x, subset_y = x[first].double(), y[second].to(x.device).double()
            values.append(squared_mmd(subset_x, subset_y, degree=degree, gamma=gamma, coef=coef))
    all_values = torch.stack(values)
    return float(all_values.mean()), float(all_values.std(correction=0))
