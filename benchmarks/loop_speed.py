"""Our loop against a plain fp32 PyTorch loop and against a hand-written loop in our precision, side by side.

    python benchmarks/loop_speed.py --data mnist

The same networks, batch and game (r1gan, quick, its lazy penalty included). `plain`: what tutorials do, a DataLoader of
normalised float pictures, contiguous tensors, Adam as it comes, no average. `hand`: channels-last, fused Adam, autocast
where the hardware has bf16, moving average by _foreach_lerp_, batches cut from the same array; no framework. Rounds
alternate in one process every half second, for a machine has moods, and the medians of the ratios are reported; peak
memory is that of a process per loop. Sampling: 50,000 pictures by the model against the plain fp32 forward of the same
generator in batches of 64.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

import gantlet
from gantlet.data import Order, open_images
from gantlet.engine import average, loop
from gantlet.engine.memory import keep_freed_memory
from gantlet.engine.precision import choose_precision, describe
from gantlet.engine.run import Run
from gantlet.engine.storage import replace_file
from gantlet.recipes import catalogue

RESULTS = Path(__file__).parent / "results" / "loop_speed.json"
Steps = Callable[[int], None]


def networks(images: gantlet.data.ImageData) -> tuple[torch.nn.Module, torch.nn.Module, dict]:
    arguments = catalogue.resolve("r1gan", images.facts(), True, {})
    torch.manual_seed(0)
    players = catalogue.build("r1gan", arguments).players
    return players["G"].networks["G"], players["D"].networks["D"], arguments


def ours(images: gantlet.data.ImageData) -> Steps:
    """The engine, as `gantlet train` drives it, without hooks."""
    arguments = catalogue.resolve("r1gan", images.facts(), True, {})
    torch.manual_seed(0)
    recipe, order = catalogue.build("r1gan", arguments), Order(len(images), 0)
    training = loop.prepare(recipe, Run(out=Path(tempfile.mkdtemp()), steps=10**9), {}, print)
    guard = loop.Guard(training.device)

    def steps(count: int) -> None:
        for _ in range(count):
            loop.iterate(training, lambda start, size: images.batch(order.indices(start, size)), guard)

    return steps


def penalise(
    D: torch.nn.Module, optimizer: torch.optim.Optimizer, real: torch.Tensor, y: torch.Tensor, arguments: dict
) -> None:
    """One lazy step on gamma/2 |grad D(x)|^2."""
    optimizer.zero_grad()
    real = real.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(D(real, y).sum(), real, create_graph=True)
    penalty = gradient.square().flatten(1).sum(1).mean()
    (penalty * arguments["r1_gamma"] / 2 * arguments["r1_every"]).backward()
    optimizer.step()


def plain(images: gantlet.data.ImageData) -> Steps:
    """The tutorial loop in fp32."""
    G, D, arguments = networks(images)
    lr, betas, dim = arguments["lr"], (arguments["beta1"], arguments["beta2"]), arguments["latent_dim"]
    g_optimizer, d_optimizer = (torch.optim.Adam(net.parameters(), lr=lr, betas=betas) for net in (G, D))
    whole = images.batch(np.arange(len(images)))
    data = TensorDataset(whole["image"].contiguous(), whole["label"])
    batches, step = iter(()), 0

    def steps(count: int) -> None:
        nonlocal batches, step
        for _ in range(count):
            try:
                real, y = next(batches)
            except StopIteration:
                batches = iter(DataLoader(data, arguments["batch_size"], shuffle=True, drop_last=True))
                real, y = next(batches)
            d_optimizer.zero_grad()
            fake = G(torch.randn(len(real), dim), y)
            d_loss = F.softplus(-D(real, y)).mean() + F.softplus(D(fake.detach(), y)).mean()
            d_loss.backward()
            d_optimizer.step()
            g_optimizer.zero_grad()
            g_loss = F.softplus(-D(G(torch.randn(len(real), dim), y), y)).mean()
            g_loss.backward()
            g_optimizer.step()
            if step % arguments["r1_every"] == 0:
                penalise(D, d_optimizer, real, y, arguments)
            step += 1

    return steps


def hand(images: gantlet.data.ImageData) -> Steps:
    """The best loop one would write by hand for this machine."""
    keep_freed_memory()
    G, D, arguments = networks(images)
    G, D = (net.to(memory_format=torch.channels_last) for net in (G, D))
    lr, betas, dim = arguments["lr"], (arguments["beta1"], arguments["beta2"]), arguments["latent_dim"]
    size, halflife = arguments["batch_size"], arguments["average_halflife"]
    g_optimizer, d_optimizer = (torch.optim.Adam(net.parameters(), lr=lr, betas=betas, fused=True) for net in (G, D))
    averaged, order, seen = copy.deepcopy(G), Order(len(images), 0), 0
    dtype = choose_precision("auto", torch.device("cpu"))
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)

    def steps(count: int) -> None:
        nonlocal seen
        for _ in range(count):
            batch = images.batch(order.indices(seen, size))
            real, y = batch["image"], batch["label"]
            d_optimizer.zero_grad()
            with autocast:
                with torch.no_grad():
                    fake = G(torch.randn(size, dim), y)
                real_logits, fake_logits = D(torch.cat([real, fake]), torch.cat([y, y])).chunk(2)
                d_loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
            d_loss.backward()
            d_optimizer.step()
            D.requires_grad_(False)
            g_optimizer.zero_grad()
            with autocast:
                g_loss = F.softplus(-D(G(torch.randn(size, dim), y), y)).mean()
            g_loss.backward()
            g_optimizer.step()
            D.requires_grad_(True)
            if seen // size % arguments["r1_every"] == 0:
                penalise(D, d_optimizer, real, y, arguments)
            average.update(averaged, G, average.decay(size, halflife, seen))
            seen += size

    return steps


LOOPS = {"ours": ours, "plain": plain, "hand": hand}


def rates(images: gantlet.data.ImageData, rounds: int, steps: int, size: int) -> dict[str, list[float]]:
    loops = {name: make(images) for name, make in LOOPS.items()}
    for run in loops.values():
        run(5)
    found: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(rounds):
        names = list(loops)
        for name in names[number % 3 :] + names[: number % 3]:
            began = time.perf_counter()
            loops[name](steps)
            found[name].append(steps * size / (time.perf_counter() - began))
    return found


def sampling(images: gantlet.data.ImageData, num: int, runs: int = 3) -> dict[str, float]:
    """Pictures per second of Model.sample and of the plain fp32 forward."""
    with tempfile.TemporaryDirectory() as folder:
        model = gantlet.train(
            "r1gan", data=images.name, out=Path(folder) / "run", steps=1, quick=True, evaluate_every=0, quiet=True
        )
    G, _, arguments = networks(images)
    G.eval()
    ours_rate, plain_rate = [], []
    for _ in range(runs):
        began = time.perf_counter()
        for _ in model.batches(num):
            pass
        ours_rate.append(num / (time.perf_counter() - began))
        began = time.perf_counter()
        for start in range(0, num, 64):
            n = min(64, num - start)
            with torch.no_grad():
                G(torch.randn(n, arguments["latent_dim"]), torch.randint(10, (n,)))
        plain_rate.append(num / (time.perf_counter() - began))
    ratios = [a / b for a, b in zip(ours_rate, plain_rate, strict=True)]
    return {"ours": max(ours_rate), "plain": max(plain_rate), "ratio": statistics.median(ratios)}


def memory(name: str, data: str) -> float:
    """Peak resident memory in MB of a process that runs one loop for 30 steps."""
    command = [sys.executable, __file__, "--data", data, "--only", name]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--rounds", type=int, default=45)
    parser.add_argument("--steps", type=int, default=8, help="of a round; a multiple of those between penalties")
    parser.add_argument("--num", type=int, default=50_000)
    parser.add_argument("--only", choices=LOOPS)
    given = parser.parse_args()
    images = open_images(given.data)
    if given.only:
        LOOPS[given.only](images)(30)
        peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        print(int(peak.split()[1]) / 1024)
        return
    size = catalogue.resolve("r1gan", images.facts(), True, {})["batch_size"]
    found = rates(images, given.rounds, given.steps, size)
    against_plain = [a / b for a, b in zip(found["ours"], found["plain"], strict=True)]
    overhead = [b / a - 1 for a, b in zip(found["ours"], found["hand"], strict=True)]
    row = {
        "data": images.name, "batch_size": size, "rounds": given.rounds, "steps": given.steps,
        "images_per_second": {name: statistics.median(values) for name, values in found.items()},
        "ours_over_plain": statistics.median(against_plain), "ours_over_plain_all": against_plain,
        "overhead_over_hand": statistics.median(overhead), "overhead_over_hand_all": overhead,
        "peak_memory_mb": {name: memory(name, given.data) for name in LOOPS},
        "sampling": sampling(images, given.num),
        "precision": str(choose_precision("auto", torch.device("cpu"))),
        "device": describe(torch.device("cpu")), "torch": torch.__version__, "python": platform.python_version(),
    }  # fmt: skip
    RESULTS.parent.mkdir(exist_ok=True)
    replace_file(RESULTS, json.dumps(row, indent=1).encode())
    print(json.dumps(row, indent=1))


if __name__ == "__main__":
    main()
