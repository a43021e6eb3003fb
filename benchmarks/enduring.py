"""Runs that are killed, stopped, spoilt and starved; reliability.py keeps the rows.

python benchmarks/enduring.py RECIPE OUT SECONDS SEED     one life of a run of the soak, in a process of its own
"""

from __future__ import annotations

import json
import mmap
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import gantlet
from gantlet.data import Order, open_images
from gantlet.engine import loop
from gantlet.engine.checkpoint import Checkpoints
from gantlet.engine.run import Run
from gantlet.engine.storage import Damaged, verify
from gantlet.recipes import catalogue
from unbreakable import fingerprint, killed_run, newest, state_of, values_in, wait_for_training

# Recipe -> data; quick settings: what a CPU trains.
RECIPES = {
    "r1gan": "digits", "sngan_cnn": "digits", "vae_gan": "digits", "wavegan": "tones", "relgan": "lines",
    "mocogan": "bouncing_shapes",
}  # fmt: skip
WARM = 90.0  # seconds of a life before its memory is looked at: the first evaluation is over
LINES = ("a red bird sings .", "the old boat sleeps .", "one cat sees the bird .", "the boat is red .")


def command(out: Path, *words: str) -> list[str]:
    start = [sys.executable, "-m", "gantlet.cli", "train", "--data", "digits", "--out", str(out), "--device", "cpu"]
    return [*start, "--save-every", "2", "--sample-every", "3", *words]


def strictly_rising(log: Path) -> bool:
    """Tell whether the readings of a log have ever later steps, none twice, but where a run went back and said so."""
    steps, count = [-1], 0
    for line in log.read_text().splitlines():
        reading = json.loads(line)
        if reading.get("event") in ("rollback", "treatment"):
            steps.append(-1)
        elif "event" not in reading:
            steps.append(reading["step"])
            count += 1
    return all(before < after or after == -1 for before, after in pairwise(steps)) and count > 1


def killed(top: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill one run many times and compare its end with that of a run left in peace; look at its log, too."""
    row = killed_run(top, kills, rng)
    rising = strictly_rising(top / "killed" / "log.jsonl")
    return {**row, "log_rises": rising, "failures": row["failures"] + (not rising)}


# --- signals


def signalled(top: Path, each: int, rng: random.Random) -> dict[str, Any]:
    """Stop one run by SIGINT and by SIGTERM many times, each time going on; measure how long it takes to end."""
    steps = str(240 * each)  # more than all starts together come to
    words = ["r1gan", "--quick", "--steps", steps, "--evaluate-every", "1"]
    peaceful = subprocess.run(command(top / "peaceful", *words[1:], words[0]), capture_output=True, text=True)
    assert peaceful.returncode == 0, peaceful.stderr
    numbers = [signal.SIGINT, signal.SIGTERM] * each
    rng.shuffle(numbers)
    out, seconds, codes, wrong, early = top / "stopped", [], [], 0, 0
    for number in numbers:
        log = out / "log.jsonl"
        before = log.stat().st_size if log.is_file() else 0
        process = subprocess.Popen(
            command(out, *words[1:], words[0]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if rng.random() < 0.85:  # in training or an evaluation, the rest while it starts
            wait_for_training(process, log, before)
            time.sleep(rng.uniform(0, 3.0))
        else:
            time.sleep(rng.uniform(0.3, 3.0))
            early += 1
        began = time.perf_counter()
        process.send_signal(number)
        said, _ = process.communicate()
        seconds.append(time.perf_counter() - began)
        codes.append(process.returncode)
        # Before it trains there is nothing to save: SIGTERM then ends it as it ends any process.
        fine = process.returncode in (0, 128 + number, -number) and "Traceback" not in said
        wrong += not fine
        if process.returncode == 0:
            break
    done = subprocess.run(command(out, *words[1:], words[0]), capture_output=True, text=True)
    equal = done.returncode == 0 and fingerprint(newest(out, [])) == fingerprint(newest(top / "peaceful", []))
    slowest = max(seconds)
    return {
        "signals": len(seconds), "while_starting": early, "slowest_seconds": round(slowest, 2),
        "median_seconds": round(float(np.median(seconds)), 2), "exit_codes": sorted(set(codes)), "wrong": wrong,
        "equal_to_the_end": equal, "log_rises": strictly_rising(out / "log.jsonl"), "steps": int(steps),
        "failures": wrong + (not equal) + (slowest > 5) + (not strictly_rising(out / "log.jsonl")),
    }  # fmt: skip


# --- many starts


def started_at_once(top: Path, count: int) -> dict[str, Any]:
    """Start the same training many times at once, with as many seeds: one trains, the others name it and end."""
    out = top / "run"
    words = [command(out, "gan", "--quick", "--seconds", "45", "--seed", str(seed)) for seed in range(count)]
    processes = [subprocess.Popen(each, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for each in words]
    said = [process.communicate()[0] for process in processes]
    winners = [seed for seed, process in enumerate(processes) if process.returncode == 0]
    pid = str(processes[winners[0]].pid) if winners else "nobody"
    named = sum(f"Process {pid} is training in" in text for text in said)
    told = {seed for text in said for seed in re.findall(r"seed: (\d+) ->", text)}
    recorded = json.loads((out / "run.json").read_text())["seed"]
    whole = bool(verify(newest(out, [])))
    other = sum(process.returncode not in (0, 2) for process in processes)
    fine = len(winners) == 1 and recorded == winners[0] and whole and not other
    late = count - 1 - named  # came when the winner had ended: told that the folder holds another run
    return {"starts": count, "trained": len(winners), "named_the_pid": named, "came_too_late": late,
            "other_seeds_told": sorted(told), "record_is_the_winners": fine, "failures": int(not fine)}  # fmt: skip


# --- histories of checkpoints, and every place to stop


def histories(top: Path, count: int, rng: random.Random) -> dict[str, Any]:
    """Live through random histories of saves, kills in a save, rot and marks; look after each event at what is left.

    A kill is a save that stops before one of its renames; rot spoils a file of the newest checkpoint, never of the last
    one that is intact.
    """
    events = failures = 0
    for number in range(count):
        keep, step, best = rng.randint(1, 3), 0, None
        checkpoints = Checkpoints(top / str(number), {}, keep)
        checkpoints.save(state_of(0.0, 0, 4))
        for event in rng.choices(("save", "save", "kill", "rot", "best"), k=rng.randint(3, 14)):
            events += 1
            intact = [at for at in checkpoints.steps() if whole(checkpoints.path(at))]
            if event == "save":
                step += 1
                checkpoints.save(state_of(float(step), step, 4))
            elif event == "kill":
                stopped_save(checkpoints, step + 1, rng.randint(1, 3))
                checkpoints = Checkpoints(top / str(number), {}, keep)
            elif event == "rot" and len(intact) > 1 and intact[0] != best:
                (checkpoints.path(intact[0]) / "weights.safetensors").write_bytes(b"rot")
            elif event == "best" and checkpoints.mark_best(intact[0], "fid", rng.random()):
                best = intact[0]
            newest = checkpoints.newest(lambda message: None)
            assert newest is not None
            step = int(newest.name.partition("-")[2])
            failures += values_in(checkpoints, newest, state_of(-1.0, 0, 4)) != {float(step)}
            failures += best is not None and not whole(checkpoints.path(best))
        shutil.rmtree(top / str(number))
    return {"histories": count, "events": events, "failures": failures}


class Killed(BaseException):
    """Stands for the end of the process."""


def stopped_save(checkpoints: Checkpoints, step: int, after: int) -> None:
    """Save, and stop before the so-many-th rename, if there are as many."""
    real, left = os.rename, [after]

    def rename(*places: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise Killed
        real(*places)

    os.rename = rename
    try:
        checkpoints.save(state_of(float(step), step, 4))
    except Killed:
        pass
    finally:
        os.rename = real


def whole(folder: Path) -> bool:
    try:
        return bool(verify(folder))
    except Damaged:
        return False


def stopped_anywhere(top: Path, steps: int = 41) -> dict[str, Any]:
    """Stop a run after each of its steps, go on in a new state, and compare the end with that of one left in peace."""
    images = open_images("digits")
    order, arguments = Order(len(images), 0), catalogue.resolve("r1gan", images.facts(), True, {})

    def run(out: Path, until: int) -> str:
        torch.manual_seed(0)
        training = loop.prepare(catalogue.build("r1gan", arguments), Run(out=out, steps=until, device="cpu"), {}, print)
        loop.train(training, lambda start, count: images.batch(order.indices(start, count)))
        return fingerprint(newest(out, []))

    wanted = run(top / "peaceful", steps)
    equal = 0
    for stop in range(1, steps):
        run(top / f"stopped-{stop}", stop)
        equal += run(top / f"stopped-{stop}", steps) == wanted
    return {"stops": steps - 1, "equal": equal, "failures": steps - 1 - equal}


# --- soak


def data_of(recipe: str, top: Path) -> str:
    if RECIPES[recipe] != "lines":
        return RECIPES[recipe]
    path = top / "lines.txt"
    path.write_text("\n".join(LINES * 40))
    return str(path)


def life(recipe: str, out: Path, seconds: float, seed: int) -> int:
    """Train as `gantlet train` does, spoiling a gradient now and then and taking memory away; return the exit code."""
    rng, began = random.Random(seed), time.monotonic()
    step_phase, ballast = loop.step_phase, list[mmap.mmap]()
    plan = {
        "spoil": rng.uniform(50, 600),
        "ballast": began + 5,
        "look": began,
        "starve": began + rng.uniform(60, 400),
    }
    memory = open(out.with_name(f"{out.name}.memory"), "a", buffering=1)  # noqa: SIM115

    def spoilt(training: loop.Training, phase: Any, *rest: Any) -> None:
        now = time.monotonic()
        if training.counters.step > plan["spoil"]:
            plan["spoil"] = training.counters.step + rng.uniform(400, 1200)  # six in 1,000 steps would end the run
            spoil(rng.choice(training.state.trainable.of[phase.player]), rng.choice((float("nan"), float("inf"))))
        if now > plan["ballast"]:
            plan["ballast"] = now + 5
            weigh(ballast, rng)
        if now > plan["look"]:
            plan["look"] = now + 1
            held = sum(map(len, ballast)) / 2**20
            memory.write(f"{seed} {now - began:.1f} {resident() - held:.2f} {training.counters.step}\n")
        if now > plan["starve"]:
            plan["starve"] = now + rng.uniform(60, 400)
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + 2**20, resource.RLIM_INFINITY))
        step_phase(training, phase, *rest)

    loop.step_phase = spoilt
    from gantlet.cli import main

    words = ["train", recipe, "--quick", "--data", data_of(recipe, out.parent), "--out", str(out), "--device", "cpu"]
    return main([*words, "--seconds", f"{seconds:g}", "--save-every", "5", "--sample-every", "20", "--quiet",
                 "--evaluate-every", "30"])  # fmt: skip


def spoil(parameter: nn.Parameter, value: float) -> None:
    """Make the next gradient of a parameter one that is no number."""

    def spoilt(gradient: torch.Tensor) -> torch.Tensor:
        handle.remove()
        return gradient * value

    parameter.requires_grad_(True)
    handle = parameter.register_hook(spoilt)
    parameter.requires_grad_(False)


def weigh(ballast: list[mmap.mmap], rng: random.Random) -> None:
    """Take up to 400 MB of memory and touch it, or give some back; mapped apart, so that it is no one's heap."""
    while ballast and rng.random() < 0.6:
        ballast.pop().close()
    if sum(map(len, ballast)) < 3 * 10**8:
        block = mmap.mmap(-1, rng.randrange(10, 100) * 2**20)
        block[:: mmap.PAGESIZE] = b"\1" * len(range(0, len(block), mmap.PAGESIZE))
        ballast.append(block)


def resident() -> float:
    """Return the resident memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def slope(memory: Path) -> tuple[float, float]:
    """Return by how many MB a minute memory grew within lives, and the standard error: least squares, pooled."""
    lives: dict[str, list[tuple[float, float]]] = {}
    for line in memory.read_text().splitlines():
        if len(parts := line.split()) == 4 and float(parts[1]) > WARM:
            lives.setdefault(parts[0], []).append((float(parts[1]) / 60, float(parts[2])))
    x, y = [], []
    for points in lives.values():
        if len(points) > 5:
            at, size = np.array(points).T
            x.append(at - at.mean())
            y.append(size - size.mean())
    if not x:
        return float("nan"), float("nan")
    minutes, sizes = np.concatenate(x), np.concatenate(y)
    found = float(minutes @ sizes / (minutes @ minutes))
    spread = float(
        np.sqrt(((sizes - found * minutes) ** 2).sum() / max(len(sizes) - len(x) - 1, 1) / (minutes @ minutes))
    )
    return found, spread


def soaked(top: Path, recipe: str, minutes: float, rng: random.Random) -> dict[str, Any]:
    """Let a run live and die for some minutes of training; return what became of it."""
    out, kills, codes = top / recipe, 0, list[int]()
    until = time.monotonic() + 3 * 60 * minutes  # starts and evaluations take their time, too
    while time.monotonic() < until:
        words = [sys.executable, __file__, recipe, str(out), f"{60 * minutes:g}", str(len(codes) + kills)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            _, said = process.communicate(timeout=rng.uniform(20, 300))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            continue
        codes.append(process.returncode)
        if process.returncode == 0 or (process.returncode != 1 or "Out of memory" not in said):
            break
    grown, error = slope(out.with_name(f"{out.name}.memory"))
    events = [json.loads(line).get("event") for line in (out / "log.jsonl").read_text().splitlines()]
    return {**health(out, recipe), "kills": kills, "ran_out_of_memory": codes.count(1), "exit_codes": codes,
            "rollbacks": events.count("rollback"), "mb_per_minute": round(grown, 3), "standard_error": round(error, 3),
            "minutes": minutes, "failures": failures(out, recipe, codes, grown, error)}  # fmt: skip


def health(out: Path, recipe: str) -> dict[str, Any]:
    """Return the end of a run: its step, whether all is whole, finite and in order."""
    model = gantlet.load(out)
    made = torch.as_tensor([len(line) for line in model.lines(8)]) if model.vocabulary else model.sample(8)
    return {"step": int(newest(out, []).name.partition("-")[2]), "finite": bool(torch.isfinite(made.float()).all()),
            "whole": bool(verify(newest(out, []))), "log_rises": strictly_rising(out / "log.jsonl")}  # fmt: skip


def failures(out: Path, recipe: str, codes: list[int], grown: float, error: float) -> int:
    """Return how many of the promises do not hold: the end, the samples, the checkpoints, the log, the memory."""
    end = health(out, recipe)
    leaks = not grown < max(1.0, 3 * error)  # MB a minute; also where it could not be measured
    return (codes[-1:] != [0]) + (not end["finite"]) + (not end["whole"]) + (not end["log_rises"]) + leaks


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(life(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
