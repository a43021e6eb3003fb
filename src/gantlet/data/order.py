"""The order of the data: a pure function of the seed and the epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


class Order:
    """Which sample comes at which position of an endless stream: every epoch is a new permutation of all samples.

    Position s lies in epoch s // num_samples; batches run across the ends of epochs, so every batch is full. The
    permutation sorts the raw output of a Philox generator keyed by (seed, epoch), which is the same on every machine
    and in every version of NumPy. With `weights` ([num_samples], not negative, some positive) samples are drawn
    with replacement instead, with probability in proportion to their weight.
    """

    def __init__(self, num_samples: int, seed: int, weights: NDArray[Any] | None = None) -> None:
        if num_samples < 1:
            raise ValueError(f"an order needs at least one sample, not {num_samples}")
        self.num_samples = num_samples
        self.seed = seed
        self._edges: NDArray[np.float64] | None = None
        if weights is not None:
            weights = np.asarray(weights, np.float64)
            if weights.shape != (num_samples,) or not np.isfinite(weights).all() or (weights < 0).any():
                raise ValueError(f"weights must be {num_samples} finite numbers that are not negative")
            if not weights.sum() > 0:
                raise ValueError("at least one weight must be positive")
            self._edges = np.cumsum(weights) / weights.sum()
            self._last = int(np.flatnonzero(weights)[-1])
        self._epoch = -1
        self._drawn: Indices = np.empty(0, np.int64)

    def indices(self, start: int, count: int) -> Indices:
        """Return the indices [count] int64 of the samples at positions start to start + count - 1."""
        if start < 0 or count < 0:
            raise ValueError(f"positions count from 0, not start={start}, count={count}")
        out = np.empty(count, np.int64)
        done = 0
        while done < count:
            epoch, offset = divmod(start + done, self.num_samples)
            some = self._of_epoch(epoch)[offset : offset + count - done]
            out[done : done + len(some)] = some
            done += len(some)
        return out

    def _of_epoch(self, epoch: int) -> Indices:
        if epoch != self._epoch:
            key = (self.seed % 2**64) | (epoch << 64)
            raw = np.random.Philox(key=key).random_raw(self.num_samples)
            if self._edges is None:
                self._drawn = np.argsort(raw, kind="stable").astype(np.int64)
            else:
                points = (raw >> np.uint64(11)) * 2.0**-53  # [0, 1)
                self._drawn = np.minimum(np.searchsorted(self._edges, points, side="right"), self._last)
            self._epoch = epoch
        return self._drawn


def effective_number_weights(labels: NDArray[Any], beta: float = 0.999) -> NDArray[np.float64]:
    """Return weights [N], of mean 1, in proportion to (1 - beta) / (1 - beta^n) for a sample of a class of n.

    They are for losses, instead of drawing rare classes more often: never both. Near beta 1 all classes weigh alike.

    Source: Cui et al. 2019, arXiv:1901.05555, equation 2, which has the weights of the classes sum to their number; of
    mean 1 over the samples they leave the scale of the loss alone.
    """
    _, inverse, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    weights = ((1 - beta) / (1 - beta ** counts.astype(np.float64)))[inverse]
    return np.asarray(weights / weights.mean())


def balanced_weights(labels: NDArray[Any], alpha: float = 1.0) -> NDArray[np.float64]:
    """Return weights [N], of sum 1, under which a class of count n is drawn in proportion to n^(1 - alpha).

    `alpha` 1 makes all classes that occur equally likely, 0 leaves them as they come; `labels` [N] are integers.
    """
    _, inverse, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    weights = counts[inverse].astype(np.float64) ** -alpha
    return np.asarray(weights / weights.sum())
