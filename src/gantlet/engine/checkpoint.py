"""Checkpoints: `checkpoints/step-N/`, the newest verified one is where a run goes on.

Each is a folder of safetensors and JSON with a SHA-256 manifest written last; it appears under its name in one rename
(storage.py). `best.json` names the one with the best metric. No pickle is written or read.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from gantlet.engine import storage
from gantlet.engine.state import State, from_files, to_files
from gantlet.errors import RunFailed

STEP = re.compile(r"step-(\d+)")
BEST = "best.json"


class Checkpoints:
    """The checkpoints of one run folder: the last `keep` and the best are kept."""

    def __init__(self, folder: Path, model: Mapping[str, Any], keep: int = 2) -> None:
        self.folder, self.model, self.keep = folder, dict(model), keep

    def path(self, step: int) -> Path:
        return self.folder / f"step-{step}"

    def steps(self) -> list[int]:
        """Return the steps that have a folder, newest first; whether they verify is not checked."""
        if not self.folder.is_dir():
            return []
        names = [STEP.fullmatch(entry.name) for entry in self.folder.iterdir() if entry.is_dir()]
        return sorted((int(name[1]) for name in names if name), reverse=True)

    def save(self, state: State, processes: int = 1) -> Path:
        """Save the state of a run of so many processes, then remove checkpoints that are no longer needed.

        Raises NotFinite for a state with NaN or infinity, RunFailed if the disk does not take it.
        """
        files = to_files(state, processes) | {"model.json": json.dumps(self.model, indent=1).encode()}
        path = self.path(state.counters.step)
        storage.write_folder(path, files)
        self._prune(state.counters.step, state.chart.healthy)
        return path

    def _prune(self, saved: int, healthy: int) -> None:
        """Remove all but the last `keep` up to the one just saved; later ones were passed over and say nothing.

        The best stays, and the last up to the step `healthy`: care.py goes back to it.
        """
        best, steps = self.best(), [step for step in self.steps() if step <= saved]
        last_healthy = max((step for step in steps if 0 < step <= healthy), default=None)
        stays = {last_healthy, None if best is None else best["step"]}
        for step in steps[self.keep :]:
            if step not in stays:
                storage.discard(self.path(step))

    def newest(self, warn: Callable[[str], None]) -> Path | None:
        """Return the newest checkpoint that verifies, telling of damaged ones passed over.

        Raises RunFailed if there are checkpoints and none verifies: starting anew must be the person's decision.
        """
        storage.sweep(self.folder)
        damaged = []
        for step in self.steps():
            try:
                storage.verify(self.path(step))
            except storage.Damaged as error:
                damaged.append(str(error))
                warn(f"Passing over a damaged checkpoint: {error}.")
                continue
            return self.path(step)
        if damaged:
            raise RunFailed(
                f"No checkpoint in {self.folder} is intact ({damaged[0]}); restore one or choose another --out."
            )
        return None

    def newest_until(self, step: int) -> Path | None:
        """Return the newest intact checkpoint up to a step, or the best one if that is later; None if there is none."""
        best = self.best()
        last = step if best is None else max(step, best["step"])
        for earlier in self.steps():
            if earlier <= last:
                with contextlib.suppress(storage.Damaged):
                    storage.verify(self.path(earlier))
                    return self.path(earlier)
        return None

    def discard_after(self, step: int) -> None:
        """Remove the checkpoints of later steps: a run that went back on purpose does not go on from them."""
        for later in [later for later in self.steps() if later > step]:
            storage.discard(self.path(later))

    def restore(self, state: State, path: Path) -> None:
        """Put a verified checkpoint into a state. Raises RunFailed if it was made by another recipe."""
        self.fit(state, self.read(path), path)

    def read(self, path: Path) -> dict[str, bytes]:
        """Return the files of a checkpoint, verified."""
        return {name: (path / name).read_bytes() for name in storage.verify(path)["files"]}

    def fit(self, state: State, files: Mapping[str, bytes], path: Path) -> None:
        """Put the files of the checkpoint `path` into a state. Raises RunFailed if they are of another recipe."""
        try:
            from_files(state, files)
        except (
            LookupError, ValueError, RuntimeError, TypeError, AttributeError, ArithmeticError, SafetensorError
        ) as error:  # fmt: skip
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            reason = reason if reason.isprintable() else reason.encode("unicode_escape").decode()
            raise RunFailed(f"{path} does not fit this recipe ({reason[:160]}).") from error

    def mark_best(self, step: int, metric: str, value: float) -> bool:
        """Make the checkpoint of `step` the best if its metric is lower than the best so far; tell whether it is."""
        best = self.best()
        if not isfinite(value) or (best is not None and best["value"] <= value):
            return False
        record: dict[str, Any] = {"step": step, "metric": metric, "value": value}
        try:
            storage.replace_file(self.folder / BEST, json.dumps(record).encode())
        except OSError as error:
            raise RunFailed(f"Could not write {self.folder / BEST} ({error.strerror}); make room and go on.") from error
        return True

    def best(self) -> dict[str, Any] | None:
        """Return {"step", "metric", "value"} of the best checkpoint, None if none is marked (or it is gone)."""
        try:
            record = json.loads((self.folder / BEST).read_bytes())
            found: dict[str, Any] = {
                "step": int(record["step"]),
                "metric": str(record["metric"]),
                "value": float(record["value"]),
            }
        except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
            return None
        return found if self.path(found["step"]).is_dir() else None
