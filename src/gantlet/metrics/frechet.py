"""The Frechet distance between two sets of features, from their means and covariances."""

from __future__ import annotations

import torch
from torch import Tensor

from gantlet.errors import UserError
from gantlet.metrics.checks import check_features, exact_products


class Moments:
    """Streaming mean [F] and covariance [F, F] of features, in float64.

    Batches, or the moments of other processes, are combined with the pairwise update, which does not lose digits
    to a large mean as sums of squares do.

    Source: Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
    """

    def __init__(self, num_features: int, *, device: torch.device | str = "cpu") -> None:
        if num_features < 1:
            raise ValueError(f"num_features must be positive, not {num_features}")
        self.count = 0
        with torch.inference_mode(False):  # added to in place, inside that mode or outside
            self.mean = torch.zeros(num_features, dtype=torch.float64, device=device)
            self._scatter = torch.zeros(num_features, num_features, dtype=torch.float64, device=device)

    @classmethod
    def of(cls, features: Tensor, *, chunk: int = 8192) -> Moments:
        """Return the moments of `features` [N, F], `chunk` rows at a time to bound the float64 copy."""
        moments = cls(features.shape[1], device=features.device)
        for rows in torch.split(features, chunk):
            moments.update(rows)
        return moments

    @property
    def num_features(self) -> int:
        """The number F of features."""
        return self.mean.shape[0]

    @property
    def covariance(self) -> Tensor:
        """The unbiased covariance [F, F], divided by N - 1 as in the reference implementation.

        Raises UserError when fewer than two samples were seen.
        """
        if self.count < 2:
            raise UserError(f"A covariance needs at least 2 samples; {self.count} were given.")
        return self._scatter / (self.count - 1)

    def update(self, features: Tensor) -> Moments:
        """Take in a batch `features` [N, F], N >= 0, and return self.

        Raises UserError when the features are not finite or not [N, F] with the F of these moments.
        """
        features = check_features(features, "features", minimum=0)
        if features.shape[1] != self.num_features:
            raise UserError(f"These moments are of {self.num_features} features; a batch has {features.shape[1]}.")
        if len(features) == 0:
            return self
        rows = features.detach().to(self.mean.device, torch.float64, copy=True)
        mean = rows.mean(dim=0)
        rows -= mean
        with exact_products(rows.device):
            self._combine(len(rows), mean, _products(rows))
        return self

    def merge(self, other: Moments) -> Moments:
        """Take in everything `other` has seen and return self; `other` stays as it is."""
        if other.num_features != self.num_features:
            raise UserError(f"Moments of {self.num_features} and {other.num_features} features cannot be merged.")
        if other.count:
            self._combine(other.count, other.mean.to(self.mean), other._scatter.to(self.mean))
        return self

    def _combine(self, count: int, mean: Tensor, scatter: Tensor) -> None:
        total = self.count + count
        gap = mean - self.mean
        self._scatter += scatter
        self._scatter.addr_(gap, gap, alpha=self.count * count / total)
        self.mean = self.mean + gap * (count / total)
        self.count = total


def _products(rows: Tensor) -> Tensor:
    """Return rows.T @ rows [F, F] of rows [N, F]; on a processor NumPy, which computes half of a symmetric product."""
    if rows.device.type != "cpu":
        return rows.T @ rows
    values = rows.detach().numpy()
    return torch.from_numpy(values.T @ values)


def frechet_distance(a: Moments, b: Moments) -> float:
    """Return |mu1 - mu2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2)), at least 0.

    With C1 = R R^T the eigenvalues of C1 C2 are those of the symmetric R^T C2 R, so its root has the trace of their
    roots: real, no iteration that may fail, and well behaved for the singular covariances of few samples. R is the
    Cholesky factor, a tenth of the work, or the root of C1 where that is singular. Negative eigenvalues and a negative
    distance are rounding and are set to 0.

    Raises UserError when the numbers of features differ or a set has fewer than two samples.

    Source: Heusel et al. 2017, arXiv:1706.08500, equation 6 (Dowson & Landau 1982).
    """
    if a.num_features != b.num_features:
        raise UserError(
            f"The two sets have {a.num_features} and {b.num_features} features: "
            "extract both with the same network before comparing them."
        )
    first, second = a.covariance, b.covariance.to(a.mean)
    with exact_products(a.mean.device):
        root = _root(first)
        product = root.T @ second @ root
        eigenvalues = torch.linalg.eigvalsh((product + product.T) / 2)
    gap = (a.mean - b.mean.to(a.mean)).square().sum()
    distance = gap + first.trace() + second.trace() - 2 * eigenvalues.clamp_min(0).sqrt().sum()
    return max(0.0, float(distance))


def _root(covariance: Tensor) -> Tensor:
    """Return R [F, F] with R R^T = covariance up to rounding: lower triangular, or symmetric if it is singular."""
    found: tuple[Tensor, Tensor] = torch.linalg.cholesky_ex(covariance)
    if not found[1]:
        return found[0]
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return root
