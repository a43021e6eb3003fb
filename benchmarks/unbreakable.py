"""What it takes to lose a run: kills of a real run, kills aimed at saving, a full disk, numbers that are no numbers.

    python benchmarks/unbreakable.py                    all of it, about six minutes on two cores
    python benchmarks/unbreakable.py --kills 2 --saver-kills 20 --injections 1 --out short.json         a short look

Writes results/unbreakable.json. Needs Linux. Exit code 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gantlet.data import Order, open_images
from gantlet.draws import key
from gantlet.engine import loop
from gantlet.engine.checkpoint import Checkpoints
from gantlet.engine.hooks import SaveByClock
from gantlet.engine.precision import describe
from gantlet.engine.progress import Counters, advance
from gantlet.engine.run import Run
from gantlet.engine.state import State, create
from gantlet.engine.storage import replace_file, verify
from gantlet.errors import RunFailed
from gantlet.recipe import Player, Recipe
from gantlet.recipes import catalogue
from gantlet.recipes.optimizers import adam

RESULTS = Path(__file__).parent / "results" / "unbreakable.json"
CPU = torch.device("cpu")
TRAINING = 45.0  # seconds of training that the killed run has before it
STEPS = 40  # of each run with an injected fault


say = partial(print, flush=True)


# --- (a) a real run, killed


def command(out: Path, **budget: float) -> list[str]:
    """Return the command line of one start: the automatic recipe, the built-in digits."""
    words = [f"--{name}={value:g}" for name, value in budget.items()]
    return [
        *(sys.executable, "-m", "gantlet.cli", "train", "--data", "digits", "--out", str(out)),
        *("--save-every", "1", "--sample-every", "3", "--evaluate-every", "0", *words),
    ]


def start(out: Path, **budget: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command(out, **budget), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def run_to_the_end(out: Path, **budget: float) -> float:
    """Run one command until it ends by itself; return its seconds."""
    began = time.perf_counter()
    process = start(out, **budget)
    printed, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command(out, **budget))} ended with {process.returncode}:\n{printed}")
    return time.perf_counter() - began


def newest(out: Path, warnings: list[str]) -> Path:
    """Return the newest intact checkpoint of a run."""
    if path := Checkpoints(out / "checkpoints", {}).newest(warnings.append):
        return path
    raise SystemExit(f"{out} has no checkpoint.")


def fingerprint(checkpoint: Path) -> str:
    """Return the SHA-256 of all tensors of a checkpoint: weights, averages, buffers, optimizers."""
    whole = hashlib.sha256()
    for path in sorted(checkpoint.glob("*.safetensors")):
        whole.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def steps_for(folder: Path, seconds: float) -> tuple[int, float]:
    """Return how many steps take `seconds` here, and how long a start takes, from a short run."""
    took = run_to_the_end(folder / "calibration", seconds=6)
    state = json.loads((newest(folder / "calibration", []) / "state.json").read_text())["counters"]
    return max(int(state["step"] / state["seconds"] * seconds), 50), max(took - state["seconds"], 1.0)


def wait_for_training(process: subprocess.Popen[str], log: Path, already: int) -> None:
    """Wait until the log has statistics of a step behind the bytes it had already, or the process is gone."""
    while process.poll() is None:
        if log.is_file() and b"gradient_norm" in log.read_bytes()[already:]:
            return
        time.sleep(0.05)


def killed_run(folder: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill one run at random moments and resume it; compare its last weights with those of a run left in peace."""
    seconds = max(TRAINING * kills / 20, 5.0)
    steps, startup = steps_for(folder, seconds)
    say(f"(a) {steps} steps (about {seconds:.0f} s); a start takes {startup:.1f} s")
    run_to_the_end(folder / "peaceful", steps=steps)
    wanted = fingerprint(newest(folder / "peaceful", []))
    out, moments, resumed, warnings, lost = folder / "killed", [], [], [], 0
    while len(moments) < kills:
        log = out / "log.jsonl"
        log_before = log.stat().st_size if log.is_file() else 0
        process, delay = start(out, steps=steps), rng.uniform(0.2, 1.0) * startup
        if rng.random() < 0.8:  # in training, the rest while it starts
            wait_for_training(process, log, log_before)
            delay = rng.uniform(0, 1.5 * seconds / kills)
        try:
            process.communicate(timeout=delay)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        else:
            lost += process.returncode != 0
            break  # it reached the end before it could be killed again
        moments.append(round(delay, 2))
        if (out / "checkpoints").is_dir() and Checkpoints(out / "checkpoints", {}).steps():
            resumed.append(int(newest(out, warnings).name.partition("-")[2]))
    run_to_the_end(out, steps=steps)
    found = fingerprint(newest(out, warnings))
    say(f"    {len(moments)} kills, found at steps {resumed}, equal in the end: {found == wanted}")
    return {
        "kills": len(moments), "steps": steps, "newest_step_after_each_kill": resumed,
        "seconds_before_each_kill": moments,
        "damaged_checkpoints_seen": len(warnings), "failed_starts": lost, "sha256": found, "sha256_in_peace": wanted,
        "equal": found == wanted, "failures": len(warnings) + lost + (found != wanted),
    }  # fmt: skip


# --- (b) kills aimed at saving


def state_of(value: float, step: int, width: int = 800) -> State:
    """Return a state of 10 MB whose weights all are `value`."""
    network = nn.Linear(width, width)
    for parameter in network.parameters():
        nn.init.constant_(parameter, value)
    player = Player(networks={"N": network}, optimizer=adam(0.1, (0.5, 0.9)), average_halflife=100)
    state = create(Recipe(players={"p": player}, phases=()), CPU)
    with torch.no_grad():
        for parameter in state.trainable.of["p"]:
            parameter.grad = torch.zeros_like(parameter)
        state.optimizers["p"].step()  # so that there are moments to save
        for parameter in state.trainable.of["p"]:
            nn.init.constant_(parameter, value)
    state.counters = advance(Counters(), step=step)
    return state


def later(state: State, step: int) -> State:
    """Make a state that of a later step."""
    for parameter in state.trainable.of["p"]:
        nn.init.constant_(parameter, float(step))
    state.counters = advance(state.counters, step=step)
    return state


def save_for_ever(folder: Path, state: State) -> None:
    """Save ever later states with Gantlet's checkpoints, some of them twice."""
    checkpoints = Checkpoints(folder, {})
    while True:
        later(state, state.counters.step + 1)
        for _ in range(1 + (state.counters.step % 4 == 0)):
            checkpoints.save(state)
        checkpoints.mark_best(state.counters.step, "fid", 1 / state.counters.step)


def plain_save_for_ever(folder: Path, state: State) -> None:
    """Save ever later states the usual way: torch.save over one file."""
    while True:
        torch.save(later(state, state.counters.step + 1).tensors(), folder / "last.pt")


def killed_in(work: Callable[[Path, State], None], folder: Path, state: State, delay: float) -> None:
    """Do the work in a process of its own and kill it after `delay` seconds."""
    child = os.fork()
    if child == 0:
        work(folder, state)
        os._exit(0)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def values_in(checkpoints: Checkpoints, path: Path, state: State) -> set[float]:
    """Return the values that the weights of a checkpoint have: one, if it is whole."""
    checkpoints.restore(state, path)
    return {value for p in state.nets.modules["N"].parameters() for value in p.detach().unique().tolist()}


def killed_savers(folder: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill a saving process at random moments; look at what it left each time."""
    folder.mkdir()
    checkpoints, warnings, unreadable, torn, state = Checkpoints(folder, {}), [], 0, 0, state_of(0.0, 0)
    checkpoints.save(state)
    for _ in range(kills):
        killed_in(save_for_ever, folder, state, rng.uniform(0.005, 0.3))
        torn += any(entry.name.startswith(".") for entry in folder.iterdir())
        try:
            path = checkpoints.newest(warnings.append)
            assert path is not None
            unreadable += values_in(checkpoints, path, state) != {float(path.name.partition("-")[2])}
        except (RunFailed, AssertionError):
            unreadable += 1
    baseline, corrupt = max(kills // 10, 1), 0
    for _ in range(baseline):
        killed_in(plain_save_for_ever, folder, state, rng.uniform(0.05, 0.3))
        try:
            torch.load(folder / "last.pt", weights_only=True)
        except Exception:  # whatever a torn file raises
            corrupt += 1
    say(f"(b) {kills} kills, {torn} in the middle of a save: {unreadable} unreadable, {len(warnings)} damaged")
    say(f"    plain torch.save: {corrupt} of {baseline} unreadable")
    return {"kills": kills, "unreadable": unreadable, "damaged_checkpoints_seen": len(warnings),
            "killed_in_the_middle_of_a_save": torn, "plain_torch_save": {"kills": baseline, "unreadable": corrupt},
            "failures": unreadable + len(warnings)}  # fmt: skip


# --- (c) a full disk


def full_disk(folder: Path) -> dict[str, Any]:
    """Go on with a run under a limit on file sizes, which writes meet as they meet a full disk; then without it."""
    run_to_the_end(folder / "peaceful", steps=60)
    out = folder / "full"
    run_to_the_end(out, steps=30)
    before = newest(out, [])
    largest = max(path.stat().st_size for path in before.iterdir())
    rows = []
    for percent in (1, 10, 50, 90, 99):
        limit = largest * percent // 100

        def limited(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        process = subprocess.run(
            command(out, steps=60), capture_output=True, text=True, preexec_fn=limited,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        said = process.stderr.strip().split("\n")[-1]
        clear = process.returncode == 1 and "MB are free" in said and "it needs" in said
        intact = newest(out, []) == before and bool(verify(before))
        left = [entry.name for entry in (out / "checkpoints").iterdir() if entry.name.startswith(".tmp")]
        rows.append({"limit": limit, "exit_code": process.returncode, "said": said.replace(str(folder), ""),
                     "clear": clear, "earlier_checkpoint_intact": intact, "temporaries_left": len(left)})  # fmt: skip
    run_to_the_end(out, steps=60)
    equal = fingerprint(newest(out, [])) == fingerprint(newest(folder / "peaceful", []))
    failures = sum(not (row["clear"] and row["earlier_checkpoint_intact"]) or row["temporaries_left"] for row in rows)
    say(f"(c) {len(rows)} full disks, {failures} failures; with room again, equal to a run in peace: {equal}")
    return {"limits": rows, "equal_afterwards": equal, "failures": failures + (not equal)}


# --- (d) numbers that are no numbers

PLACES = ("data", "gradient", "weight", "buffer", "optimizer")


class Fault:
    """Puts a value that is no number somewhere into a run, once, after a given step."""

    def __init__(self, place: str, value: float, step: int, rng: random.Random) -> None:
        self.place, self.value, self.step, self.rng, self.done = place, value, step, rng, False
        self.notes: list[str] = []

    def after_step(self, training: loop.Training) -> None:
        if self.done or training.counters.step != self.step:
            return
        player = self.rng.choice(list(training.recipe.players))
        parameters = training.state.trainable.of[player]
        buffers = [
            b for n in training.recipe.players["G"].networks.values() for b in n.buffers() if b.is_floating_point()
        ]
        if self.place == "gradient":
            self.spoil_gradient(self.rng.choice(parameters))
        elif self.place != "data":
            where = {
                "weight": self.rng.choice(parameters),
                "buffer": self.rng.choice(buffers),
                "optimizer": training.state.optimizers[player].state[self.rng.choice(parameters)]["exp_avg"],
            }[self.place]
            where.detach()[(0,) * where.dim()] = self.value
        self.done = self.place != "data"

    def spoil_gradient(self, parameter: nn.Parameter) -> None:
        def spoil(gradient: torch.Tensor) -> torch.Tensor:
            handle.remove()
            return gradient * self.value

        parameter.requires_grad_(True)
        handle = parameter.register_hook(spoil)
        parameter.requires_grad_(False)

    def rows(
        self, good: Callable[[int, int], dict[str, torch.Tensor]]
    ) -> Callable[[int, int], dict[str, torch.Tensor]]:
        def spoilt(start: int, count: int) -> dict[str, torch.Tensor]:
            batch = good(start, count)
            if self.place == "data" and start <= self.step * count < start + count:
                batch["image"][0, 0, 0, 0] = self.value
            return batch

        return spoilt

    def note(self, event: str, message: str) -> None:
        self.notes.append(event)


def faulty_run(folder: Path, fault: Fault) -> dict[str, Any]:
    """Train the automatic recipe on the digits with a fault; return whether it was found and what was saved."""
    images = open_images("digits")
    order = Order(len(images), 0)
    arguments = catalogue.resolve("r1gan", images.facts(), True, {})
    torch.manual_seed(key(0, "weights"))
    run = Run(out=folder, steps=STEPS, device="cpu", keep=10**6)
    training = loop.prepare(catalogue.build("r1gan", arguments), run, {}, say)
    rows = fault.rows(lambda start, count: images.batch(order.indices(start, count)))
    loop.train(training, rows, [SaveByClock(0.0), fault])
    dirty = 0
    for step in training.checkpoints.steps():
        training.checkpoints.restore(training.state, training.checkpoints.path(step))
        files = training.state.tensors().values()
        dirty += not all(torch.isfinite(value).all() for tensors in files for value in tensors.values())
    return {
        "place": fault.place, "value": str(fault.value), "step": fault.step,
        "rolled_back": fault.notes.count("rollback"), "reached": training.checkpoints.steps()[0],
        "checkpoints": len(training.checkpoints.steps()), "checkpoints_with_such_values": dirty,
    }  # fmt: skip


def no_numbers(folder: Path, injections: int, rng: random.Random) -> dict[str, Any]:
    """Inject NaN and infinity at random steps into every place."""
    rows = []
    for place in PLACES:
        for value in (float("nan"), float("inf")):
            for number in range(injections):
                fault = Fault(place, value, rng.randrange(3, STEPS - 3), rng)
                rows.append(faulty_run(folder / f"{place}-{value}-{number}", fault))
    failures = sum(
        row["reached"] != STEPS or row["rolled_back"] != 1 or row["checkpoints_with_such_values"] > 0 for row in rows
    )
    dirty = sum(row["checkpoints_with_such_values"] > 0 for row in rows)
    say(f"(d) {len(rows)} injections: {failures} failures, {dirty} left such values in a checkpoint")
    return {"injections": rows, "failures": failures}


def main() -> int:
    """Do all four, print a table, write the JSON; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="of the real run")
    parser.add_argument("--saver-kills", type=int, default=200, help="aimed at saving")
    parser.add_argument("--injections", type=int, default=3, help="per place and value")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng, began, results = random.Random(options.seed), time.perf_counter(), {}
    with tempfile.TemporaryDirectory() as top:
        folders = {part: Path(top, part) for part in "abcd"}
        for part, work in {
            "kills_of_a_run": lambda: killed_run(folders["a"], options.kills, rng),
            "kills_while_saving": lambda: killed_savers(folders["b"], options.saver_kills, rng),
            "full_disk": lambda: full_disk(folders["c"]),
            "no_numbers": lambda: no_numbers(folders["d"], options.injections, rng),
        }.items():
            before = time.perf_counter()
            results[part] = {**work(), "seconds": round(time.perf_counter() - before, 1)}
    say(f"\n{'what':22}{'seconds':>9}{'failures':>10}")
    for part, row in results.items():
        say(f"{part:22}{row['seconds']:9.1f}{row['failures']:10}")
    about = {"seed": options.seed, "seconds": round(time.perf_counter() - began, 1), "device": describe(CPU),
             "torch": torch.__version__, "python": platform.python_version()}  # fmt: skip
    options.out.parent.mkdir(parents=True, exist_ok=True)
    replace_file(options.out, json.dumps({**about, **results}, indent=1).encode() + b"\n")
    return 1 if any(row["failures"] for row in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
