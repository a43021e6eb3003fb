"""Contract 8: two gloo processes, as torchrun starts them, give the parameters of one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import freeze_batch_statistics, prepare, rows_of
from two_processes import PLAIN, SHARED

from gantlet.engine import loop, parallel


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """Run two processes once; return their folder and what each reports."""
    out = tmp_path_factory.mktemp("two")
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    script = Path(__file__).with_name("two_processes.py")
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(out)],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=240)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
    return out, [json.loads((out / f"report-{rank}.json").read_text()) for rank in range(2)]


Both = tuple[Path, list[dict[str, Any]]]


@pytest.mark.parametrize("case", SHARED)
def test_two_processes_give_the_parameters_of_one(case: str, both: Both, tmp_path: Path) -> None:
    out, reports = both
    training = prepare(case, tmp_path, run={"steps": 3}, player=PLAIN)
    freeze_batch_statistics(training)
    alone = loop.train(training, rows_of(case)).tensors()
    together = load_file(out / case / "checkpoints" / "step-3" / "weights.safetensors")
    before = load_file(out / case / "checkpoints" / "step-0" / "weights.safetensors")
    assert alone["weights"].keys() == together.keys()
    for key, value in alone["weights"].items():
        torch.testing.assert_close(together[key], value, rtol=0, atol=1e-5, msg=lambda text, key=key: f"{key}: {text}")
    assert any(not torch.allclose(before[key], value, atol=1e-4) for key, value in together.items())
    averages = load_file(out / case / "checkpoints" / "step-3" / "averages.safetensors")
    for key, value in alone["averages"].items():
        torch.testing.assert_close(averages[key], value, rtol=0, atol=1e-5)
    assert reports[0]["shared"][case] == reports[1]["shared"][case]  # between the processes: exactly equal


def test_the_processes_know_each_other(both: Both) -> None:
    _, (first, second) = both
    assert [(report["rank"], report["world_size"]) for report in (first, second)] == [(0, 2), (1, 2)]
    assert first["rows"] == [[0, 2], [2, 2], [4, 2]]
    assert second["rows"] == [[6, 2], [8, 2], [10, 2]]
    assert first["agreed"] == second["agreed"] == [True, True, False]


def test_a_state_that_is_not_finite_in_one_process_is_refused_in_both(both: Both) -> None:
    _, reports = both
    for report in reports:
        assert report["refused"][0].startswith("raised ")
        assert report["refused"][1] == report["refused"][0]
        assert report["refused"][2] == "checkpoints [0]"
    assert "weights/G." in reports[0]["refused"][0]


def test_a_stop_asked_of_one_process_stops_both_at_the_same_step(both: Both) -> None:
    _, reports = both
    assert [report["stopped"] for report in reports] == [2, 2]


def test_a_batch_that_does_not_divide_is_refused_with_the_way_out(both: Both) -> None:
    _, reports = both
    for report in reports:
        assert "multiple of 2" in report["odd"]


def test_without_torchrun_there_is_one_process() -> None:
    parallel.start("cpu")
    assert (parallel.rank(), parallel.world_size()) == (0, 1)
    assert parallel.rows(8, 2) == [(0, 4), (4, 4)]
    assert parallel.agree([True, False]) == [True, False]


def test_no_thread_of_the_group_outlives_it(both: Both) -> None:
    """One that does may abort the process while Python shuts down: "terminate called without an active exception"."""
    for report in both[1]:
        assert report["threads_left"] == []
