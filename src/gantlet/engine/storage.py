"""Files that survive anything: written under a temporary name, fsynced, renamed, named in a SHA-256 manifest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gantlet.errors import RunFailed, UserError

MANIFEST = "manifest.json"
LOCK = ".lock"
ASIDE = ".old-"  # prefix of a folder that is being replaced
LONGEST = 255  # characters that a file's name may have
FORMAT = 1  # of the checkpoint folder; readers refuse newer ones and know older ones


class Damaged(Exception):
    """A checkpoint folder that is incomplete, altered or of an unknown format."""


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable (a rename is not, before its folder is synced)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each durable: what lies in a lost folder is lost."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def write_file(path: Path, content: bytes) -> None:
    """Write and fsync one file."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file in one step: readers see the old or the new content, never a part."""
    temporary = path.with_name(f".tmp-{path.name}-{os.getpid()}")
    try:
        write_file(temporary, content)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return (
            hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file.read())
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Create or replace `folder` with these files and a manifest, all or nothing.

    The manifest holds nothing but sizes and hashes: so every bit of the folder can be verified.

    Raises RunFailed, with the space that is needed and free, when the files cannot be written; what lay there before
    is untouched then.
    """
    temporary = folder.with_name(f".tmp-{folder.name}-{os.getpid()}")
    aside = folder.with_name(f"{ASIDE}{folder.name}-{os.getpid()}")
    needed = sum(map(len, files.values()))
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        make_folder(folder.parent)
        temporary.mkdir()
        for name, content in files.items():
            write_file(temporary / name, content)
        listing = {name: {"bytes": len(content), "sha256": _digest(content)} for name, content in files.items()}
        manifest = {"format": FORMAT, "files": listing}
        write_file(temporary / MANIFEST, json.dumps(manifest, indent=1).encode())  # last: its presence means complete
        sync_folder(temporary)
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)
            os.rename(folder, aside)  # until the new one is in its place; `sweep` puts it back after a kill
        os.rename(temporary, folder)
        sync_folder(folder.parent)
        shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if aside.exists() and not folder.exists():
            os.rename(aside, folder)
        free = shutil.disk_usage(_existing(folder)).free
        raise RunFailed(
            f"Could not save {folder} ({error.strerror or error}): it needs {needed / 1e6:.1f} MB and "
            f"{free / 1e6:.1f} MB are free. Earlier checkpoints are untouched; make room and "
            "run the same command again to go on."
        ) from error


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def verify(folder: Path) -> dict[str, Any]:
    """Return the manifest of a checkpoint folder after checking every file's size and SHA-256.

    Raises Damaged, naming the file, if anything is missing, altered or of a newer format.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        listing = manifest["files"]
        version = int(manifest["format"])
        items = [(str(name), int(entry["bytes"]), str(entry["sha256"])) for name, entry in listing.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise Damaged(f"{folder / MANIFEST} cannot be read ({type(error).__name__})") from error
    if version > FORMAT:
        raise Damaged(f"{folder} has format {version}, this Gantlet reads up to {FORMAT}: upgrade gantlet")
    if version < 1:
        raise Damaged(f"{folder / MANIFEST} states the format {version}, which never was")
    for name, size, sha256 in items:
        path = folder / name
        if Path(name).name != name or not name.isprintable() or len(name) > LONGEST:
            raise Damaged(f"{folder / MANIFEST} names a file outside its folder, or none: {name[:100]!r}")
        try:
            if path.stat().st_size != size or digest(path) != sha256:
                raise Damaged(f"{path} is not the file that was saved (size or SHA-256 differs)")
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            raise Damaged(f"{path} cannot be read ({getattr(error, 'strerror', error)})") from error
    return dict(manifest)


def discard(folder: Path) -> None:
    """Delete a folder so that a kill in the middle leaves no half of it under its name."""
    trash = folder.with_name(f".trash-{folder.name}-{os.getpid()}")
    with contextlib.suppress(OSError):
        os.rename(folder, trash)
    shutil.rmtree(trash, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove what killed processes left behind; a folder they were just replacing is put back."""
    for leftover in [*parent.glob(f"{ASIDE}*"), *parent.glob(".tmp-*"), *parent.glob(".trash-*")]:
        name, _, pid = leftover.name.rpartition("-")
        if pid.isdigit() and int(pid) != os.getpid() and _alive(int(pid)):
            continue
        replaced = parent / name.removeprefix(ASIDE)
        if name.startswith(ASIDE) and not replaced.exists():
            with contextlib.suppress(OSError):
                os.rename(leftover, replaced)
        elif leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder; the system lets go of it when the process ends, however it ends.

    Raises UserError, naming the process, if another one holds it. Without flock (Windows) there is no lock.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(folder / LOCK, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise UserError(
                f"Process {file.read().strip() or '?'} is training in {folder} right now; wait for it, stop it, or "
                "choose another --out."
            ) from error
        except OSError:  # a file system without locks: go on without one
            yield
            return
        with contextlib.suppress(OSError):  # the number is a courtesy, the lock holds on a full disk too
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield
