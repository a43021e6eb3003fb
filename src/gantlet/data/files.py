"""A folder, a zip, a tar or a single file, seen as named files that are read in place: nothing is ever extracted."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import tarfile
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gantlet.errors import UserError
from gantlet.media.foreign import MAX_FILE_BYTES, check_ratio, reading, reason, shown

MAX_ENTRIES = 5_000_000
SMALL = 64 * 2**20  # sources up to this many bytes are known by their content, larger ones by sizes and times
_FEW = 1000  # and so are folders of more files, since opening each would take seconds
_NOISE = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


@dataclass(frozen=True)
class Entry:
    """One file: its path from the top with forward slashes, its unpacked size, and what changes when it is replaced."""

    name: str
    size: int
    stamp: str
    at: int = 0  # where it lies in an archive: reading in this order never goes backwards

    @property
    def suffix(self) -> str:
        """The ending of the name in lower case, with its dot."""
        ending = posixpath.splitext(self.name)[1].lower()  # no path object: folders are listed by the million
        return "" if ending == "." else ending


class Files(ABC):
    """Named files in name order, without hidden ones; `notes` says in plain words what was skipped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[Entry] = []
        self.notes: list[str] = []
        self._archive: zipfile.ZipFile | tarfile.TarFile | None = None

    @abstractmethod
    def _bytes(self, entry: Entry) -> bytes: ...

    def read(self, entry: Entry, limit: int = MAX_FILE_BYTES) -> bytes:
        """Return a file's bytes; `UserError` if it cannot be read, or is larger than `limit` bytes."""
        if entry.size > limit:
            raise UserError(f"{self.shown(entry)}: {entry.size:,} bytes, more than the {limit:,} that are read.")
        with reading(self.shown(entry), "replace the file or leave it out"):
            return self._bytes(entry)

    def place(self, entry: Entry) -> Path | None:
        """Return where a file lies on the disk, None inside an archive."""
        return None

    def read_all(self, entries: Iterable[tuple[int, Entry]]) -> Iterator[tuple[int, Entry, bytes | UserError]]:
        """Yield (number, entry, bytes or what went wrong) in the order that is quick to read."""
        for number, entry in sorted(entries, key=lambda item: item[1].at):
            try:
                yield number, entry, self.read(entry)
            except UserError as error:
                yield number, entry, error

    def shown(self, entry: Entry) -> str:
        """Return an entry's name for messages."""
        return shown(f"{self.path.name}/{entry.name}" if self.path.name != entry.name else entry.name)

    def key(self) -> str:
        """Return a hash that changes when any file does."""
        digest = hashlib.sha256()
        for entry in self.entries:
            digest.update(f"{entry.name}\0{entry.size}\0{entry.stamp}\0".encode("utf-8", "surrogateescape"))
        self._add_content(digest)
        return digest.hexdigest()

    def _add_content(self, digest: hashlib._Hash) -> None:
        size, file = self.path.stat(), str(self.path.resolve())
        if size.st_size <= SMALL:
            with reading(self.path, "check that it may be read"):
                digest.update(self.path.read_bytes())
        else:
            digest.update(f"{file}\0{size.st_size}\0{size.st_mtime_ns}".encode("utf-8", "surrogateescape"))

    def close(self) -> None:
        """Close the archive, if it is one."""
        if self._archive is not None:
            self._archive.close()

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, entries: Iterable[Entry], skipped: Counter[str]) -> None:
        """Sort the entries, drop noise, repeats and names that would lead out of the archive, and note it."""
        kept: dict[str, Entry] = {}
        for entry in entries:
            parts = entry.name.split("/")
            if any((part.startswith(".") and part != "..") or part.lower() in _NOISE for part in parts):
                continue
            if ".." in parts or not parts[0] or parts[0].endswith(":") or len(entry.name) > 4096 or "\0" in entry.name:
                skipped["with a path that leads elsewhere"] += 1
            elif entry.name in kept:
                skipped["of a name that came before"] += 1
            else:
                kept[entry.name] = entry
        self.entries = [kept[name] for name in sorted(kept)]
        self.notes += [f"{count:,} entries {kind} skipped" for kind, count in sorted(skipped.items())]


class FolderFiles(Files):
    """The files below a folder, links followed (once each folder), or a single file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._top = path.parent if path.is_file() else path
        found, skipped = [], Counter[str]()
        for name in [path.name] if path.is_file() else self._walk():
            try:
                status = os.stat(f"{self._top}/{name}")
            except OSError:
                skipped["that are links to nowhere"] += 1
                continue
            if stat.S_ISREG(status.st_mode):
                found.append(Entry(name, status.st_size, str(status.st_mtime_ns)))
            else:
                skipped["that are devices, pipes or sockets"] += 1
            if len(found) > MAX_ENTRIES:
                raise UserError(f"{shown(path)}: more than {MAX_ENTRIES:,} files; pack them into npz files.")
        self._keep(found, skipped)

    def place(self, entry: Entry) -> Path:
        """Return where a file lies on the disk."""
        return self._top / entry.name

    def _walk(self) -> Iterator[str]:
        def refuse(error: OSError) -> None:
            where = shown(error.filename or self.path)
            raise UserError(f"{where}: cannot be listed ({reason(error)}); check its rights.")

        seen = set()
        for folder, below, names in os.walk(self.path, onerror=refuse, followlinks=True):
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                below.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            below.sort()
            inside = Path(folder).relative_to(self.path).as_posix()
            yield from names if inside == "." else (f"{inside}/{name}" for name in names)

    def _bytes(self, entry: Entry) -> bytes:
        return (self._top / entry.name).read_bytes()

    def _add_content(self, digest: hashlib._Hash) -> None:
        if len(self.entries) > _FEW or sum(entry.size for entry in self.entries) > SMALL:
            digest.update(str(self.path.resolve()).encode("utf-8", "surrogateescape"))
            return
        for entry in self.entries:
            with reading(self.shown(entry), "check that it may be read"):
                digest.update(self._bytes(entry))


class ZipFiles(Files):
    """The files in a zip, read in place; encrypted ones, links and paths that lead outside are skipped."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with reading(path, "the zip is damaged or incomplete, so fetch or pack it again"):
            self._archive = self._zip = zipfile.ZipFile(path)
        self._infos: dict[str, zipfile.ZipInfo] = {}
        try:
            self._list(path, self._zip.infolist())
        except BaseException:
            self._zip.close()
            raise

    def _list(self, path: Path, infos: list[zipfile.ZipInfo]) -> None:
        if len(infos) > MAX_ENTRIES:
            raise UserError(f"{shown(path)}: more than {MAX_ENTRIES:,} entries; unpack it yourself if you trust it.")
        check_ratio(path, sum(info.file_size for info in infos), path.stat().st_size)
        found, skipped = [], Counter[str]()
        for info in infos:
            if info.filename.endswith("/") or not info.filename:
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                skipped["that are links or devices"] += 1
            elif info.flag_bits & 1:
                skipped["that are encrypted"] += 1
            else:
                name = info.filename.replace("\\", "/").removeprefix("./")
                self._infos.setdefault(name, info)
                found.append(Entry(name, info.file_size, f"{info.CRC:08x}", info.header_offset))
        self._keep(found, skipped)

    def _bytes(self, entry: Entry) -> bytes:
        with self._zip.open(self._infos[entry.name]) as member:
            data = member.read(entry.size)  # bounded: the packed data may hold more than the directory says
        if len(data) != entry.size:
            raise EOFError(f"{len(data):,} of {entry.size:,} bytes are there")
        return data


class _TarInfo(tarfile.TarInfo):
    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _TarInfo:
        info = super().frombuf(buf, encoding, errors)
        if info.type not in tarfile.REGULAR_TYPES and info.size > 2**20:  # long names and attributes go to memory
            raise ValueError(f"it announces a name or attributes of {info.size:,} bytes")
        return info


class TarFiles(Files):
    """The files in a tar or tar.gz, read in place; links, devices, sparse files and outside paths are skipped."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._infos: dict[str, tarfile.TarInfo] = {}
        with reading(path, "the tar is damaged or incomplete, so fetch or pack it again"):
            self._archive = self._tar = tarfile.TarFile.open(path, _mode(path), tarinfo=_TarInfo)
            try:
                self._list(path)
            except BaseException:
                self._tar.close()
                raise

    def _list(self, path: Path) -> None:
        found: list[Entry] = []
        skipped, total, packed = Counter[str](), 0, path.stat().st_size
        for info in self._tar:
            total += info.size
            check_ratio(path, total, packed)  # before the next header, for which this one's bytes must be unpacked
            if len(found) > MAX_ENTRIES:
                raise UserError(f"{shown(path)}: more than {MAX_ENTRIES:,} entries; unpack it if you trust it.")
            if info.isdir():
                continue
            if not info.isreg() or info.issparse():
                skipped["that are links, devices or sparse files"] += 1
                continue
            name = info.name.replace("\\", "/").removeprefix("./")
            self._infos.setdefault(name, info)
            found.append(Entry(name, info.size, str(info.mtime), info.offset_data))
        self._check_end()
        self._keep(found, skipped)

    def _check_end(self) -> None:
        """Raise unless the list ended at the mark of the end: tarfile stops in silence at damage and at a cut."""
        file = self._tar.fileobj
        if file is not None:
            file.seek(self._tar.offset)
            if file.read(512) != bytes(512):
                raise EOFError(f"damaged or cut off at byte {self._tar.offset:,}")

    def _bytes(self, entry: Entry) -> bytes:
        member = self._tar.extractfile(self._infos[entry.name])
        data = member.read() if member is not None else b""
        if len(data) != entry.size:
            raise EOFError(f"{len(data):,} of {entry.size:,} bytes are there")
        return data


def _mode(path: Path) -> Literal["r:gz", "r:"]:
    with path.open("rb") as file:
        return "r:gz" if file.read(2) == b"\x1f\x8b" else "r:"


def refuse_broken(files: Files, what: str, broken: dict[int, str], total: int, skip_broken: bool) -> None:
    """Raise UserError, with the first reason, unless nothing is broken or some may be skipped; `what` is their name."""
    if not broken or (skip_broken and len(broken) < total):
        return
    first = broken[min(broken)].rstrip(".")
    if total == 1:
        raise UserError(f"{first}.")
    if len(broken) == total:
        raise UserError(f"{shown(files.path)}: none of the {total:,} {what} can be read; the first: {first}.")
    raise UserError(
        f"{shown(files.path)}: {len(broken):,} of {total:,} {what} cannot be read; the first: {first}; "
        "`gantlet inspect` lists them all, and --skip-broken (skip_broken=True) leaves them out."
    )
