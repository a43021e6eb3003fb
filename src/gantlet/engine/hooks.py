"""Hooks every run has: checkpoints and pictures of itself by the clock, a tick that reads the statistics.

They are `Clocked`: every process of a run has them all, in the same order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gantlet.engine import parallel
from gantlet.engine.health import Watch
from gantlet.engine.loop import Training, save

Event = Callable[[str, str], None]  # (event, message)


class LookAway(BaseException):
    """A signal to stop came while a hook was looking on."""


@contextmanager
def looking_on(training: Training) -> Iterator[None]:
    """Do what changes nothing of the run; a signal to stop cuts it short, so that nobody waits for a long evaluation.

    Under torchrun it is finished: the other processes take part in it.
    """
    training.looking = parallel.world_size() == 1
    try:
        yield
    except LookAway:
        pass
    finally:
        training.looking = False


class SaveByClock:
    """Saves a checkpoint every `run.save_every` seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()

    def due(self, training: Training) -> bool:
        return time.monotonic() - self._last >= self._seconds

    def after_step(self, training: Training) -> None:
        save(training)  # NotFinite sends the run back to its last good checkpoint
        self._last = time.monotonic()

    def note(self, event: str, message: str) -> None:
        """Nothing to tell."""


class ShowByClock:
    """Lets process 0 call `show` every `seconds` and when the run is finished; the time it takes is not the run's."""

    def __init__(self, show: Callable[[Training], None], seconds: float) -> None:
        self._show, self._seconds = show, seconds
        self._last = time.monotonic()

    def due(self, training: Training) -> bool:
        return time.monotonic() - self._last >= self._seconds

    def after_step(self, training: Training) -> None:
        self.conclude(training)

    def conclude(self, training: Training) -> None:
        """Show what the run is now."""
        began = time.perf_counter()
        with looking_on(training):
            parallel.by_first(lambda: self._show(training))
        self._last = time.monotonic()
        training.paused += time.perf_counter() - began

    def note(self, event: str, message: str) -> None:
        """Nothing to tell."""


class Tick:
    """Reads the statistics every `seconds`, looks for signs of trouble, hands both to listeners.

    They are means over the processes; every process hears them.
    """

    def __init__(
        self, listener: Callable[[Training, Mapping[str, Any]], None], watch: Watch, note: Event, seconds: float = 2.0
    ) -> None:
        self._listener, self._watch, self._note, self._seconds = listener, watch, note, seconds
        self._last, self._samples = time.monotonic(), -1

    def due(self, training: Training) -> bool:
        return self._samples < 0 or time.monotonic() - self._last >= self._seconds or training.fraction() >= 1

    def after_step(self, training: Training) -> None:
        now = time.monotonic()
        if self._samples < 0:
            self._samples = training.counters.samples - training.batch_size
        rate = (training.counters.samples - self._samples) / max(now - self._last, 1e-9)
        statistics = parallel.mean_of(training.collector.read())
        self._listener(training, {"samples_per_second": rate, **statistics})
        for message in self._watch.look(statistics, training.counters.step):
            self._note("health", message)
        self._last, self._samples = now, training.counters.samples

    def note(self, event: str, message: str) -> None:
        """Pass an event of the engine on."""
        self._note(event, message)
