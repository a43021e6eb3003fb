import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
import weakref
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import Put, encoded, noise

from gantlet.data import cache, open_images
from gantlet.errors import UserError


def store(folder: Path, key: str = "k", rows: int = 6) -> np.ndarray:
    pixels = noise(1, rows, 4, 3, 2)
    with cache.writing(folder, key, pixels.shape, "uint8") as writer:
        writer.rows[:] = pixels
        writer.finish(np.arange(rows), np.arange(rows), {"fact": 1})
    return pixels


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    pixels = store(tmp_path)
    stored = cache.load(tmp_path, "k")
    assert stored is not None
    assert np.array_equal(stored.pixels, pixels)
    assert not stored.pixels.flags.writeable
    assert stored.meta["fact"] == 1
    assert [p.name for p in (tmp_path / "decoded").iterdir()] == ["k"]


def test_nothing_is_mapped_while_a_folder_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows would refuse."""
    mapped: list[Any] = []
    rename = os.rename

    def checked(old: Path, new: Path) -> None:
        assert [each() for each in mapped] == [None]
        rename(old, new)

    monkeypatch.setattr(os, "rename", checked)
    with cache.writing(tmp_path, "k", (3, 2, 2, 1), "uint8") as writer:
        mapped.append(weakref.ref(writer.rows._mmap))  # type: ignore[attr-defined]
        writer.finish(np.array([0, 2]), None, {})
    assert cache.load(tmp_path, "k") is not None


def test_no_process_gets_a_signal_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        patched.setattr(os, "kill", lambda pid, signal: sent.append(pid))
        assert cache._alive(12345)
    assert sent == []


def test_rows_left_out_close_up(tmp_path: Path) -> None:
    pixels, keep = noise(1, 12, 3, 3, 1), np.array([0, 3, 4, 11])
    with cache.writing(tmp_path, "k", pixels.shape, "uint8") as writer:
        writer.rows[:] = pixels
        writer.finish(keep, np.arange(12), {})
    stored = cache.load(tmp_path, "k")
    assert stored is not None
    assert stored.labels is not None
    assert np.array_equal(stored.pixels, pixels[keep])
    assert stored.labels.tolist() == keep.tolist()


def test_damaged_entries_are_not_taken(tmp_path: Path) -> None:
    pixels = store(tmp_path)
    place = tmp_path / "decoded" / "k"
    meta = json.loads((place / "meta.json").read_text())
    for damage in (
        lambda: os.truncate(place / "pixels.npy", 140),
        lambda: (place / "meta.json").write_text("{"),
        lambda: (place / "meta.json").write_text(json.dumps({**meta, "version": 0})),
        lambda: (place / "meta.json").write_text(json.dumps({**meta, "shape": [1, 1, 1, 1]})),
        lambda: (place / "labels.npy").unlink(),
        lambda: os.truncate(place / "pixels.npy", (place / "pixels.npy").stat().st_size + 9),
        lambda: (place / "pixels.npy").write_bytes(b"x" * (place / "pixels.npy").stat().st_size),
    ):
        damage()
        assert cache.load(tmp_path, "k") is None
        store(tmp_path)
        stored = cache.load(tmp_path, "k")
        assert stored is not None
        assert np.array_equal(stored.pixels, pixels)
        assert [p.name for p in (tmp_path / "decoded").iterdir()] == ["k"]


def test_a_failed_decode_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), cache.writing(tmp_path, "k", (2, 2, 2, 1), "uint8"):
        raise KeyboardInterrupt
    assert not list((tmp_path / "decoded").iterdir())


def test_too_small_a_disk_is_told_with_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 90, 10))
    with pytest.raises(UserError, match=r"16 bytes are needed .* 10 are free.*GANTLET_CACHE"):
        store_small(tmp_path)
    assert not list((tmp_path / "decoded").iterdir())


def store_small(folder: Path) -> None:
    with cache.writing(folder, "k", (2, 2, 2, 2), "uint8"):
        pass


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"cannot be written .*GANTLET_CACHE"):
        store_small(tmp_path / "file")


def test_dead_leftovers_are_swept_and_live_ones_kept(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    mine = cache.socket.gethostname()
    dead, alive = (tmp_path / "decoded" / f".tmp-{mine}-{pid}-x" for pid in (child.pid, os.getppid()))
    dead.mkdir(parents=True)
    alive.mkdir()
    store(tmp_path)
    assert not dead.exists()
    assert alive.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_simultaneous_starts_agree(put: Put, own_cache: Path) -> None:
    folder = put({f"{k}.png": noise(k, 8, 8) for k in range(20)})
    script = "import sys; from gantlet.data import open_images; print(open_images(sys.argv[1]).fingerprint)"
    command = [sys.executable, "-c", script, str(folder)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    marks = {process.communicate(timeout=60)[0].strip() for process in running}
    assert marks == {open_images(folder).fingerprint}
    assert len(list((own_cache / "decoded").iterdir())) == 1


def _slow(folder: str, ready: object) -> None:
    def slow(done: int, _: int) -> None:
        if done == 5:
            ready.set()  # type: ignore[attr-defined]
            time.sleep(60)

    open_images(folder, progress=slow)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_decode_is_not_taken_for_complete(put: Put, own_cache: Path) -> None:
    folder = put({f"{k}.png": encoded(noise(k, 8, 8)) for k in range(20)})
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    child = context.Process(target=_slow, args=(str(folder), ready))
    child.start()
    assert ready.wait(60)
    child.kill()
    child.join()
    child.close()
    assert [p.name[:5] for p in (own_cache / "decoded").iterdir()] == [".tmp-"]
    data = open_images(folder)
    assert np.array_equal(data.pixels[0, ..., 0], noise(0, 8, 8))
    assert [p.name[:5] == ".tmp-" for p in (own_cache / "decoded").iterdir()] == [False]
