"""Errors a person can act on: one sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# What torch's allocator says, and oneDNN where its own buffers find no room: which of them asks first is chance.
NO_MEMORY = ("DefaultCPUAllocator", "could not create a primitive", "could not create a memory")


class UserError(Exception):
    """A mistake in what was asked or given; the command line prints it alone and exits with 2."""


class RunFailed(Exception):
    """A run that cannot go on through no mistake in the command (diverged, disk full); exit code 1."""


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out: torch has its own kinds, on a CPU it is a plain RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the known name closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""
