"""How much faster a training step is than it was: two versions of the package take turns on one thread.

    git worktree add ../before <commit>
    python benchmarks/step_ratio.py run ../before/src             the recipes of RECIPES, quick settings
    python benchmarks/step_ratio.py run ../before/src sngan --rounds 20
    python benchmarks/step_ratio.py table

Each version has a process of its own; rounds of `--steps` steps alternate, and the median of the rounds' ratios is
kept, with the processor milliseconds of a step in both. The steps are those of step_profile.py.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from slices import Row, Rows

ROWS = Rows("step_ratio")
HERE = Path(__file__).resolve().parent
RECIPES = (
    "dcgan", "r1gan", "infogan", "vae_conv", "sngan", "biggan", "stylegan2", "r3gan", "mocogan", "wavegan", "hifigan",
)  # fmt: skip


def work(recipe: str, steps: int, precision: str) -> None:
    """Answer each line of the standard input with the processor milliseconds of a step, a mean over so many."""
    import torch

    from gantlet.engine.memory import keep_freed_memory
    from step_profile import prepared

    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        step = prepared(recipe, Path(folder), precision)
        for _ in range(steps):
            step()
        for _ in sys.stdin:
            began = time.process_time()
            for _ in range(steps):
                step()
            print(f"ms {1000 * (time.process_time() - began) / steps}", flush=True)


def ask(process: subprocess.Popen[str]) -> float:
    given: IO[str] | None = process.stdin
    answer: IO[str] | None = process.stdout
    assert given is not None
    assert answer is not None
    given.write("go\n")
    given.flush()
    for line in answer:
        if line.startswith("ms "):
            return float(line.split()[1])
    raise SystemExit(f"{' '.join(map(str, process.args))} ended; run it by hand to see why.")  # type: ignore[arg-type]


def compare(before: Path, recipe: str, rounds: int, steps: int, precision: str) -> Row:
    """Return the row of a recipe."""
    command = [sys.executable, __file__, "work", recipe, "--steps", str(steps), "--precision", precision]
    sources = {"before": before, "after": HERE.parent / "src"}
    processes = {
        name: subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(src)},
        )
        for name, src in sources.items()
    }
    found: dict[str, list[float]] = {name: [] for name in processes}
    for number in range(rounds):
        for name in sorted(processes, reverse=bool(number % 2)):
            found[name].append(ask(processes[name]))
    for process in processes.values():
        process.kill()
    ratios = [b / a for b, a in zip(found["before"], found["after"], strict=True)]
    commit = subprocess.run(
        ["git", "-C", str(before), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    return {"recipe": recipe, "precision": precision, "before": commit.stdout.strip(), "rounds": rounds, "steps": steps,
            **{f"{name}_ms": statistics.median(values) for name, values in found.items()},
            "faster": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}  # fmt: skip


def table() -> None:
    print("| recipe | precision | before (commit), ms | after, ms | faster (least to most of the rounds) |")
    print("| --- | --- | ---: | ---: | ---: |")
    for row in ROWS.read().values():
        times = f"{row['before_ms']:.0f} ({row['before']}) | {row['after_ms']:.0f}"
        ratios = f"{row['faster']:.2f} x ({row['least']:.2f} to {row['most']:.2f})"
        print(f"| `{row['recipe']}` | {row['precision']} | {times} | {ratios} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table", "work"))
    parser.add_argument("given", nargs="*", help="run: the src folder of the other version, then recipes")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--steps", type=int, default=16, help="of a round; a multiple of those between lazy phases")
    options = parser.parse_args()
    if options.part == "table":
        table()
    elif options.part == "work":
        work(options.given[0], options.steps, options.precision)
    else:
        os.environ |= {"OMP_NUM_THREADS": "1"}
        before, *recipes = options.given
        for recipe in recipes or RECIPES:
            row = compare(Path(before).resolve(), recipe, options.rounds, options.steps, options.precision)
            ROWS.keep(f"quick/{recipe}/{options.precision}", row)


if __name__ == "__main__":
    main()
