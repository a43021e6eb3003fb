"""Stopping a run by a signal: it is saved first."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gantlet.engine import loop, parallel
from gantlet.engine.hooks import LookAway


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM arrived; the run was saved and the same command goes on with it."""

    def __init__(self, number: int, out: Path) -> None:
        super().__init__(f"Stopped and saved in {out}; the same command goes on from here.")
        self.exit_code = 128 + number


@contextmanager
def stopping_on_signals(training: loop.Training) -> Iterator[list[int]]:
    """Turn the first Ctrl-C or SIGTERM into a request to stop and save; a second one stops at once.

    Under torchrun a process may get the first one twice, from the scheduler and from torchrun.
    """
    received: list[int] = []
    deaf_until = 0.0

    def handle(number: int, frame: object) -> None:
        nonlocal deaf_until
        if received and time.monotonic() >= deaf_until:
            raise KeyboardInterrupt
        deaf_until = deaf_until or time.monotonic() + (2.0 if parallel.world_size() > 1 else 0.0)
        received.append(number)
        training.stop_requested = True
        if training.looking:
            training.looking = False
            raise LookAway

    try:
        previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: signals are somebody else's
        yield received
        return
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
