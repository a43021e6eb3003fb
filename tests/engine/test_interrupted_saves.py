"""Saving that is stopped anywhere leaves the old state or the new one: exits, full disks, kills."""

from __future__ import annotations

import builtins
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from engine_toys import silent, state_of, value_in

from gantlet.engine import storage
from gantlet.engine.checkpoint import Checkpoints
from gantlet.errors import RunFailed

SAVER = Path(__file__).with_name("saver.py")


class Killed(BaseException):
    """Stands for the end of the process: nothing that handles errors sees it."""


class Calls:
    """Counts the file-system calls of a save, and fails the k-th, after half of it where it is a write."""

    NAMES = ("rename", "replace", "fsync", "mkdir", "unlink", "rmdir", "open")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fail_at: int, error: Callable[[], BaseException]) -> None:
        self.count, self.fail_at, self.error = 0, fail_at, error
        self.log: list[str] = []
        for name in self.NAMES:
            monkeypatch.setattr(os, name, self.wrapped(name, getattr(os, name)))
        monkeypatch.setattr(storage, "open", self.open, raising=False)

    def step(self, name: str) -> None:
        """Count one call; raise if it is the one."""
        self.count += 1
        self.log.append(name)
        if self.count == self.fail_at:
            raise self.error()

    def wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.step(name)
            return call(*args, **kwargs)

        return counted

    def open(self, path: Path, mode: str = "r") -> Any:
        self.step(f"open {path.name}")
        return HalfWritten(builtins.open(path, mode), self) if "w" in mode else builtins.open(path, mode)


class HalfWritten:
    """A file whose write may stop in the middle."""

    def __init__(self, file: IO[bytes], calls: Calls) -> None:
        self.file, self.calls = file, calls

    def __enter__(self) -> HalfWritten:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, content: bytes) -> None:
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        self.calls.step("write")
        self.file.write(content[len(content) // 2 :])


def opened(folder: Path, keep: int = 2) -> Checkpoints:
    return Checkpoints(folder, {"recipe": "toy"}, keep)


def save_next(folder: Path) -> None:
    opened(folder).save(state_of(2.0, 2))


def save_next_keeping_one(folder: Path) -> None:
    opened(folder, keep=1).save(state_of(2.0, 2))


def save_again(folder: Path) -> None:
    """The same step, with other content: the only checkpoint there is replaces itself."""
    opened(folder, keep=1).save(state_of(2.0, 1))


@pytest.mark.parametrize("operation", [save_next, save_next_keeping_one, save_again])
def test_exit_before_every_call_leaves_the_old_state_or_the_new_one(
    operation: Callable[[Path], None], tmp_path: Path
) -> None:
    found: list[float] = []
    for k in range(1, 500):
        folder = tmp_path / f"run-{k}"
        opened(folder).save(state_of(1.0, 1))
        with pytest.MonkeyPatch.context() as patch:
            calls = Calls(patch, k, Killed)
            try:
                operation(folder)
            except Killed:
                pass
            else:
                break
        checkpoints = opened(folder)
        path = checkpoints.newest(silent)
        assert path is not None
        found.append(value_in(checkpoints, path))
        assert [name for name in os.listdir(folder) if name.startswith(".")] == []
        checkpoints.save(state_of(3.0, 3))  # and the run goes on
        assert value_in(checkpoints, checkpoints.newest(silent)) == 3.0  # type: ignore[arg-type]
    assert k > 20
    assert calls.count == k - 1
    assert set(found) == {1.0, 2.0}
    assert found == sorted(found)  # once the new state is there it stays


def test_exit_while_marking_the_best_leaves_the_old_mark_or_the_new_one(tmp_path: Path) -> None:
    found: list[int] = []
    for k in range(1, 100):
        folder = tmp_path / f"run-{k}"
        checkpoints = opened(folder)
        for step in (1, 2):
            checkpoints.save(state_of(float(step), step))
        checkpoints.mark_best(1, "fid", 9.0)
        with pytest.MonkeyPatch.context() as patch:
            Calls(patch, k, Killed)
            try:
                checkpoints.mark_best(2, "fid", 8.0)
            except Killed:
                pass
            else:
                break
        best = opened(folder).best()
        assert best is not None
        found.append(best["step"])
    assert k > 4
    assert set(found) == {1, 2}
    assert found == sorted(found)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("operation", [save_next, save_again])
def test_an_error_of_every_call_is_said_and_loses_nothing(
    number: int, operation: Callable[[Path], None], tmp_path: Path
) -> None:
    """A full disk or a failing one, at each call of a save."""
    failures = 0
    for k in range(1, 40):
        folder = tmp_path / f"run-{k}"
        opened(folder).save(state_of(1.0, 1))
        message = ""
        with pytest.MonkeyPatch.context() as patch:
            Calls(patch, k, lambda: OSError(number, os.strerror(number)))
            try:
                operation(folder)
            except RunFailed as error:
                message, failures = str(error), failures + 1
        checkpoints = opened(folder)
        path = checkpoints.newest(silent)
        assert path is not None
        if message:
            assert os.strerror(number) in message
            assert "it needs 0.0 MB and " in message
            assert " MB are free" in message
            assert value_in(checkpoints, path) in (1.0, 2.0)  # 2: it stood in its place already, only not synced
            if operation is save_next:
                assert value_in(checkpoints, checkpoints.path(1)) == 1.0
        else:
            assert value_in(checkpoints, path) == 2.0
        assert [name for name in os.listdir(folder) if name.startswith(".")] == []
    assert failures > 20


def test_a_full_disk_leaves_no_temporary_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = opened(tmp_path / "checkpoints")
    checkpoints.save(state_of(1.0, 1))
    with monkeypatch.context() as patch:
        Calls(patch, 9, lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        with pytest.raises(RunFailed, match=r"Could not save .*step-2 \(No space left on device\)"):
            checkpoints.save(state_of(2.0, 2))
    assert os.listdir(tmp_path / "checkpoints") == ["step-1"]
    assert value_in(checkpoints, checkpoints.path(1)) == 1.0


def test_a_mark_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = opened(tmp_path / "checkpoints")
    checkpoints.save(state_of(1.0, 1))
    with monkeypatch.context() as patch:
        Calls(patch, 2, lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        with pytest.raises(RunFailed, match=r"best\.json \(No space left on device\)"):
            checkpoints.mark_best(1, "fid", 1.0)
    assert os.listdir(tmp_path / "checkpoints") == ["step-1"]


def test_everything_is_synced_before_it_is_relied_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file before the manifest, the manifest and the folder before the rename, the parent after it."""
    events: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(descriptor: int) -> None:
        events.append("sync " + Path(os.readlink(f"/proc/self/fd/{descriptor}")).name.split("-")[0])
        real_fsync(descriptor)

    def rename(source: Path, target: Path) -> None:
        events.append(f"rename to {Path(target).name}")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    storage.write_folder(tmp_path / "step-1", {"a": b"1", "b": b"2"})
    parent = tmp_path.name.split("-")[0]
    wanted = ["sync a", "sync b", "sync manifest.json", "sync .tmp", "rename to step-1", f"sync {parent}"]
    assert events == wanted


def run_saver(what: str, folder: Path) -> dict[str, Any]:
    run = subprocess.run([sys.executable, str(SAVER), what, str(folder)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout))


def test_twenty_kills_of_a_saving_process(tmp_path: Path) -> None:
    """SIGKILL at random moments: the newest checkpoint always verifies, none is damaged, nothing is left behind."""
    report = run_saver("kill", tmp_path)
    assert len(report["steps"]) == 20
    assert report["warnings"] == []
    assert report["steps"] == sorted(report["steps"])
    assert report["steps"][-1] >= 10  # they were killed while saving, not before


def test_a_real_limit_on_file_sizes(tmp_path: Path) -> None:
    report = run_saver("limit", tmp_path)
    assert len(report["messages"]) == 25
    assert all("needs 0." in message and "MB are free" in message for message in report["messages"])
    assert report["newest"] == [1.0] * 25
    assert report["names"] == ["step-1", "step-2"]
