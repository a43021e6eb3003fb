"""What benchmarks in slices share: rows in a JSON file that are not measured twice, quiet trainings, the machine."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

import gantlet
from gantlet.engine import loop
from gantlet.engine.precision import describe
from gantlet.engine.storage import replace_file

Row = dict[str, Any]
PROCESSOR = "s-processor"  # at the end of a budget that one core computes; "s" is the clock with all cores


class Rows:
    """The rows of results/<name>.json by key, written whole after each."""

    def __init__(self, name: str) -> None:
        self.path = Path(__file__).parent / "results" / f"{name}.json"

    def read(self) -> dict[str, Row]:
        return json.loads(self.path.read_text()) if self.path.is_file() else {}

    def keep(self, key: str, row: Row) -> None:
        """Add a row and what it was measured on; print its numbers. Several processes may do so at a time."""
        self.path.parent.mkdir(exist_ok=True)
        with open(self.path.parent / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            rows = {**self.read(), key: {**machine(), **row}}
            text = json.dumps(rows, indent=1, sort_keys=True)
            # Rows are published: where the data lie on this machine is nobody's business.
            if folder := os.environ.get("GANTLET_DATA"):
                text = text.replace(json.dumps(str(Path(folder)) + "/")[1:-1], "")
            replace_file(self.path, text.encode())
        said = {name: round(value, 3) for name, value in row.items() if isinstance(value, int | float)}
        print(f"{key}: {json.dumps(said)}", flush=True)

    @contextmanager
    def alone(self, key: str) -> Iterator[bool]:
        """Hold a row while it is measured; yield False if it is there already or another process holds it."""
        self.path.parent.mkdir(exist_ok=True)
        held = self.path.parent / f".{key.replace('/', '-')}.lock"
        with open(held, "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield key not in self.read()
            held.unlink(missing_ok=True)

    def groups(self) -> dict[str, list[Row]]:
        """Return the rows by the part of their key before "/seed"."""
        found: dict[str, list[Row]] = {}
        for key, row in sorted(self.read().items()):
            found.setdefault(key.split("/seed")[0], []).append(row)
        return found


def machine() -> Row:
    return {
        "device": describe(torch.device("cpu")), "vectors": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(), "torch": torch.__version__,
        "python": platform.python_version(), "load": round(os.getloadavg()[0], 2),
    }  # fmt: skip


def count_processor_seconds() -> None:
    """From now on compute with one thread, and let a training's seconds be those it computes: what else runs on the
    machine hardly counts, and several slices can be measured side by side, one a core."""
    torch.set_num_threads(1)
    loop.time = SimpleNamespace(perf_counter=time.process_time)  # type: ignore[assignment]


def budget_of(seconds: float, clock: str) -> str:
    """Return a budget as keys name it; the clock is "processor" or "wall"."""
    return f"{seconds:g}{PROCESSOR if clock == 'processor' else 's'}"


def begin(budget: str) -> float:
    """Set the clock that a budget asks for and return its seconds."""
    if budget.endswith(PROCESSOR):
        count_processor_seconds()
    return float(budget.removesuffix(PROCESSOR).removesuffix("s"))


def in_a_process(rows: Rows, key: str, script: str, *words: str) -> None:
    """Keep the row that `script one WORDS` prints, unless it is there or being measured; say why if it fails."""
    with rows.alone(key) as mine:
        if not mine:
            return
        done = subprocess.run([sys.executable, script, "one", *words], capture_output=True, text=True)
        if done.returncode:
            print(f"{key}: {(done.stderr.strip() or str(done.returncode)).splitlines()[-1]}", flush=True)
            return
        rows.keep(key, json.loads(done.stdout.strip().splitlines()[-1]))


def sweep(rows: Rows, script: str, data: list[str], recipes: list[str], seeds: int, budget: str) -> None:
    """Fill in all rows that are missing, seed by seed, so that an early stop leaves whole tables."""
    for seed in range(seeds):
        for source in data:
            for recipe in recipes:
                in_a_process(rows, f"{source}/{recipe}/{budget}/seed{seed}", script, recipe, source, str(seed), budget)


def train(
    recipe: str | None, data: str | Path, out: Path, *, resume: bool = False, **options: Any
) -> tuple[gantlet.Model, Row]:
    """Train a run, a new one unless it may be resumed, without grids and evaluations; return the model and how far."""
    if not resume:
        shutil.rmtree(out, ignore_errors=True)
    settings = {"quick": True, "quiet": True, "evaluate_every": 0, "sample_every": 1e9, **options}
    model = gantlet.train(recipe, data=data, out=out, **settings)
    folders = sorted((out / "checkpoints").glob("step-*/state.json"), key=os.path.getmtime)
    state = json.loads(folders[-1].read_text())
    counters = state["counters"]
    return model, {
        "steps": counters["step"], "samples": counters["samples"], "rollbacks": len(state["rollbacks"]),
        "seconds": counters["seconds"], "samples_per_second": counters["samples"] / max(counters["seconds"], 1e-9),
        "treatments": len(state.get("chart", {}).get("given", ())),
    }  # fmt: skip


def parameters(model: gantlet.Model) -> dict[str, int]:
    """Return the parameters of each network."""
    return {name: sum(p.numel() for p in module.parameters()) for name, module in model.nets.modules.items()}


def peak_memory_mb() -> int:
    """Return the peak memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def spread(values: list[float], digits: int = 1) -> str:
    """Return "mean (each)" of the values of several seeds."""
    return f"{mean(values):.{digits}f} ({', '.join(f'{value:.{digits}f}' for value in values)})"
