"""Groups of one, two and four processes: the same run, whoever trains it, resumes it, stops it or dies."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gantlet.engine import parallel
from gantlet.engine.storage import verify
from gantlet.errors import UserError

SIZES = {"one": 1, "two": 2, "four": 4}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all groups, run once."""
    folder = tmp_path_factory.mktemp("groups")
    script = Path(__file__).with_name("group_members.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True, timeout=240, env=environment
    )
    assert done.returncode == 0, done.stderr
    (folder / "errors.txt").write_text(done.stderr)
    return folder


def reports(out: Path, group: str, work: int) -> list[Any]:
    """Return what the processes of a group say of one piece of work."""
    return [json.loads(path.read_text())[work] for path in sorted(out.glob(f"{group}-[0-9].json"))]


def final(run: Path, step: int) -> dict[str, torch.Tensor]:
    """Return the tensors of a checkpoint."""
    folder = run / "checkpoints" / f"step-{step}"
    verify(folder)
    return {
        f"{path.stem}/{key}": v for path in sorted(folder.glob("*.safetensors")) for key, v in load_file(path).items()
    }


def distance(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> float:
    """Return the largest difference of any weight or average, relative to the largest of its tensor."""
    assert found.keys() == wanted.keys()
    worst = 0.0
    for name, value in wanted.items():
        if value.is_floating_point() and name.startswith(("weights/", "averages/")) and "pool" not in name:
            scale = value.double().abs().max().clamp_min(1e-12)
            worst = max(worst, float((found[name].double() - value.double()).abs().max() / scale))
    return worst


def equal(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[name], value) for name, value in wanted.items())


def test_nobody_failed(out: Path) -> None:
    codes = json.loads((out / "codes.json").read_text())
    assert codes.pop("two_at_last") == [0, -9]
    assert all(code == 0 for ended in codes.values() for code in ended), (out / "errors.txt").read_text()


@pytest.mark.parametrize("group", ["two", "four"])
def test_several_processes_give_the_weights_of_one(group: str, out: Path) -> None:
    """40 steps: two parts a batch, two updates of D, a lazy penalty alone in its phase, spectral norm, an average."""
    one, several = (final(out / f"same-{SIZES[name]}", 40) for name in ("one", group))
    assert distance(several, one) < 1e-5
    start = final(out / "whole", 20)
    assert distance(start, one) > 1e-2  # something was learnt in between


@pytest.mark.parametrize("group", ["two", "four"])
def test_statistics_are_means_over_the_processes(group: str, out: Path) -> None:
    (alone,) = reports(out, "one", 0)
    members = reports(out, group, 0)
    assert len(alone["logged"]) == 2
    for found in members:
        assert found["logged"] == members[0]["logged"]
        for line, wanted in zip(found["logged"], alone["logged"], strict=True):
            assert line == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("group", ["two", "four"])
def test_buffers_are_one_state(group: str, out: Path) -> None:
    (alone,) = reports(out, "one", 0)
    members = reports(out, group, 0)
    assert all(found["buffers"] == members[0]["buffers"] for found in members)
    buffers = members[0]["buffers"]
    assert buffers["mean.value"] == pytest.approx(alone["buffers"]["mean.value"], rel=1e-5)
    rows_seen = 40 * 2 * 16
    assert alone["buffers"]["pool.seen"] == [rows_seen]
    assert buffers["pool.seen"] == [rows_seen // SIZES[group]]
    assert all(any(row) for row in torch.tensor(buffers["pool.pictures"]).view(8, 3).tolist())


def test_batch_norm_differs_from_one_process_and_agrees_between_them(out: Path) -> None:
    first, second = reports(out, "two", 1)
    assert first == second


@pytest.mark.parametrize(("group", "work"), [("two", 2), ("four", 1)])
def test_work_is_shared(group: str, work: int, out: Path) -> None:
    first, *others = reports(out, group, work)
    assert first["rows"] == [1.5 * i for i in range(23)]
    assert first["sizes"] == [4, 4, 4, 4, 4, 3]
    for found in (first, *others):
        assert found["slow"] == [0, 1]  # process 0 works as if alone
        assert found["heard"] == "It is your mistake."
        assert found["alone"] == 2
        assert found["files"] == {"a": "from 0"}
        assert found["means"] == {"x": (SIZES[group] - 1) / 2, "y": 2.0}
    assert all(found["rows"] == [] for found in others)


def test_a_run_goes_on_with_any_number_of_processes(out: Path) -> None:
    """5 steps by one, to 10 by two, to 15 by four, to 20 by one again."""
    assert distance(final(out / "changing", 20), final(out / "whole", 20)) < 1e-5


def test_a_run_goes_on_exactly_with_the_same_number(out: Path) -> None:
    """One stopped after the fourth step, the other saved after every step."""
    assert equal(final(out / "two_parts", 10), final(out / "two", 10))


def test_a_checkpoint_says_how_many_processes_made_it(out: Path) -> None:
    def told(run: str, step: int) -> Any:
        return json.loads((out / run / "checkpoints" / f"step-{step}" / "state.json").read_text()).get("processes")

    assert told("two", 10) == 2
    assert told("whole", 20) is None


def test_a_signal_to_one_process_stops_and_saves_all(out: Path) -> None:
    first, second = reports(out, "two_again", 1)
    assert first["received"] == []
    assert second["received"] == [15]
    assert first["step"] == second["step"] == 3
    assert first["kept"] == [3, 0]


def test_a_killed_process_is_missed_at_once_and_in_one_sentence(out: Path) -> None:
    (first,) = reports(out, "two_at_last", 1)
    assert first["heard"].startswith("Lost another process of this run (its connection closed); the last checkpoint")
    assert first["heard"].count("\n") == 0
    assert first["seconds"] < 20
    verify(max((out / "lost" / "checkpoints").glob("step-*"), key=lambda path: int(path.name[5:])))


def test_a_restarted_group_does_not_call_the_dead() -> None:
    """torchrun's store still holds what the group before it wrote."""
    store = torch.distributed.HashStore()

    def group() -> list[bytes]:
        heard: dict[int, bytes] = {}

        def member(rank: int, delay: float) -> None:
            time.sleep(delay)
            ours = parallel.meet(store, rank, 3)
            if rank == 0:
                ours.set("address", secrets.token_hex(4))
            heard[rank] = ours.get("address")

        threads = [threading.Thread(target=member, args=(rank, 0.3 * (rank == 0))) for rank in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        return [heard[rank] for rank in range(3)]

    groups = [group(), group(), group()]
    assert all(len(set(heard)) == 1 for heard in groups)
    assert len({heard[0] for heard in groups}) == 3


@pytest.mark.parametrize("text", ["soon", "0", "nan", "9.9", "1e9"])
def test_patience_is_a_number_of_seconds(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parallel.patience() == 40
    monkeypatch.setenv("GANTLET_PATIENCE", "55.5")
    assert parallel.patience() == 55.5
    monkeypatch.setenv("GANTLET_PATIENCE", text)
    with pytest.raises(UserError, match=f"GANTLET_PATIENCE .* not '{text}'"):
        parallel.patience()


def test_one_process_works_as_if_there_were_no_groups() -> None:
    assert parallel.by_first(lambda: (1, "untouched")) == (1, "untouched")
    assert [len(part["x"]) for part in parallel.in_turns(5, 2, lambda start, n: {"x": torch.zeros(n)})] == [2, 2, 1]
    assert parallel.files_of_first({"a": b"b"}) == {"a": b"b"}
