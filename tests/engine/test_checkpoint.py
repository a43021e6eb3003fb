"""Checkpoints: every damage is detected, the newest intact one is found, the right ones are kept."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from engine_toys import silent, state_of, value_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gantlet.engine import storage
from gantlet.engine.checkpoint import Checkpoints
from gantlet.engine.storage import Damaged, verify
from gantlet.errors import RunFailed

FILES = {
    "weights.safetensors", "averages.safetensors", "optimizer-p.safetensors",
    "state.json", "model.json", "manifest.json",
}  # fmt: skip


def saved(folder: Path, *steps: int, keep: int = 2) -> Checkpoints:
    """Save states whose weights are their step."""
    checkpoints = Checkpoints(folder / "checkpoints", {"recipe": "toy"}, keep)
    for step in steps:
        checkpoints.save(state_of(float(step), step))
    return checkpoints


def test_a_checkpoint_is_a_folder_of_safetensors_json_and_a_manifest(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 3)
    folder = checkpoints.path(3)
    assert {path.name for path in folder.iterdir()} == FILES
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest.keys() == {"format", "files"}
    assert set(manifest["files"]) == FILES - {"manifest.json"}
    assert verify(folder) == manifest
    assert value_in(checkpoints, folder) == 3.0
    assert sorted(path.name for path in folder.parent.iterdir()) == ["step-3"]  # nothing temporary is left


def test_no_checkpoint_yet_is_no_error(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "nothing", {})
    assert checkpoints.newest(silent) is None
    assert checkpoints.steps() == []
    assert checkpoints.best() is None


def test_a_thousand_flipped_bits_are_all_detected_and_passed_over(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1, 2)
    files = sorted(checkpoints.path(2).iterdir())
    rng = random.Random(0)
    for number in range(1000):
        path = files[number % len(files)]
        content = bytearray(path.read_bytes())
        bit = rng.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        intact = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(Damaged):
            verify(checkpoints.path(2))
        warnings: list[str] = []
        assert checkpoints.newest(warnings.append) == checkpoints.path(1), f"{path.name}, bit {bit}"
        assert len(warnings) == 1
        assert warnings[0].startswith("Passing over a damaged checkpoint: ")
        assert "step-2" in warnings[0]
        path.write_bytes(intact)
    assert checkpoints.newest(silent) == checkpoints.path(2)


def test_every_bit_of_a_small_manifest_counts(tmp_path: Path) -> None:
    """Its own bytes are not hashed by anything, so its content must leave no bit that says nothing."""
    storage.write_folder(tmp_path / "step-1", {"a.json": b"{}"})
    path = tmp_path / "step-1" / "manifest.json"
    intact = path.read_bytes()
    for bit in range(8 * len(intact)):
        content = bytearray(intact)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        with pytest.raises(Damaged):
            verify(tmp_path / "step-1")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "one byte short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "one byte long": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to nothing": lambda path: (path.unlink(), path.symlink_to("nowhere")),
}


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_named(damage: str, name: str, tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1, 2)
    DAMAGES[damage](checkpoints.path(2) / name)
    with pytest.raises(Damaged, match=name.replace(".", r"\.")):
        verify(checkpoints.path(2))
    assert checkpoints.newest(silent) == checkpoints.path(1)


@pytest.mark.parametrize(
    "content",
    [
        b"null", b"[]", b"7", b'"manifest"', b"{", b"{}", b'{"format": 1}', b'{"format": 1, "files": []}', b"\xff\xfe",
        b'{"format": "x", "files": {}}', b'{"format": 1, "files": {"a": 3}}', b'{"format": null, "files": {}}',
        b'{"format": 1, "files": {"a": {"bytes": "x", "sha256": ""}}}', b"[" * 100_000, b'{"format": 0, "files": {}}',
    ],
    ids=range(15),
)  # fmt: skip
def test_a_manifest_that_is_none_is_damage_and_no_crash(content: bytes, tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1, 2)
    (checkpoints.path(2) / "manifest.json").write_bytes(content)
    assert checkpoints.newest(silent) == checkpoints.path(1)


NAMES = ["a\x7fb", "a\nb", "../escape", "/etc/passwd", "sub/file", "..", ".", "", "nul\0byte", "\ud800", "long" * 1000]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_manifest_names_no_file_outside_its_folder_nor_one_that_cannot_be(name: str, tmp_path: Path) -> None:
    storage.write_folder(tmp_path / "step-1", {"a.json": b"{}"})
    (tmp_path / "escape").write_bytes((tmp_path / "step-1" / "a.json").read_bytes())
    manifest = json.loads((tmp_path / "step-1" / "manifest.json").read_text())
    manifest["files"] = {name: manifest["files"]["a.json"]}
    (tmp_path / "step-1" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Damaged, match="outside its folder" if "/" in name else None):
        verify(tmp_path / "step-1")


def test_a_name_that_no_file_can_have_is_not_said_whole(tmp_path: Path) -> None:
    """Three of 24,625 manifests that a fuzzer made led to a sentence of 2,000 brackets."""
    storage.write_folder(tmp_path / "step-1", {"a.json": b"{}"})
    path = tmp_path / "step-1" / "manifest.json"
    path.write_text(path.read_text().replace("a.json", "[" * 2000))
    with pytest.raises(Damaged) as refusal:
        verify(path.parent)
    assert len(str(refusal.value).replace(str(tmp_path), "")) < 250


def test_a_newer_format_is_refused_with_the_way_out(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 5)
    path = checkpoints.path(5) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": storage.FORMAT + 1}))
    with pytest.raises(Damaged, match="upgrade gantlet"):
        verify(checkpoints.path(5))
    with pytest.raises(RunFailed, match="upgrade gantlet"):
        checkpoints.newest(silent)


def test_when_nothing_is_intact_the_person_decides(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1, 2)
    for step in (1, 2):
        (checkpoints.path(step) / "state.json").write_bytes(b"{}")
    with pytest.raises(RunFailed, match=r"No checkpoint in .* is intact .*restore one or choose another --out"):
        checkpoints.newest(silent)
    assert checkpoints.steps() == [2, 1]  # nothing was deleted


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_last_ones_are_kept(keep: int, tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1, 2, 3, 5, 8, keep=keep)
    assert checkpoints.steps() == [8, 5, 3, 2, 1][:keep]


def test_steps_are_numbers_not_text(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 9, 10, 11)
    assert checkpoints.steps() == [11, 10]
    (tmp_path / "checkpoints" / "step-x").mkdir()
    (tmp_path / "checkpoints" / "step-12").write_text("a file")
    assert checkpoints.newest(silent) == checkpoints.path(11)


def test_the_best_one_is_kept_beside_the_last(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1, 2)
    assert checkpoints.mark_best(2, "fid", 30.0)
    for step in (3, 4, 5):
        checkpoints.save(state_of(float(step), step))
        assert not checkpoints.mark_best(step, "fid", 31.0)
    assert checkpoints.steps() == [5, 4, 2]
    assert checkpoints.best() == {"step": 2, "metric": "fid", "value": 30.0}
    assert checkpoints.mark_best(5, "fid", 29.5)
    checkpoints.save(state_of(6.0, 6))
    assert checkpoints.steps() == [6, 5]
    assert checkpoints.best() == {"step": 5, "metric": "fid", "value": 29.5}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_metric_that_is_no_number_is_never_the_best(value: float, tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1)
    assert not checkpoints.mark_best(1, "fid", value)
    assert checkpoints.best() is None
    assert checkpoints.mark_best(1, "fid", 5.0)
    assert not checkpoints.mark_best(1, "fid", value)
    assert checkpoints.best() == {"step": 1, "metric": "fid", "value": 5.0}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"step": 1}', b'{"step": "x", "metric": "fid", "value": 1}'])
def test_a_damaged_best_marker_is_no_best(content: bytes, tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1)
    (tmp_path / "checkpoints" / "best.json").write_bytes(content)
    assert checkpoints.best() is None
    assert checkpoints.mark_best(1, "fid", 3.0)
    shutil.rmtree(checkpoints.path(1))
    assert checkpoints.best() is None


def test_damaged_ones_that_were_passed_over_do_not_push_out_good_ones(tmp_path: Path) -> None:
    """Back at step 5 because 20 and 10 rotted: the checkpoints of the steps that follow are what must be kept."""
    checkpoints = saved(tmp_path, 5, 10, 20, keep=3)
    for step in (10, 20):
        (checkpoints.path(step) / "weights.safetensors").write_bytes(b"rot")
    for keep in (2, 1):
        again = Checkpoints(tmp_path / "checkpoints", {}, keep)
        assert again.newest(silent) is not None
        step = 6 if keep == 2 else 7
        again.save(state_of(float(step), step))
        assert again.newest(silent) == again.path(step)
    assert checkpoints.steps() == [20, 10, 7]
    Checkpoints(tmp_path / "checkpoints", {}, keep=2).save(state_of(21.0, 21))
    assert 21 in checkpoints.steps()


OPERATIONS = st.lists(
    st.one_of(st.just("save"), st.just("rot"), st.just("resume"), st.floats(0, 100).map(lambda value: ("best", value))),
    max_size=14,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS, keep=st.integers(1, 3))
def test_whatever_happens_one_intact_checkpoint_is_left_and_the_best_too(
    operations: list[object], keep: int, tmp_path: Path
) -> None:
    """Any history of saving, one rotten newest at a time, resuming and marking."""
    folder = tmp_path / "history"
    shutil.rmtree(folder, ignore_errors=True)
    checkpoints = saved(folder, 0, keep=keep)
    step, best = 0, None
    for operation in operations:
        if operation == "save":
            step += 1
            checkpoints.save(state_of(float(step), step))
        elif operation == "rot" and checkpoints.newest(silent) != checkpoints.path(min(checkpoints.steps())):
            (checkpoints.path(step) / "state.json").write_bytes(b"rot")
            step = int(checkpoints.newest(silent).name[5:])  # type: ignore[union-attr]
        elif operation == "resume":
            checkpoints = Checkpoints(folder / "checkpoints", {}, keep)
        elif isinstance(operation, tuple) and checkpoints.mark_best(step, "fid", operation[1]):
            best = step
        assert checkpoints.newest(silent) == checkpoints.path(step)
        assert value_in(checkpoints, checkpoints.path(step)) == step
        if best is not None and (found := checkpoints.best()) is not None:
            assert found["step"] == best
            assert checkpoints.path(best).is_dir()


def dead_pid() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_leftovers_of_dead_processes_are_swept_and_of_living_ones_kept(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1)
    folder, dead, alive = tmp_path / "checkpoints", dead_pid(), os.getppid()
    for pid in (dead, alive, os.getpid()):
        (folder / f".tmp-step-2-{pid}").mkdir()
        (folder / f".tmp-step-2-{pid}" / "weights.safetensors").write_bytes(b"part")
        (folder / f".trash-step-0-{pid}").mkdir()
        (folder / f".tmp-best.json-{pid}").write_text("{")
    (folder / ".tmp-strange").mkdir()
    assert checkpoints.newest(silent) == checkpoints.path(1)
    kept = {f".tmp-step-2-{alive}", f".trash-step-0-{alive}", f".tmp-best.json-{alive}", "step-1"}
    assert {path.name for path in folder.iterdir()} == kept


def test_a_checkpoint_that_was_being_replaced_is_put_back(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1)
    folder, dead = tmp_path / "checkpoints", dead_pid()
    checkpoints.path(1).rename(folder / f".old-step-1-{dead}")
    assert checkpoints.newest(silent) == checkpoints.path(1)
    assert value_in(checkpoints, checkpoints.path(1)) == 1.0
    shutil.copytree(checkpoints.path(1), folder / f".old-step-1-{dead}")
    assert checkpoints.newest(silent) == checkpoints.path(1)
    assert {path.name for path in folder.iterdir()} == {"step-1"}
