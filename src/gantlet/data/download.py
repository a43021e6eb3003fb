"""Files from the network, each with its checksum: under a temporary name until they are verified."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gantlet.errors import UserError
from gantlet.media.foreign import reading, reason, shown

Progress = Callable[[int, int], None]  # (bytes done, bytes in all or 0)

_MOST = 2 * 2**30
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Pinned:
    """A file with its public home and its checksum ("sha256" or "md5", and its digits)."""

    name: str
    url: str
    algorithm: str
    digest: str


def verify(path: Path, pinned: Pinned) -> None:
    """Raise `UserError` unless the file has the pinned checksum."""
    with reading(path, "check that it may be read"):
        digest = _checksum(path, pinned.algorithm)
    if digest != pinned.digest:
        raise UserError(
            f"{shown(path)}: its {pinned.algorithm} checksum is {digest}, not the published {pinned.digest}; delete it "
            f"and fetch {pinned.url} again."
        )


def _checksum(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def fetch(pinned: Pinned, folder: Path, progress: Progress | None = None, beside: Sequence[str] = ()) -> Path:
    """Download a file into `folder` unless it is there; return its path. Either way it has the pinned checksum.

    Raises:
        UserError: no network, a wrong checksum or a full disk; the sentence names the address, and the folder into
            which the file (and those `beside` it) can be put by hand.
    """
    target = folder / pinned.name
    if target.exists():
        verify(target, pinned)
        return target
    temporary = folder / f".{pinned.name}.{os.getpid()}.part"
    by_hand = f"or put {' and '.join((pinned.name, *beside))} from there into {shown(folder)} by hand"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _copy(pinned.url, temporary, progress)
        if (digest := _checksum(temporary, pinned.algorithm)) != pinned.digest:
            raise UserError(
                f"{pinned.url}: what came has the {pinned.algorithm} checksum {digest} instead of {pinned.digest}; "
                f"try again later, {by_hand}."
            )
        os.replace(temporary, target)
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        why = reason(cause) if isinstance(cause, BaseException) else shown(cause)
        raise UserError(f"{pinned.url}: cannot be downloaded ({why}); try again with a network, {by_hand}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _copy(url: str, temporary: Path, progress: Progress | None) -> None:
    if not url.startswith(("https://", "http://")):
        raise ValueError("only http and https addresses are fetched")
    request = urllib.request.Request(url, headers={"User-Agent": "gantlet"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer, temporary.open("wb") as file:
        total, done = int(answer.headers.get("Content-Length") or 0), 0
        while block := answer.read(2**18):
            done += len(block)
            if done > _MOST:
                raise ValueError(f"more than {_MOST >> 30} GiB came")
            file.write(block)
            if progress is not None:
                progress(done, total)
        file.flush()
        os.fsync(file.fileno())
