import gzip
import hashlib
import io
import struct
import tarfile
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from data_files import Put, noise

from gantlet.data import NoSuchSplit, known, open_images
from gantlet.data.download import Pinned
from gantlet.errors import UserError


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def mnist_like() -> dict[str, bytes]:
    return {
        "train-images-idx3-ubyte": idx(noise(1, 6, 5, 4)),
        "train-labels-idx1-ubyte": idx(np.array([0, 1, 2, 2, 1, 0])),
        "t10k-images.idx3-ubyte.gz": gzip.compress(idx(noise(2, 3, 5, 4))),
        "t10k-labels.idx1-ubyte.gz": gzip.compress(idx(np.array([3, 0, 0]))),
    }


def test_idx_folders(put: Put) -> None:
    folder = put(mnist_like())
    train, test = open_images(folder), open_images(folder / "t10k-images.idx3-ubyte.gz", split="test")
    assert np.array_equal(train.pixels[..., 0], noise(1, 6, 5, 4))
    assert np.array_equal(test.pixels[..., 0], noise(2, 3, 5, 4))
    assert train.classes == test.classes == ("0", "1", "2", "3")
    assert test.class_counts() == [2, 0, 0, 1]
    with pytest.raises(NoSuchSplit):
        open_images(folder, split="val")


def test_idx_without_labels(put: Put) -> None:
    data = open_images(put({"train-images-idx3-ubyte": idx(noise(1, 6, 5, 4))}))
    assert data.labels is None


def cifar(labels: list[int], seed: int) -> bytes:
    table = noise(seed, len(labels), 3073)
    table[:, 0] = labels
    return table.tobytes()


def test_cifar_in_a_folder_and_its_archive(put: Put, tmp_path: Path) -> None:
    files = {f"data_batch_{k}.bin": cifar([k, 0], k) for k in (1, 2)} | {"test_batch.bin": cifar([9], 9)}
    folder = put(files)
    data = open_images(folder)
    assert data.pixels.shape == (4, 32, 32, 3)
    assert data.class_counts() == [2, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert data.classes[9] == "truck"
    red = np.frombuffer(files["data_batch_2.bin"], np.uint8)[1:1025].reshape(32, 32)
    assert np.array_equal(data.pixels[2, ..., 0], red)
    with tarfile.open(tmp_path / "c.tar.gz", "w:gz") as archive:
        for name in files:
            archive.add(folder / name, f"cifar-10-batches-bin/{name}")
    assert open_images(tmp_path / "c.tar.gz").fingerprint == data.fingerprint
    assert len(open_images(folder, split="test")) == 1


def test_pickled_cifar_is_refused(put: Put) -> None:
    with pytest.raises(UserError, match=r"pickled .* take the binary version, cifar-10-binary\.tar\.gz"):
        open_images(put({"data_batch_1": b"\x80\x02}q\x01.", "batches.meta": b"\x80\x02}q\x01."}))


def test_digits_are_split_once_and_for_all() -> None:
    train, test = open_images("digits"), open_images("digits", split="test")
    assert (len(train), len(test)) == (1437, 360)
    assert (train.pixels.min(), train.pixels.max()) == (0, 16)
    assert train.intensity.high == 16
    assert train.fingerprint.startswith("359c966ac53a6527")
    assert test.fingerprint.startswith("2ee685ea5c1e0050")
    sklearn = pytest.importorskip("sklearn.datasets").load_digits()
    ours = sorted(row.tobytes() for data in (train, test) for row in data.pixels)
    assert ours == sorted(row.astype(np.uint8).tobytes() for row in sklearn.images)


def fake_known(monkeypatch: pytest.MonkeyPatch, address: str) -> dict[str, bytes]:
    files = {f"{name}-ubyte.gz": b"" for name in known._IDX_FILES}
    contents = [idx(noise(1, 6, 5, 4)), idx(np.arange(6)), idx(noise(2, 3, 5, 4)), idx(np.arange(3))]
    files = {name: gzip.compress(content) for name, content in zip(files, contents)}
    pins = tuple(Pinned(n, f"{address}/{n}", "sha256", hashlib.sha256(c).hexdigest()) for n, c in files.items())
    monkeypatch.setitem(known.KNOWN, "mnist", known.Known(pins, tuple("0123456789")))
    return files


class Answer(io.BytesIO):
    headers = MappingProxyType({})


def serve(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> list[str]:
    asked: list[str] = []

    def urlopen(request: object, timeout: float) -> Answer:
        asked.append(request.full_url)  # type: ignore[attr-defined]
        return Answer(files[asked[-1].rpartition("/")[2]])

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return asked


def test_known_sets_are_downloaded_once(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    files = fake_known(monkeypatch, "https://example.invalid")
    asked = serve(monkeypatch, files)
    assert open_images("mnist").classes == tuple("0123456789")
    assert len(asked) == 4
    assert len(open_images("mnist", split="test")) == 3
    assert len(asked) == 4
    assert sorted(p.name for p in (own_cache / "mnist").iterdir()) == sorted(files)


def test_a_wrong_checksum_leaves_nothing(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    files = fake_known(monkeypatch, "https://example.invalid")
    serve(monkeypatch, dict.fromkeys(files, b"a login page"))
    with pytest.raises(UserError, match=r"^https://example.invalid/train-images.*checksum .* instead of .* by hand"):
        open_images("mnist")
    assert not list((own_cache / "mnist").iterdir())


def test_a_file_that_is_there_is_verified_before_the_others_are_fetched(
    monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    files = fake_known(monkeypatch, "https://example.invalid")
    serve(monkeypatch, files)
    (own_cache / "mnist").mkdir()
    (own_cache / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(b"half of it")
    with pytest.raises(UserError, match=r"train-labels.*not the published .* delete it"):
        open_images("mnist")


def test_no_network_names_address_folder_and_files(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_known(monkeypatch, "https://example.invalid")

    def urlopen(*_: object, **__: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    with pytest.raises(UserError) as caught:
        open_images("mnist")
    said = str(caught.value)
    assert said.startswith(
        "https://example.invalid/train-images-idx3-ubyte.gz: cannot be downloaded (network is unreach"
    )
    assert str(own_cache / "mnist") in said
    assert "t10k-labels-idx1-ubyte.gz" in said


def test_files_put_by_hand_are_found_and_verified(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = fake_known(monkeypatch, "https://example.invalid")
    monkeypatch.setenv("GANTLET_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    for name, content in files.items():
        (tmp_path / "mnist" / name).write_bytes(content)
    assert len(open_images("mnist")) == 6
    (tmp_path / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(b"other")
    with pytest.raises(UserError, match=r"train-labels.*not the published"):
        open_images("mnist")
