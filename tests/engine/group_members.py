"""What the processes of a group do in test_parallel.py. Run as `python group_members.py FOLDER`: it forks the groups.

One interpreter imports all that torch imports, at its first step too; every process of every group is a fork of it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from engine_toys import rows as toy_rows
from engine_toys import toy
from torch import Tensor, nn

from gantlet.engine import loop, parallel
from gantlet.engine.health import Watch
from gantlet.engine.hooks import SaveByClock, Tick
from gantlet.engine.run import Run
from gantlet.errors import RunFailed, UserError
from gantlet.layers.picture_pool import PicturePool
from gantlet.layers.spectral_norm import power_iteration, spectral_norm
from gantlet.losses.penalties import gradient_norm_squared
from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.optimizers import adam
from gantlet.stopping import stopping_on_signals

Report = dict[str, Any]
STEPS = 40


class Mean(nn.Module):
    """Means over rows, added up in a buffer: those of all rows, not of a process's own."""

    value: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.zeros(()))


def duel() -> Recipe:
    """Return a game with spectral norm, a lazy penalty of second order, an average, a running mean and a pool."""
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
    D = nn.Sequential(spectral_norm(nn.Linear(3, 16)), nn.Softplus(), spectral_norm(nn.Linear(16, 1)))

    def d_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        with torch.no_grad():
            fake = nets.G(progress.normal("z", 4))
        nets.pool(fake, progress.uniform("pool", 2))
        real_logits, fake_logits = nets.D(batch["x"]), nets.D(fake)
        progress.report("real_logits", real_logits)
        nets.mean.value.add_(real_logits.detach().mean(), alpha=0.01)
        return {"adversarial": (F.softplus(-real_logits) + F.softplus(fake_logits)).mean()}

    def penalty(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        return {"r1": 0.5 * gradient_norm_squared(nets.D, batch["x"]).mean()}

    def g_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        return {"adversarial": F.softplus(-nets.D(nets.G(progress.normal("z", 4)))).mean()}

    return Recipe(
        players={
            "D": Player(networks={"D": D}, optimizer=adam(2e-3, (0.0, 0.9)), constrain=power_iteration),
            "G": Player(networks={"G": G}, optimizer=adam(2e-3, (0.0, 0.9)), average_halflife=200),
        },
        phases=(
            Phase(player="D", loss=d_loss, updates=2),
            Phase(player="D", loss=penalty, every=4),
            Phase(player="G", loss=g_loss),
        ),
        helpers={"mean": Mean(), "pool": PicturePool(8, (3,))},
        batch_size=16,
    )


def trained(out: Path, steps: int, hooks: tuple[Any, ...] = (), recipe: Recipe | None = None) -> loop.Training:
    """Train the duel up to `steps`, in two parts a batch."""
    run = Run(out=out, device="cpu", precision="fp32", steps=steps, accumulate=2 if recipe is None else 1)
    training = loop.prepare(recipe or duel(), run, {"recipe": "duel"}, lambda message: None)
    loop.train(training, toy_rows, hooks)
    return training


def same(out: Path) -> Report:
    """Train the duel; report what was logged and every buffer, exactly."""
    logged: list[dict[str, float]] = []
    tick = Tick(lambda training, statistics: logged.append(dict(statistics)), Watch([]), lambda *event: None, 1e9)
    training = trained(out / f"same-{parallel.world_size()}", STEPS, (tick,))
    modules = training.state.nets.modules
    buffers = {f"{name}.{key}": b.flatten().tolist() for name, m in modules.items() for key, b in m.named_buffers()}
    return {"logged": [{k: v for k, v in line.items() if "/" in k} for line in logged], "buffers": buffers}


def batch_norm(out: Path) -> Report:
    """Train the toy with batch norm and dropout: processes agree with each other, whatever one process would do."""
    training = trained(out / f"norm-{parallel.world_size()}", 5, recipe=toy())
    return {"tensors": {k: v.tolist() for k, v in training.state.tensors()["weights"].items()}}


def shared_work(out: Path) -> Report:
    """Make rows in turns; let process 0 work longer than a beat, fail, and train a run of its own."""
    parallel.BEAT = 0.02
    parts = list(parallel.in_turns(23, 4, lambda start, n: {"rows": torch.arange(start, start + n).view(n, 1) * 1.5}))

    def slow() -> list[int]:
        time.sleep(0.3)
        return [parallel.rank(), parallel.world_size()]

    def fail() -> None:
        raise UserError("It is your mistake.")

    def alone() -> int:
        return trained(out / f"alone-{world}", 2).counters.step

    world, heard = parallel.world_size(), ""
    try:
        parallel.by_first(fail)
    except UserError as error:
        heard = str(error)
    return {
        "rows": [value for part in parts for value in part["rows"].flatten().tolist()],
        "sizes": [len(part["rows"]) for part in parts],
        "slow": parallel.by_first(slow),
        "heard": heard,
        "alone": parallel.by_first(alone),
        "files": {k: v.decode() for k, v in parallel.files_of_first({"a": f"from {parallel.rank()}".encode()}).items()},
        "means": parallel.mean_of({"x": float(parallel.rank()), "y": 2.0}),
    }


def part_of_a_run(name: str, steps: int) -> Callable[[Path], Report]:
    """Return what goes on with a run up to `steps`."""
    return lambda out: {"step": trained(out / name, steps).counters.step}


def every_step_saved(out: Path) -> Report:
    """Train ten steps and save each: what a save does to a run would show."""
    return {"step": trained(out / "two", 10, (SaveByClock(0.0),)).counters.step}


class At:
    """A hook that does something in one process after one step."""

    def __init__(self, rank: int, step: int, act: Callable[[], None]) -> None:
        self.rank, self.step, self.act = rank, step, act

    def after_step(self, training: loop.Training) -> None:
        if (parallel.rank(), training.counters.step) == (self.rank, self.step):
            self.act()

    def note(self, event: str, message: str) -> None:
        """Nothing to tell."""


def signalled(out: Path) -> Report:
    """Send SIGTERM to the last process alone."""
    run = Run(out=out / "signalled", device="cpu", precision="fp32", steps=1000)
    training = loop.prepare(duel(), run, {}, lambda message: None)
    with stopping_on_signals(training) as received:
        loop.train(training, toy_rows, [At(1, 3, lambda: os.kill(os.getpid(), signal.SIGTERM))])
    return {"step": training.counters.step, "received": received, "kept": training.checkpoints.steps()}


def killed(out: Path) -> Report:
    """Kill the last process in the middle of a run, without a word; report what the first one hears, and when."""
    began, heard = time.monotonic(), ""
    try:
        trained(out / "lost", 1000, (SaveByClock(0.0), At(1, 5, lambda: os.kill(os.getpid(), signal.SIGKILL))))
    except RunFailed as error:
        heard = str(error)
    return {"heard": heard, "seconds": time.monotonic() - began}


Member = Callable[[Path], Report]
GROUPS: list[tuple[str, int, list[Member]]] = [
    ("one", 1, [same, part_of_a_run("whole", 20), part_of_a_run("changing", 5)]),
    ("two", 2, [same, batch_norm, shared_work, part_of_a_run("changing", 10), every_step_saved]),
    ("two_again", 2, [part_of_a_run("two_parts", 4), signalled]),
    ("four", 4, [same, shared_work, part_of_a_run("changing", 15)]),
    ("one_again", 1, [part_of_a_run("changing", 20)]),
    ("two_at_last", 2, [part_of_a_run("two_parts", 10), killed]),
]


def member(out: Path, group: str, rank: int, size: int, port: int, work: list[Member]) -> None:
    """Be one process of a group and write what happened."""
    found = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in found.items()})
    torch.set_num_threads(1)
    if size > 1:
        parallel.start("cpu")
    reports = [part(out) for part in work]
    (out / f"{group}-{rank}.json").write_text(json.dumps(reports))


def run_group(out: Path, group: str, size: int, work: list[Member]) -> list[int]:
    """Fork a group of processes and wait for it; return how each ended."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    children = []
    for rank in range(size):
        child = os.fork()
        if child == 0:
            try:
                member(out, group, rank, size, port, work)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    trained(folder / "warm", 1)
    codes = {name: run_group(folder, name, size, work) for name, size, work in GROUPS}
    (folder / "codes.json").write_text(json.dumps(codes))
