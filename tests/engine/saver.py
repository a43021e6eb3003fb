"""What the processes do that test_interrupted_saves.py kills or starves. Run as `python saver.py kill|limit FOLDER`."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

import torch
from engine_toys import state_of, value_in

from gantlet.engine.checkpoint import Checkpoints
from gantlet.errors import RunFailed

SIZE = 4000  # inputs of the saved layer: 150 kB of weights, averages and moments


def opened(folder: Path) -> Checkpoints:
    return Checkpoints(folder, {"recipe": "toy"}, keep=2)


def save_for_ever(folder: Path, step: int) -> None:
    """Save states of ever later steps, every third one twice."""
    checkpoints = opened(folder)
    while True:
        step += 1
        checkpoints.save(state_of(float(step), step, SIZE))
        if step % 3 == 0:
            checkpoints.save(state_of(float(step), step, SIZE))
            checkpoints.mark_best(step, "fid", 1 / step)


def kill(folder: Path, times: int = 20) -> dict[str, object]:
    """Fork a saver, kill it at a random moment, look at what it left; `times` times, going on where it stood."""
    rng, newest, warnings, steps = random.Random(0), 0, [], []
    opened(folder).save(state_of(0.0, 0, SIZE))  # the first one imports
    began = time.perf_counter()
    for _ in range(5):
        opened(folder).save(state_of(0.0, 0, SIZE))
    one_save = (time.perf_counter() - began) / 5  # a busy machine saves as slowly in the child
    for _ in range(times):
        child = os.fork()
        if child == 0:
            save_for_ever(folder, newest)
            os._exit(0)
        time.sleep(rng.uniform(0.2, 4) * one_save)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        checkpoints = opened(folder)
        path = checkpoints.newest(warnings.append)
        assert path is not None
        found = int(value_in(checkpoints, path, SIZE))
        assert path.name == f"step-{found}"
        assert found >= newest
        newest = found
        steps.append(found)
        leftovers = [entry.name for entry in folder.iterdir() if entry.name.startswith(".")]
        assert leftovers == []
    return {"warnings": warnings, "steps": steps}


def limit(folder: Path) -> dict[str, object]:
    """Save under ever tighter limits on the size of files; return the messages and what is newest after each."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    checkpoints = opened(folder)
    checkpoints.save(state_of(1.0, 1, SIZE))
    largest = max(file.stat().st_size for file in checkpoints.path(1).iterdir())
    messages, newest = [], []
    for percent in (1, *range(4, 96, 4), 99):
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest * percent // 100, resource.RLIM_INFINITY))
        try:
            checkpoints.save(state_of(2.0, 2, SIZE))
        except RunFailed as error:
            messages.append(str(error))
        path = opened(folder).newest(messages.append)
        assert path is not None
        newest.append(value_in(checkpoints, path, SIZE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    checkpoints.save(state_of(2.0, 2, SIZE))
    names = sorted(entry.name for entry in folder.iterdir())
    return {"messages": messages, "newest": newest, "names": names}


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({"kill": kill, "limit": limit}[sys.argv[1]](Path(sys.argv[2]))))
