"""What a source is: a known name, a folder, an archive, an array file; or why it is none of them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gantlet.data import known, moving
from gantlet.data.arrays import Table, open_npy, open_npz
from gantlet.data.files import Files, FolderFiles, TarFiles, ZipFiles
from gantlet.data.folders import Layout, arrange
from gantlet.data.records import CIFAR_NAME, IDX_NAME, PICKLED_NAME, holds_cifar, holds_idx, open_cifar, open_idx
from gantlet.errors import UserError, suggest
from gantlet.media.foreign import reading, shown
from gantlet.media.image import SUFFIXES

_PICKLES = frozenset({".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".bin"})
_SOUNDS = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aiff", ".aif"})
_FILMS = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".m4v", ".flv"})
_TABLES = frozenset({".h5", ".hdf5", ".mat", ".parquet", ".arrow", ".tfrecord", ".tfrecords", ".lmdb", ".feather"})
_MARKS = ((b"fLaC", "sound"), (b"OggS", "sound"), (b"ID3", "sound"), (b"\x1aE\xdf\xa3", "video"))
_KNOWN = {"pictures": known.NAMES, "sounds": ("tones",), "clips": moving.NAMES}  # built-in names by what they are of
_READABLE = "a folder, zip or tar of pictures, an .npy or .npz file, idx files, or binary CIFAR-10 files"


@dataclass(frozen=True)
class Pictures:
    """A source of picture files, and where each belongs."""

    name: str
    kind: str
    files: Files
    layout: Layout


@dataclass(frozen=True)
class Arrays:
    """A source that holds its pictures as arrays; `load` reads those of one split."""

    name: str
    kind: str
    load: Callable[[str], Table]
    notes: tuple[str, ...] = ()


@contextmanager
def opened(
    source: str | Path,
    labels: str | Path | None = None,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Pictures | Arrays]:
    """Find out what a source is and open it; names of known sets go before paths, unless a `Path` is given.

    Raises:
        UserError: it does not exist, cannot be read, or is nothing that holds pictures.
    """
    if isinstance(source, str) and source in known.NAMES:
        if labels is not None:
            raise UserError(f"{source}: this data set has its own labels; leave the label table out.")
        if source == "digits":
            yield Arrays("digits", "built-in digits of scikit-learn", known.digits)
            return
        path, classes, name = known.locate(source, cache, progress), known.KNOWN[source].classes, source
    else:
        path, classes, name = existing(source), (), ""
    name = name or shown(path.resolve().name or path)
    if not path.is_dir() and (arrays := _array_file(path, name, labels)):
        yield arrays
        return
    with files_at(path) as files:
        if holds_idx(files) or holds_cifar(files):
            if labels is not None:
                raise UserError(f"{shown(path)}: these files have their own labels; leave the label table out.")
            if holds_idx(files):
                yield Arrays(name, "idx files", lambda split: open_idx(files, split, classes), tuple(files.notes))
            else:
                yield Arrays(name, "CIFAR-10 files", lambda split: open_cifar(files, split), tuple(files.notes))
        else:
            yield Pictures(name, _kind_of(files), files, arrange(files, labels))


def existing(source: str | Path) -> Path:
    """Return the path of a source that is there; `UserError` with a suggestion otherwise."""
    text = str(source)
    if not text.strip():
        raise UserError("the data source is empty; give the name of a data set or a path.")
    if "://" in text:
        raise UserError(f"{shown(text)}: addresses are not fetched; download it and give the file or folder.")
    with reading(source, "give a path that exists and may be read"):
        path = Path(source).expanduser()
        if not path.exists():
            if path.is_symlink():
                raise UserError(f"{shown(source)}: this link points to nothing; give a path that exists.")
            for kind, names in _KNOWN.items():
                if text in names:
                    raise UserError(
                        f"{text}: a built-in set of {kind}, and something else is needed here; "
                        "`gantlet show RECIPE` tells what a recipe takes."
                    )
            every = [name for names in _KNOWN.values() for name in names]
            hint = suggest(text, every) if "/" not in text else ""
            listed = f" Built-in names are {', '.join(every)}."
            raise UserError(f"{shown(source)}: no such file or folder, and no data set of that name.{hint or listed}")
        if not path.is_dir() and not path.is_file():
            raise UserError(f"{shown(source)}: a device, pipe or socket; give {_READABLE}.")
    return path


def _head(path: Path) -> bytes:
    with reading(path, "check that it exists and may be read"), path.open("rb") as file:
        return file.read(512)


def _array_file(path: Path, name: str, labels: str | Path | None) -> Arrays | None:
    head, suffix = _head(path), path.suffix.lower()
    if suffix == ".npz" or (head[:4] == b"PK\x03\x04" and suffix != ".zip" and _only_arrays(path)):
        if labels is not None:
            raise UserError(f"{shown(path)}: labels of an .npz are its own array 'labels'; leave the table out.")
        return Arrays(name, "npz arrays", lambda split: open_npz(path, split))
    if suffix == ".npy" or head[:6] == b"\x93NUMPY":
        if labels is not None and Path(labels).suffix.lower() != ".npy":
            raise UserError(f"{shown(labels)}: labels of an .npy file come from another .npy file; save them so.")
        return Arrays(name, "npy array", lambda split: open_npy(path, split, Path(labels) if labels else None))
    return None


def _only_arrays(path: Path) -> bool:
    with reading(path, "the zip is damaged or incomplete, so fetch or pack it again"), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return bool(names) and all(name.endswith(".npy") for name in names)


def files_at(path: Path, suffixes: Collection[str] = SUFFIXES, readable: str = _READABLE) -> Files:
    """Return the files of a folder, archive or single file whose ending is one of `suffixes`.

    Raises UserError, which says that `readable` is, for anything else.
    """
    if path.is_dir():
        return FolderFiles(path)
    if IDX_NAME.match(path.name) or CIFAR_NAME.match(path.name) or PICKLED_NAME.match(path.name):
        return FolderFiles(path.parent)
    head, suffix = _head(path), path.suffix.lower()
    if not head:
        raise UserError(f"{shown(path)}: the file is empty; give {readable}.")
    if suffix in suffixes:
        return FolderFiles(path)
    if suffix in _PICKLES or head[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise UserError(f"{shown(path)}: looks like a pickle, which can run code and is never read; save it as .npz.")
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06") or suffix == ".zip":
        return ZipFiles(path)
    if head[257:262] == b"ustar" or head[:2] == b"\x1f\x8b" or suffix in (".tar", ".tgz"):
        return TarFiles(path)
    raise UserError(f"{shown(path)}: {_what_it_is(head, suffix)}; give {readable}.")


def _what_it_is(head: bytes, suffix: str) -> str:
    """Return in plain words what a file that holds no pictures is."""
    mark = next((kind for start, kind in _MARKS if head.startswith(start)), "")
    if suffix in _SOUNDS or mark == "sound" or (head[:4] == b"RIFF" and head[8:12] == b"WAVE"):
        return "a sound file, not pictures"
    if suffix in _FILMS or mark == "video" or head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return "a video file, not pictures"
    if suffix in _TABLES:
        return f"{suffix} files are not read"
    if head[:3] == b"BZh" or head[:6] in (b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c") or head[:4] == b"Rar!":
        return "this kind of archive is not read"
    if b"\0" not in head:
        try:
            head[:500].decode("utf-8")
        except UnicodeDecodeError as error:
            return "a text file, not pictures" if error.start > 490 else "not a kind of file that is read"
        return "a text file, not pictures"
    return "not a kind of file that is read"


def _kind_of(files: Files) -> str:
    if isinstance(files, ZipFiles):
        return "zip of pictures"
    if isinstance(files, TarFiles):
        return "tar of pictures"
    return "folder of pictures" if files.path.is_dir() else "single picture"
