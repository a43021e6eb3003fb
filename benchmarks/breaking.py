"""One process that reads damaged files of one kind and counts what happens; reliability.py starts and watches it.

    python benchmarks/breaking.py KIND FOLDER --first 0 --count 1000        these mutations: each is a function of
                                                                           (seed, kind, number)
    python benchmarks/breaking.py KIND FOLDER --seconds 600                 fuzzing: inputs that run lines of Gantlet
                                                                           that none before ran are damaged further

Whatever is no open file and no sentence is a failure: its file is kept in FOLDER/failures. What is being read lies in
FOLDER/current, so that the file that ends the process is known, too. The last line is the counts as JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import gantlet
from gantlet.engine.storage import Damaged
from gantlet.errors import RunFailed, UserError
from mutating import mutated
from readers import Kind
from run_readers import kinds

LIMIT = 2.0  # seconds of the processor for one file: another process on the machine makes nothing a hang
SENTENCES = (UserError, RunFailed, Damaged)
OURS = str(Path(gantlet.__file__).parent)
MOST = 400  # inputs that fuzzing goes on from


class TimeUp(BaseException):
    """The time limit; no Exception, so that nothing takes it for a damaged file."""


class Lines:
    """The lines of Gantlet that ran; `new` tells whether some did for the first time since it was last asked."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, int]] = set()
        self._before = 0

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        self._seen.add((frame.f_code.co_filename, frame.f_lineno))
        return self.trace

    def new(self) -> bool:
        more, self._before = len(self._seen) > self._before, len(self._seen)
        return more

    def __len__(self) -> int:
        return len(self._seen)


def ring(number: int, frame: FrameType | None) -> None:
    raise TimeUp


def outcome(kind: Kind, path: Path) -> tuple[str, str]:
    """Read a file by every reader of its kind; return the worst that happened and what was said."""
    worst, said = "read", ""
    for read in kind.read:
        signal.setitimer(signal.ITIMER_PROF, LIMIT)
        try:
            read(path)
        except SENTENCES as error:
            sentence = str(error)
            if not sentence.isprintable() or len(sentence) > 1500:
                return "failure: not one line", sentence
            worst, said = "refused", sentence
        except TimeUp:
            return "failure: time", traceback.format_exc()[-1500:]
        except Exception:  # the very thing that is counted
            return f"failure: {sys.exc_info()[0].__name__}", traceback.format_exc()[-1500:]  # type: ignore[union-attr]
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return worst, said


class Breaking:
    """The counts of one kind, and the folder where its files are read."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind, self.folder, self.counts = kind, folder, Counter[str]()
        self.failures: list[dict[str, Any]] = []
        self.path = kind.place(folder / "place")
        for seed in kind.seeds:
            kind.put(self.path, seed)
            found, said = outcome(kind, self.path)
            if found != "read":
                raise SystemExit(f"a sound file is not read: {said}")
        self.before, self.slowest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0.0

    def attempt(self, data: bytes, number: int) -> str:
        (self.folder / "current").write_bytes(data)
        (self.folder / "number").write_text(json.dumps({"number": number, **self.counts}))
        self.kind.put(self.path, data)
        began = time.process_time()
        found, said = outcome(self.kind, self.path)
        self.slowest = max(self.slowest, time.process_time() - began)
        self.counts[found.partition(":")[0]] += 1
        if found.startswith("failure"):
            (self.folder / "failures").mkdir(exist_ok=True)
            (self.folder / "failures" / f"{number}-{Path(self.kind.name).name}").write_bytes(data)
            self.failures.append({"number": number, "outcome": found, "said": said})
        return found

    def told(self) -> dict[str, Any]:
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self.before) / 1024
        return {"files": self.counts.total(), **{name: self.counts[name] for name in ("read", "refused", "failure")},
                "slowest_seconds": round(self.slowest, 3), "grown_mb": round(grown),
                "failures": self.failures[:20]}  # fmt: skip


def count_mutations(job: Breaking, name: str, options: argparse.Namespace) -> None:
    for number in range(options.first, options.first + options.count):
        rng = random.Random(f"{options.seed} {name} {number}")
        job.attempt(mutated(rng.choice(job.kind.seeds), rng, job.kind.seeds), number)


def fuzz(job: Breaking, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Damage inputs for some seconds; what reaches new lines of Gantlet joins those that are damaged further."""
    rng, lines, inputs, number = random.Random(f"{options.seed} {name}"), Lines(), list(job.kind.seeds), 0
    until = time.monotonic() + options.seconds
    while time.monotonic() < until:
        number += 1
        recent = inputs[-20:] if rng.random() < 0.5 else inputs
        data = mutated(rng.choice(recent), rng, inputs)
        sys.settrace(lines.trace)
        try:
            job.attempt(data, number)
        finally:
            sys.settrace(None)
        if lines.new():
            inputs = [*inputs, data][-MOST:]
    return {"lines_reached": len(lines), "inputs_kept": len(inputs), "seconds": options.seconds}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    options = parser.parse_args()
    every = kinds(options.folder.parent / "made", options.kind)
    if options.kind == "list":
        print(json.dumps(list(every)))
        return 0
    signal.signal(signal.SIGPROF, ring)
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    job = Breaking(every[options.kind], folder)
    more: dict[str, Any] = {}
    if options.seconds:
        more = fuzz(job, options.kind, options)
    else:
        count_mutations(job, options.kind, options)
    print(json.dumps({**job.told(), **more}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
