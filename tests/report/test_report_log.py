from __future__ import annotations

import errno
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantlet.report.log import RunLog, read_log, strict


def test_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert read_log(tmp_path / "no.jsonl") == []
    assert read_log(tmp_path) == []


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run" / "log.jsonl"
    with RunLog(path) as log:
        log.append({"step": 1, "loss": 0.5})
        assert read_log(path) == [{"step": 1, "loss": 0.5}]  # before it is closed
        log.append({"step": 2, "name": "Ünïcode\nand lines"})
    assert [record["step"] for record in read_log(path)] == [1, 2]
    assert path.read_bytes().count(b"\n") == 2


def test_numbers_that_json_lacks_are_strings(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with RunLog(path) as log:
        log.append(
            {"a": math.nan, "b": [math.inf, -math.inf], "c": np.float32("nan"), "d": np.int64(3), "e": Path("x")}
        )

    def refuse(text: str) -> float:
        raise AssertionError(text)

    record = json.loads(path.read_text(), parse_constant=refuse)
    assert record == {"a": "nan", "b": ["inf", "-inf"], "c": "nan", "d": 3, "e": "x"}


@pytest.mark.parametrize("cut", range(1, 24))
def test_a_cut_last_line_is_left_out_and_mended(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "log.jsonl"
    whole = b'{"step": 1, "loss": 0.5}\n'
    path.write_bytes(whole + whole[:cut])
    expected = [{"step": 1, "loss": 0.5}] * (2 if cut == 24 else 1)
    assert read_log(path) == expected
    with RunLog(path) as log:
        log.append({"step": 2})
    assert read_log(path) == [*expected, {"step": 2}]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_whole_last_line_without_its_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}')
    with RunLog(path) as log:
        log.append({"step": 2})
    assert read_log(path) == [{"step": 1}, {"step": 2}]


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.jsonl"
    path.write_bytes(content + b'\n[1]\n{"step": 7}\n' + b"[" * 5000)
    assert read_log(path)[-1] == {"step": 7}


def test_a_resumed_run_writes_each_step_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with RunLog(path) as log:
        for step in range(1, 8):
            log.append({"step": step, "try": 1})
        log.append({"event": "note without a step"})
        log.append({"event": "health", "step": 7, "message": "diverged"})
        log.append({"event": "treatment", "step": 7, "message": "halved all learning rates"})
        log.append({"event": "evaluation", "step": 6})
        log.truncate_after(4)
        for step in range(5, 10):
            log.append({"step": step, "try": 2})
    records = read_log(path)
    assert [record["step"] for record in records if "event" not in record] == list(range(1, 10))
    assert [record["event"] for record in records if "event" in record] == [
        *("note without a step", "health", "treatment")
    ]
    assert [entry.name for entry in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = RunLog(path)
    log.append({"step": 1})
    file = log._file

    class Full:
        def write(self, data: bytes) -> int:
            file.write(data[:3])
            raise OSError(errno.ENOSPC, "No space left on device")

        def fileno(self) -> int:
            return file.fileno()

    log._file = Full()  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space"):
        log.append({"step": 2})
    log._file = file
    log.append({"step": 3})
    log.close()
    assert read_log(path) == [{"step": 1}, {"step": 3}]


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=50, deadline=None)
@given(json_like)
def test_strict_is_strict(value: object) -> None:
    json.loads(json.dumps(strict(value), allow_nan=False))
