"""What each of two processes does in test_two_processes.py. Run as `python two_processes.py FOLDER` with RANK set."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from tiny_runs import freeze_batch_statistics, prepare, rows_of

from gantlet.engine import loop, parallel
from gantlet.engine.hooks import SaveByClock
from gantlet.engine.state import NotFinite
from gantlet.errors import UserError
from gantlet.recipes.optimizers import sgd

# Fully connected; a gradient penalty with two fakes per real; spectral norm with labels.
SHARED = ("gan", "wgan_gp_resnet", "sngan_cnn")

# Under SGD the step is the gradient. Adam's first step is its sign, made out of the last bit of a gradient near zero.
PLAIN = {"optimizer": sgd(0.01, 0.9)}


def share(case: str, out: Path) -> dict[str, list[str]]:
    """Train 3 steps; only rank 0 saves. Return the parameters as text, exact, to compare between processes."""
    training = prepare(case, out / case, run={"steps": 3}, player=PLAIN)
    freeze_batch_statistics(training)
    state = loop.train(training, rows_of(case))
    tensors = state.tensors()["weights"]
    return {
        key: [value.double().sum().item().hex(), value.double().norm().item().hex()] for key, value in tensors.items()
    }


def refuse_to_save(out: Path) -> list[str]:
    """Make a weight infinite in process 0 alone: every process must hear of it, and none may wait for ever."""
    heard: list[str] = []
    training = prepare("gan", out / "refused")
    loop.save(training)
    if parallel.rank() == 0:
        with torch.no_grad():
            next(training.state.nets.modules["G"].parameters())[0, 0] = float("inf")
    for save in (lambda: loop.save(training), lambda: SaveByClock(0.0).after_step(training)):
        try:
            save()
        except NotFinite as error:
            heard.append(f"raised {error}")
    return [*heard, f"checkpoints {training.checkpoints.steps()}"]


def stop_together(out: Path) -> int:
    """Ask for a stop in process 0 alone, after two steps; return the step both end at."""

    class Stop:
        def after_step(self, training: loop.Training) -> None:
            training.stop_requested = parallel.rank() == 0 and training.counters.step == 2

        def note(self, event: str, message: str) -> None:
            """Nothing to tell."""

    training = prepare("gan", out / "stopped", run={"steps": 50})
    return loop.train(training, rows_of("gan"), [Stop()]).counters.step


def odd_batch() -> str:
    try:
        parallel.rows(9, 1)
    except UserError as error:
        return str(error)
    return ""


def threads_left(seconds: float = 10.0) -> list[str]:
    """Return the names of the group's threads that stay: a joined one is listed until the kernel has buried it."""
    deadline = time.monotonic() + seconds
    while True:
        names = []
        for path in Path("/proc/self/task").glob("*/comm"):
            with contextlib.suppress(OSError):  # gone since it was listed
                names.append(path.read_text().strip())
        left = [name for name in names if "gloo" in name]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


def main(out: Path) -> None:
    """Do everything in one group and write what happened."""
    torch.set_num_threads(1)
    parallel.start("cpu")
    report: dict[str, Any] = {
        "rank": parallel.rank(),
        "world_size": parallel.world_size(),
        "rows": parallel.rows(12, 3),
        "agreed": parallel.agree([parallel.rank() == 0, parallel.rank() == 1, False]),
        "shared": {case: share(case, out) for case in SHARED},
        "refused": refuse_to_save(out),
        "stopped": stop_together(out),
        "odd": odd_batch(),
    }
    parallel.stop()
    report["threads_left"] = threads_left()
    (out / f"report-{report['rank']}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
