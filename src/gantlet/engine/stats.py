"""Statistics that never wait for the device: sums are kept where the tensors are and read once per tick."""

from __future__ import annotations

import torch
from torch import Tensor


class Collector:
    """Means of named values since the last reading."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._latest: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, name: str, value: Tensor) -> None:
        """Add the mean of `value` to the statistic `name`."""
        value = value.detach().float()
        value = value if value.dim() == 0 else value.mean()
        self._latest[name] = value
        if name in self._sums:
            self._sums[name] += value
            self._counts[name] += 1
        else:
            self._sums[name], self._counts[name] = value.clone(), 1

    def begin_step(self) -> None:
        """Forget what the step before added last."""
        self._latest.clear()

    def latest(self) -> dict[str, float]:
        """Return what was added last in this step, in one transfer; the means are left alone."""
        names, values = list(self._latest), list(self._latest.values())
        return dict(zip(names, torch.stack(values).cpu().tolist(), strict=True)) if names else {}

    def read(self) -> dict[str, float]:
        """Return all means, in one transfer, and begin anew."""
        if not self._sums:
            return {}
        means = torch.stack([total / self._counts[name] for name, total in self._sums.items()]).cpu().tolist()
        read = dict(zip(self._sums, means, strict=True))
        self._sums.clear()
        self._counts.clear()
        return read
