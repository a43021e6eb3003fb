"""Reading what others wrote: one sentence for whatever a parser raises, and limits before anything is allocated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from gantlet.errors import UserError

MAX_FILE_BYTES = 512 * 2**20  # one picture file, packed or unpacked
MAX_ARRAY_BYTES = 64 * 2**30  # one array of pictures
FREE_BYTES = 64 * 2**20  # unpacked sizes up to here are harmless whatever the ratio
MAX_BLANK = 40_000  # as MAX_RATIO, of pictures that may be blank: a GIF packs 2,700 pixels into a byte, of 8 each
MAX_RATIO = 200  # unpacked / packed beyond which an archive is taken for a bomb


def shown(name: object) -> str:
    """Return a file name that fits on one line of any terminal: control characters and odd bytes are escaped."""
    text = str(name)
    if len(text) <= 300 and text.isprintable():
        return text
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return text if len(text) <= 300 else f"{text[:140]}...{text[-140:]}"


def reason(error: BaseException) -> str:
    """Return an exception's own words on one line, without memory addresses, or its kind if it has none."""
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = re.sub(r"\s*<[^<>]* object at 0x[0-9a-f]+>", "", str(error)).strip()
    text = shown(text.splitlines()[0].rstrip(".")) if text else type(error).__name__
    return text[:160]


@contextmanager
def reading(name: object, advice: str) -> Iterator[None]:
    """Turn whatever the parser of a foreign file raises into one `UserError`: name, reason, advice."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # parsers raise nearly everything on damaged bytes
        raise UserError(f"{shown(name)}: cannot be read ({reason(error)}); {advice}.") from error


def check_ratio(name: object, unpacked: int, packed: int, most: int = MAX_RATIO) -> None:
    """Refuse what would unpack to suspiciously more than it is, both in bytes.

    Raises:
        UserError: for more than 64 MiB at more than `most` times the packed size.
    """
    if unpacked > FREE_BYTES and unpacked > most * max(packed, 1):
        raise UserError(
            f"{shown(name)}: {packed:,} bytes would unpack to {unpacked:,}, which looks like a decompression bomb; "
            "unpack it yourself if you trust it."
        )
