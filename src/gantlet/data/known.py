"""Data sets known by name: the digits that come with scikit-learn, and public ones that are downloaded once."""

from __future__ import annotations

import gzip
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.data.arrays import Table
from gantlet.data.cache import cache_folder
from gantlet.data.download import Pinned, fetch, verify
from gantlet.data.intensity import Intensity
from gantlet.data.order import Order
from gantlet.data.splits import choose_split


@dataclass(frozen=True)
class Known:
    """A public data set: its files, and the names of its classes."""

    files: tuple[Pinned, ...]
    classes: tuple[str, ...]


_IDX_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
_DIGITS = tuple("0123456789")


def _idx(home: str, algorithm: str, *digests: str) -> tuple[Pinned, ...]:
    names = [f"{name}-ubyte.gz" for name in _IDX_FILES]
    return tuple(Pinned(name, f"{home}/{name}", algorithm, digest) for name, digest in zip(names, digests))


KNOWN = {
    "mnist": Known(
        _idx(
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "sha256",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        _DIGITS,
    ),
    "fashion_mnist": Known(
        _idx(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            "sha256",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
    "kmnist": Known(
        _idx(
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist",
            "md5",
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
    "cifar10": Known(
        (
            Pinned(
                "cifar-10-binary.tar.gz",
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "md5",
                "c32a1d4ab5d03f1284b67883e8d87530",
            ),
        ),
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    ),
}
NAMES = ("digits", *KNOWN)


def digits(split: str) -> Table:
    """Return the 1,797 handwritten digits of scikit-learn: [N, 8, 8, 1] uint8 from 0 to 16, with labels.

    They have no split of their own. Ours is fixed: in the order `Order(1797, seed=0)` the first 1,437 (80 %) are the
    training part and the other 360 the test part, each kept in its original sequence.
    """
    split = choose_split("digits", split, ["train", "test"])
    table = _digits_table()
    order = Order(len(table), seed=0).indices(0, len(table))
    cut = len(table) * 8 // 10
    rows = table[np.sort(order[:cut] if split == "train" else order[cut:])]
    pixels = np.ascontiguousarray(rows[:, :64]).reshape(-1, 8, 8, 1)
    return Table(pixels, rows[:, 64].astype(np.int64), _DIGITS, Intensity(0.0, 16.0, "uint8"))


def _digits_table() -> NDArray[np.uint8]:
    """Return [1797, 65], pixels and label, from scikit-learn's own file: importing it all would take a second."""
    package = importlib.util.find_spec("sklearn")
    for place in (package.submodule_search_locations or ()) if package else ():
        path = Path(place, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            with gzip.open(path, "rt", encoding="ascii") as file:
                return np.loadtxt(file, delimiter=",", dtype=np.uint8)
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    return np.column_stack([bunch.data, bunch.target]).astype(np.uint8)


def locate(name: str, cache: Path | None = None, progress: Callable[[int, int], None] | None = None) -> Path:
    """Return the folder or archive of a known data set, downloading it if it is not there.

    Looked for in $GANTLET_DATA/<name>, then in <cache>/<name>, where downloads go. Files under their public name are
    verified against the pinned checksum; unpacked ones beside them serve as they are.

    Raises:
        UserError: not there and not to be had, or a wrong checksum.
    """
    known = KNOWN[name]
    download_to = cache_folder(cache) / name
    given = os.environ.get("GANTLET_DATA")
    for folder in ([Path(given) / name] if given else []) + [download_to]:
        if all((folder / file.name).is_file() for file in known.files):
            for file in known.files:
                verify(folder / file.name, file)
            return folder if len(known.files) > 1 else folder / known.files[0].name
        if _is_unpacked(folder):
            return folder
    missing = [file.name for file in known.files if not (download_to / file.name).exists()]
    paths = [fetch(f, download_to, progress, [name for name in missing if name != f.name]) for f in known.files]
    return download_to if len(paths) > 1 else paths[0]


def _is_unpacked(folder: Path) -> bool:
    """Return whether the folder holds the training files of idx sets or of binary CIFAR-10 without their packing."""
    idx = (folder / f"{_IDX_FILES[0]}-ubyte").is_file()
    return idx or any(folder.glob("data_batch_1.bin")) or any(folder.glob("cifar-10-batches-bin/data_batch_1.bin"))
