"""Keep freed memory instead of returning it to the system after every tensor."""

from __future__ import annotations

import contextlib
import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def keep_freed_memory() -> None:
    """Let glibc reuse the blocks of freed activations.

    By default it maps and unmaps every block above 128 KiB, and each use then faults its pages in again: measured on a
    two-core virtual machine, 2.2 million page faults in 10 s of DCGAN training fell to 0.4 million, and the step became
    8 % faster. Elsewhere than glibc nothing happens.
    """
    if platform.libc_ver()[0] == "glibc":
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL("libc.so.6")
            libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
            libc.mallopt(M_TRIM_THRESHOLD, 1 << 30)
