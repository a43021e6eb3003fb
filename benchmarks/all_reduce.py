"""What an all-reduce over gloo costs, by size and number of processes, and what that means for a training step.

`python benchmarks/cluster.py cost` runs this. The model is that of a ring: of B bytes over n processes each sends
2 (n - 1) / n * B, in 2 (n - 1) messages one after the other: t = 2 (n - 1) / n * B / bandwidth + 2 (n - 1) * latency.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from gantlet.engine import loop, parallel
from gantlet.engine.run import Run
from gantlet.recipe import Recipe
from gantlet.recipes import catalogue

SIZES = [2**power for power in range(10, 27, 2)]  # bytes: 1 KiB to 64 MiB
LINKS = {  # name -> (bytes a second, seconds a message)
    "1 Gbit/s": (1.25e8, 1e-4),
    "10 Gbit/s": (1.25e9, 5e-5),
    "100 Gbit/s": (1.25e10, 1e-5),
}
RECIPES: dict[str, tuple[str, bool, dict[str, Any]]] = {  # name -> (recipe, quick settings, facts of the data)
    "r1gan quick, 8x8": ("r1gan", True, {"channels": 1, "resolution": 8, "num_classes": 10}),
    "r1gan quick, 28x28": ("r1gan", True, {"channels": 1, "resolution": 28, "num_classes": 10}),
    "dcgan, 64x64": ("dcgan", False, {"channels": 3, "resolution": 64, "num_classes": 0}),
    "sngan, 32x32": ("sngan", False, {"channels": 3, "resolution": 32, "num_classes": 10}),
}


def seconds_of(size: float, processes: int, bandwidth: float, latency: float) -> float:
    """Return what the model says."""
    return 2 * (processes - 1) / processes * size / bandwidth + 2 * (processes - 1) * latency


def fit(measured: dict[int, float], processes: int) -> tuple[float, float]:
    """Return bandwidth (bytes a second) and latency (seconds) with the least relative squares."""
    sizes = torch.tensor(list(measured), dtype=torch.float64)
    seconds = torch.tensor(list(measured.values()), dtype=torch.float64)
    columns = torch.stack([2 * (processes - 1) / processes * sizes, torch.full_like(sizes, 2 * (processes - 1))], 1)
    solution = torch.linalg.lstsq(columns / seconds[:, None], torch.ones(len(sizes), 1, dtype=torch.float64)).solution
    inverse, latency = solution.flatten().tolist()
    return 1 / inverse, max(latency, 0.0)


def member(rank: int, processes: int, port: int, out: Path) -> None:
    """Be one of the processes that measure; the first writes the least and the median seconds by size."""
    found = {"RANK": rank, "WORLD_SIZE": processes, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in found.items()})
    torch.set_num_threads(1)
    parallel.start("cpu")
    told = {}
    for size in SIZES:
        tensor, taken = torch.ones(size // 4), []
        for _ in range(200 if size < 2**20 else 20):
            dist.barrier()
            began = time.perf_counter()
            dist.all_reduce(tensor)
            taken.append(time.perf_counter() - began)
            tensor.fill_(1.0)
        told[size] = [min(taken), sorted(taken)[len(taken) // 2]]
    if rank == 0:
        out.write_text(json.dumps(told))


def measure(processes: int) -> dict[str, Any]:
    """Measure among so many processes of this machine, and fit the model to the least seconds of each size."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "told.json"
        children = []
        for rank in range(processes):
            child = os.fork()
            if child == 0:
                try:
                    member(rank, processes, port, out)
                finally:
                    os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        told = {int(size): seconds for size, seconds in json.loads(out.read_text()).items()}
    bandwidth, latency = fit({size: least for size, (least, _) in told.items()}, processes)
    rows = {
        str(size): {"least": least, "median": median, "model": seconds_of(size, processes, bandwidth, latency)}
        for size, (least, median) in told.items()
    }
    off = max(abs(row["model"] / row["least"] - 1) for row in rows.values())
    return {"seconds": rows, "bandwidth": bandwidth, "latency": latency, "model_off_by_at_most": off}


def messages(recipe: Recipe) -> Iterator[tuple[float, float]]:
    """Yield (bytes, times a step) of every all-reduce of large tensors in a step."""
    for phase in recipe.phases:
        networks = recipe.players[phase.player].networks.values()
        size = 4 * sum(p.numel() for network in networks for p in network.parameters() if p.requires_grad)
        yield size, (phase.updates if isinstance(phase.updates, int) else 1) / phase.every
    modules = [network for player in recipe.players.values() for network in player.networks.values()]
    buffers = [b for m in [*modules, *recipe.helpers.values()] for b in m.buffers() if b.is_floating_point()]
    if buffers:
        yield 8 * sum(b.numel() for b in buffers), 1.0


def step_of(name: str) -> dict[str, Any]:
    """Return what a step of a recipe sends, and its processor seconds on one core.

    The mean of two steps, or four of quick settings; of a published batch eight rows are computed and scaled up.
    """
    recipe_name, quick, facts = RECIPES[name]
    torch.manual_seed(0)
    torch.set_num_threads(1)
    recipe = catalogue.build(recipe_name, catalogue.resolve(recipe_name, facts, quick, {}))
    sent = list(messages(recipe))
    side, classes = facts["resolution"], facts["num_classes"]

    def rows(start: int, count: int) -> dict[str, Tensor]:
        pictures = torch.randn(count, facts["channels"], side, side).clamp(-1, 1)
        labels = {"label": torch.arange(count) % classes} if classes else {}
        return {"image": pictures, **labels}

    with tempfile.TemporaryDirectory() as folder:
        size, steps = (recipe.batch_size, 4) if quick else (8, 2)
        run = Run(out=Path(folder), steps=1, device="cpu", precision="fp32", batch_size=size)
        training = loop.prepare(recipe, run, {}, print)
        loop.train(training, rows)
        training.run, began = replace(run, steps=1 + steps), time.process_time()
        loop.train(training, rows)
        taken = (time.process_time() - began) / steps * recipe.batch_size / size
    networks = [network for player in recipe.players.values() for network in player.networks.values()]
    return {
        "parameters": sum(parameter.numel() for network in networks for parameter in network.parameters()),
        "batch_size": recipe.batch_size, "messages": sent, "bytes_a_step": sum(s * times for s, times in sent),
        "seconds_a_step": taken,
    }  # fmt: skip


def share(step: dict[str, Any], processes: int, bandwidth: float, latency: float) -> float:
    """Return the share of a step that is all-reduce when a batch is split over processes of one core each."""
    sent = sum(times * seconds_of(size, processes, bandwidth, latency) for size, times in step["messages"])
    sent += seconds_of(64, processes, bandwidth, latency)  # the message by which they agree
    return sent / (sent + step["seconds_a_step"] / processes)


def matters_from(processes: int, bandwidth: float, latency: float, seconds: float, part: float = 0.1) -> float:
    """Return from how many parameters on one all-reduce takes a `part` of a step that computes for so many seconds."""
    allowed = part / (1 - part) * seconds - 2 * (processes - 1) * latency
    return max(allowed, 0.0) * bandwidth * processes / (2 * (processes - 1)) / 4
