"""What stops a run from outside: signals while something looks on, two starts at once, memory that runs out."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import gantlet
from gantlet import cli, observing
from gantlet.engine import loop
from gantlet.engine.hooks import ShowByClock
from gantlet.errors import UserError, out_of_memory
from gantlet.stopping import Interrupted

OPTIONS: dict[str, Any] = dict(data="digits", quick=True, quiet=True, device="cpu")


def steps_of(out: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in (out / "checkpoints").glob("step-*"))


def endless(*given: object) -> None:
    """Stand for an evaluation that takes minutes; a signal comes while it is at work."""
    os.kill(os.getpid(), signal.SIGTERM)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.01)
    pytest.fail("nobody stopped it")


def test_a_signal_does_not_wait_for_an_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cut short, the run saved where it is, and neither judged nor drawn once more."""
    drawn: list[int] = []
    monkeypatch.setattr(observing.Evaluations, "judge", endless)
    monkeypatch.setattr(ShowByClock, "conclude", lambda hook, training: drawn.append(training.counters.step))
    began = time.monotonic()
    with pytest.raises(Interrupted) as stopped:
        gantlet.train("gan", out=tmp_path / "run", steps=10**6, evaluate_every=0.2, sample_every=1e9, **OPTIONS)
    assert time.monotonic() - began < 20
    assert stopped.value.exit_code == 143
    assert not drawn
    step = steps_of(tmp_path / "run")[-1]
    assert step > 0
    assert (tmp_path / "run" / "report.html").is_file()
    monkeypatch.undo()
    gantlet.train("gan", out=tmp_path / "run", steps=step + 2, evaluate_every=0, **OPTIONS)  # and it goes on
    gantlet.train("gan", out=tmp_path / "whole", steps=step + 2, evaluate_every=0, **OPTIONS)
    parts, whole = (gantlet.load(tmp_path / name).nets.G.state_dict() for name in ("run", "whole"))
    assert all(torch.equal(value, parts[key]) for key, value in whole.items())


def test_a_signal_while_drawing_stops_the_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing.SampleGrids, "draw", endless)
    with pytest.raises(Interrupted):
        gantlet.train("gan", out=tmp_path / "run", steps=10**6, evaluate_every=0, sample_every=0.1, **OPTIONS)
    assert steps_of(tmp_path / "run")[-1] > 0


def test_a_second_signal_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for no step, however long that takes, and saves nothing more."""
    step, began = loop.iterate, time.monotonic()

    def slow(training: loop.Training, *rest: Any) -> None:
        if training.counters.step < 2:
            step(training, *rest)
            return
        os.kill(os.getpid(), signal.SIGTERM)
        assert training.stop_requested
        endless()

    monkeypatch.setattr(loop, "iterate", slow)
    with pytest.raises(KeyboardInterrupt) as stopped:
        gantlet.train("gan", out=tmp_path / "run", steps=10**6, evaluate_every=0, sample_every=1e9, **OPTIONS)
    assert time.monotonic() - began < 20
    assert not isinstance(stopped.value, Interrupted)
    assert steps_of(tmp_path / "run") == [0]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder and what is in them; the lock's own file names who holds it."""
    files = (path for path in folder.rglob("*") if path.is_file() and "lock" not in path.name)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


HOLDER = (
    "from pathlib import Path; from gantlet.engine.storage import alone_in; import sys\n"
    "with alone_in(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
)


@pytest.mark.parametrize("begun", [False, True])
def test_of_two_starts_at_once_the_second_writes_nothing(begun: bool, tmp_path: Path) -> None:
    """Else the run.json of one would stand beside the checkpoints of the other."""
    out = tmp_path / "run"
    out.mkdir()
    if begun:
        gantlet.train("gan", out=out, steps=1, **OPTIONS)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        before = contents(out)
        with pytest.raises(UserError, match=f"Process {holder.pid} is training in"):
            gantlet.train("gan", out=out, steps=2, **OPTIONS)
        assert contents(out) == before
    finally:
        holder.communicate()
    gantlet.train("gan", out=out, steps=2, **OPTIONS)  # and nobody holds it any more
    assert steps_of(out)[-1] == 2


def test_which_errors_mean_that_memory_ran_out() -> None:
    size = 2**50
    with pytest.raises(RuntimeError) as caught:
        torch.empty(size)
    assert out_of_memory(caught.value)
    assert out_of_memory(MemoryError())
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert out_of_memory(RuntimeError("could not create a primitive"))  # oneDNN
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_memory_that_runs_out_while_training_is_said_and_loses_nothing(tmp_path: Path) -> None:
    """A real limit on the memory of the process, in a run that has a checkpoint."""
    out = tmp_path / "run"
    gantlet.train("gan", out=out, steps=1, batch_size=4096, **OPTIONS)
    before = steps_of(out)
    words = ["train", "gan", "--quick", "--data", "digits", "--steps", "2", "--quiet", "--device", "cpu"]
    # A small run first: what is imported or started later would meet the limit too, and say something else.
    code = (
        "import resource, sys; from gantlet import cli\n"
        "small, out, *words = sys.argv[1:]; assert cli.main([*words, '--out', small, '--batch-size', '8']) == 0\n"
        "pages = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (pages + 24 * 2**20,) * 2)\n"
        "sys.exit(cli.main([*words, '--out', out, '--batch-size', '4096']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "small"), str(out), *words],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 1, run.stderr
    assert "Out of memory; --accumulate" in run.stderr
    assert "Traceback" not in run.stderr
    assert steps_of(out) == before
    gantlet.train("gan", out=out, steps=2, batch_size=4096, **OPTIONS)
    assert steps_of(out)[-1] == 2
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


def test_other_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(words: list[str]) -> int:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(cli, "run", fail)
    with pytest.raises(RuntimeError, match="of ours"):
        cli.main(["list"])


SWALLOWING = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    pass
"""
INTERRUPTED = """
import os, signal
from gantlet.interrupts import ending_imports
try:
    with ending_imports():
        {what}
except KeyboardInterrupt:
    print("raised")
"""


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [("import swallowing; print('went on')", 130, ""), ("os.kill(os.getpid(), signal.SIGINT)", 0, "raised\n")],
)
def test_an_import_swallows_no_interrupt(tmp_path: Path, what: str, code: int, said: str) -> None:
    (tmp_path / "swallowing.py").write_text(SWALLOWING)
    script = INTERRUPTED.format(what=what)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (code, said)
    assert done.stderr == ("gantlet: interrupted.\n" if code else "")
