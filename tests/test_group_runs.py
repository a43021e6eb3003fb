"""`gantlet.train`, `sample` and `evaluate` by two processes: one set of files, the numbers of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both groups, run once."""
    folder = tmp_path_factory.mktemp("groups")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE / "engine")}
    done = subprocess.run(
        [sys.executable, str(HERE / "group_runs.py"), str(folder)],
        capture_output=True, text=True, timeout=240, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "codes.json").read_text()) == {"one": [0], "two": [0, 0]}, done.stderr
    return folder


def reports(out: Path, group: str, work: int) -> list[Any]:
    return [json.loads(path.read_text())[work] for path in sorted(out.glob(f"{group}-[0-9].json"))]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_of_two_writes_what_a_run_of_one_writes(out: Path) -> None:
    one, two = ({str(path.relative_to(run)) for path in run.rglob("*")} for run in (out / "run-1", out / "run-2"))
    assert one == two
    first, second = (lines(out / run / "log.jsonl") for run in ("run-1", "run-2"))
    assert first[-1]["step"] == second[-1]["step"] == 3
    for name in [name for name in first[0] if "/" in name and "norm" not in name]:  # later readings go by the clock
        assert second[0][name] == pytest.approx(first[0][name], rel=0.05), name  # batch norm sees half a batch


def test_both_judge_alike_while_training(out: Path) -> None:
    found = [lines(out / run / "evaluations.jsonl") for run in ("run-1", "run-2")]
    assert len(found[0]) == len(found[1]) == 2  # after the first step and at the end: they may take little time
    for one, two in zip(*found, strict=True):
        assert two["floor"] == one["floor"]
        assert two["protocol"]["counts"] == one["protocol"]["counts"]
        assert two["values"]["fid"] == pytest.approx(one["values"]["fid"], rel=0.1)


def test_every_process_gets_the_same_model(out: Path) -> None:
    first, second = reports(out, "two", 0)
    assert first == second


def test_samples_and_judgements_are_those_of_one_process(out: Path) -> None:
    (alone,) = reports(out, "one", 1)
    for found in reports(out, "two", 1):
        assert found == alone
    one, two = (np.load(out / f"npz-{size}.npz") for size in (1, 2))
    assert one.files == two.files
    assert one["images"].shape == (50, 8, 8, 1)
    assert all(np.array_equal(one[name], two[name]) for name in one.files)
    assert (out / "png-1.png").read_bytes() == (out / "png-2.png").read_bytes()


def test_all_processes_are_told_why_a_run_is_refused(out: Path) -> None:
    first, second = reports(out, "two", 2)
    assert first["told"][0].startswith("The processes were given different runs; all nodes")
    assert "(seed: 0 -> 1)" in second["told"][0]
    assert first["told"][1] == second["told"][1]
    assert "is not a run of Gantlet" in first["told"][1]
    assert not first["begun"]
