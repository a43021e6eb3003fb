"""Ctrl-C while modules are being imported."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ending_imports() -> Iterator[None]:
    """Let a Ctrl-C in the middle of an import, inside of this block, end the process at once with 130.

    Importing a library takes seconds, and its C code may swallow the exception: it then goes on without what it was
    importing, or without the wish to stop. Nothing has begun that could be lost. Elsewhere Ctrl-C raises as always.
    """
    inside = sys._getframe(2)  # the block's own frame: below it somebody may be importing us

    def handle(number: int, frame: FrameType | None) -> None:
        while frame is not None and frame is not inside:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                os.write(2, b"gantlet: interrupted.\n")
                os._exit(130)
            frame = frame.f_back
        raise KeyboardInterrupt

    try:
        previous = signal.signal(signal.SIGINT, handle)
    except ValueError:  # not in the main thread: signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
