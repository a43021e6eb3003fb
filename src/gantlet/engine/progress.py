"""Progress: where a run stands. Everything that changes while training is a function of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gantlet.draws import BatchDraws, key
from gantlet.engine.stats import Collector
from gantlet.recipe import Phase


@dataclass(frozen=True)
class Counters:
    """The integers (and one clock) that, with the seed, determine everything that follows."""

    step: int = 0
    samples: int = 0
    position: int = 0  # rows taken from the data, over all updates of all phases
    attempt: int = 0  # rollbacks so far: a new number gives new random streams
    seconds: float = 0.0  # spent training, over all starts

    def clock(self) -> dict[str, Any]:
        """Return what says in a log when something was."""
        return {"step": self.step, "samples": self.samples, "seconds": round(self.seconds, 3)}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def due(phase: Phase, counters: Counters) -> bool:
    """Tell whether a phase runs at this step."""
    begun = counters.samples >= phase.start and (phase.stop is None or counters.samples < phase.stop)
    return begun and counters.step % phase.every == 0


class Progress:
    """What a loss sees of the run: counters, keyed draws for the rows at hand, a way to report."""

    def __init__(
        self,
        counters: Counters,
        seed: int,
        device: torch.device,
        collector: Collector | None = None,
        player: str = "",
        place: str = "",
        rows: tuple[int, int, int] = (0, 1, 1),
    ) -> None:
        self.counters = counters
        self._seed, self._device, self._collector = seed, device, collector
        self._player, self._place, self._offset = player, place, rows[0]
        keys = (seed, counters.attempt, counters.step, place)
        self._draws = BatchDraws(keys, *rows, device=device)

    @property
    def step(self) -> int:
        return self.counters.step

    @property
    def samples(self) -> int:
        return self.counters.samples

    def normal(self, stream: str, *shape: int) -> Tensor:
        """Return standard normal numbers [n, *shape] for the n rows at hand."""
        return self._draws.normal(stream, *shape)

    def uniform(self, stream: str, *shape: int) -> Tensor:
        """Return uniform numbers [n, *shape] in [0, 1) for the n rows at hand."""
        return self._draws.uniform(stream, *shape)

    def report(self, name: str, value: Tensor) -> None:
        """Log the mean of `value` under "<player>/<name>"."""
        if self._collector is not None:
            self._collector.add(f"{self._player}/{name}", value)

    def network_seed(self) -> int:
        """Return the seed of random numbers drawn inside networks (dropout), keyed like every other stream.

        Parts of a batch get different ones: they would share their dropout masks otherwise.
        """
        stream = f"networks{self._offset or ''}"
        return key(self._seed, self.counters.attempt, self.counters.step, self._place, stream)

    def at(self, player: str, place: str, rows: tuple[int, int, int]) -> Progress:
        """Return the same moment seen from one update of one phase, for rows (offset, size, total)."""
        return Progress(self.counters, self._seed, self._device, self._collector, player, place, rows)


def advance(counters: Counters, **changes: Any) -> Counters:
    """Return counters with some fields replaced."""
    return replace(counters, **changes)
