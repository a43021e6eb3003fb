"""Where a training step's time goes, beside what this machine could do at best.

    python benchmarks/step_profile.py run                           the recipes of RECIPES, quick settings
    python benchmarks/step_profile.py run sngan biggan --steps 40 --precision bf16
    python benchmarks/step_profile.py run sngan --widths published --steps 2     the paper's networks, batches of 64
    python benchmarks/step_profile.py table

Ceilings, measured first: the best rate of 3x3 convolutions, forward and backward, channels-last, over some shapes, and
of one pass over memory. Of each recipe: floating-point work of a step (convolutions and products, as torch counts
them, and LSTM layers), bytes that its operations read and write, the processor seconds of a step, its work
per second over the ceiling, and the time that all operations would take if each ran at the ceiling it meets first, over
the time of the step. Bytes are counted as the ceiling of one pass over memory has them, what lies in a cache among
them. One thread, real data of the kind where a built-in set has it. `relgan` is in its first stage.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from gantlet.engine import loop
from gantlet.engine.memory import keep_freed_memory
from gantlet.engine.precision import choose_precision
from gantlet.engine.run import Run
from gantlet.feeding import Balance, as_the_recipe_says, feed, open_data
from gantlet.recipes import catalogue
from slices import Row, Rows

ROWS = Rows("step_profile")
RECIPES = ("dcgan", "sngan", "biggan", "stylegan2", "r3gan", "r1gan", "ss_infogan", "vocos", "relgan", "mocogan")
SHAPES = ((64, 64, 32), (64, 128, 16), (64, 256, 8), (16, 64, 64), (128, 32, 32))  # batch, channels, side
GIVEN = ("labels", "target", "side_by_side", "flips", "group", "noise", "sample_rate", "duration", "label_pattern",
         "level", "window", "symbols", "stride", "unconditional", "skip_broken")  # fmt: skip
LSTM = {
    "aten::mkldnn_rnn_layer": 1.0,
    "aten::mkldnn_rnn_layer_backward": 2.0,
}  # products of its weights, in forward passes
KINDS = {  # parts of the names of operations, the first that fits
    "convolution": ("convolution", "conv"),
    "products": ("addmm", "mm", "bmm", "baddbmm", "einsum", "linear"),
    "recurrent": ("rnn", "gru", "lstm"),
    "norms": ("batch_norm", "layer_norm", "group_norm", "native_norm"),
    "optimizer": ("_fused_adam", "_foreach", "optimizer", "lerp"),
    "copies": ("copy_", "cat", "contiguous", "clone", "index", "pad", "gather", "scatter"),
}


def seconds_of(work: Callable[[], object], least: float = 0.3) -> float:
    """Return the best seconds of one call, among as many as fit into `least` seconds; two at least."""
    work()
    best, began = float("inf"), time.process_time()
    while time.process_time() - began < least or best == float("inf"):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def ceilings(dtype: torch.dtype) -> dict[str, float]:
    """Return work per second of a convolution and bytes per second of memory, the best of what was tried."""
    best = 0.0
    for count, channels, side in SHAPES:
        x = torch.randn(count, channels, side, side, dtype=dtype).to(memory_format=torch.channels_last)
        w = torch.randn(channels, channels, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
        x.requires_grad_(True)
        w.requires_grad_(True)

        def both(x: torch.Tensor = x, w: torch.Tensor = w) -> None:
            y = F.conv2d(x, w, padding=1)
            torch.autograd.grad(y, (x, w), y.detach())

        best = max(best, 3 * 2 * count * side * side * channels * channels * 9 / seconds_of(both))
    long = torch.zeros(2**26)
    return {"work_per_second": best, "bytes_per_second": 2 * 4 * 2**26 / seconds_of(lambda: long.add_(1))}


class Counting(TorchDispatchMode):
    """Counts the work and the bytes of all operations, and the seconds they would take at the ceilings."""

    def __init__(self, limits: dict[str, float]) -> None:
        super().__init__()
        self.limits, self.work, self.bytes, self.least = limits, 0.0, 0.0, 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.is_view or func._schema.name in ("aten::detach", "aten::empty"):
            return out
        tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, torch.Tensor)]
        moved = float(sum(t.numel() * t.element_size() for t in tensors))
        count = flop_registry.get(func.overloadpacket)
        if func._schema.name in LSTM:
            work = (
                LSTM[func._schema.name]
                * 2.0
                * float(args[0].shape[0] * args[0].shape[1] * (args[1].numel() + args[2].numel()))
            )
        else:
            work = float(count(*args, **(kwargs or {}), out_val=out)) if count is not None else 0.0
        self.work, self.bytes = self.work + work, self.bytes + moved
        self.least += max(work / self.limits["work_per_second"], moved / self.limits["bytes_per_second"])
        return out


def prepared(recipe: str, folder: Path, precision: str = "auto", quick: bool = True) -> Callable[[], None]:
    """Return a step of a recipe on data of its kind, at its quick settings or its own ones with batches of 64."""
    kind = catalogue.data_kind(recipe)
    options: dict[str, Any] = {} if quick else {"batch_size": 64}
    source = {"images": "fashion_mnist", "clips": "bouncing_shapes", "sounds": "tones", "excerpts": "tones"}.get(kind)
    if source is None:  # text
        path = folder / "text.txt"
        words = ("the", "model", "draws", "a", "small", "red", "house", "near", "old", "trees")
        path.write_text("\n".join(" ".join(words[(i * k) % 10] for k in range(1, 9)) for i in range(2000)))
        source = str(path)
    data = open_data(kind, source, None, options, recipe, **dict.fromkeys(GIVEN))
    arguments = catalogue.resolve(recipe, data.facts(), quick, options)
    data = as_the_recipe_says(data, arguments)
    torch.manual_seed(0)
    built = catalogue.build(recipe, arguments)
    training = loop.prepare(built, Run(out=folder / "run", steps=10**9, precision=precision), {}, print)
    rows, guard = feed(data, 0, Balance(), None), loop.Guard(training.device)
    return lambda: loop.iterate(training, rows, guard)


def kind_of(name: str) -> str:
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "the rest")


def measure(recipe: str, steps: int, limits: dict[str, float], precision: str, widths: str) -> Row:
    """Return the row of a recipe: counts and times are means over `steps` steps, a multiple of its lazy phases."""
    with tempfile.TemporaryDirectory() as folder:
        step = prepared(recipe, Path(folder), precision, widths == "quick")
        for _ in range(steps):
            step()
        began = time.process_time()
        for _ in range(steps):
            step()
        seconds = (time.process_time() - began) / steps
        with Counting(limits) as counted:
            for _ in range(steps):
                step()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            for _ in range(steps):
                step()
    shares, names, total = Counter[str](), Counter[str](), 0.0
    for event in profile.key_averages():
        shares[kind_of(event.key)] += event.self_cpu_time_total
        names[event.key] += event.self_cpu_time_total
        total += event.self_cpu_time_total
    return {
        **limits, "recipe": recipe, "precision": precision, "widths": widths,
        "seconds_per_step": seconds, "work": counted.work / steps,
        "bytes": counted.bytes / steps, "share_of_ceiling": counted.work / steps / seconds / limits["work_per_second"],
        "share_of_floor": counted.least / steps / seconds,
        "time": {kind: value / total for kind, value in shares.most_common()},
        "operations": {name: value / total for name, value in names.most_common(8)},
    }  # fmt: skip


def table() -> None:
    rows = ROWS.read()
    for precision in sorted({row["precision"] for row in rows.values()}, reverse=True):
        one = next(row for row in rows.values() if row["precision"] == precision)
        work, memory = one["work_per_second"] / 1e9, one["bytes_per_second"] / 1e9
        print(f"Ceilings in {precision}: {work:.0f} G/s of work, {memory:.1f} GB/s.\n")
    kinds = [*KINDS, "the rest"]
    head = "| recipe | precision | ms a step | work, G | GB | of the ceiling | of what is possible | "
    print(head + " | ".join(kinds) + " |")
    print("| --- | --- |" + " ---: |" * (5 + len(kinds)))
    for row in rows.values():
        shares = " | ".join(f"{row['time'].get(kind, 0):.0%}" for kind in kinds)
        name = f"`{row['recipe']}`" + (", published widths" if row["widths"] == "published" else "")
        cells = [name, row["precision"], f"{row['seconds_per_step'] * 1e3:.0f}", f"{row['work'] / 1e9:.2f}"]
        cells += [f"{row['bytes'] / 1e9:.2f}", f"{row['share_of_ceiling']:.0%}", f"{row['share_of_floor']:.0%}"]
        print(f"| {' | '.join(cells)} | {shares} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("run", "table"))
    parser.add_argument("recipes", nargs="*", default=list(RECIPES))
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--widths", choices=("quick", "published"), default="quick")
    given = parser.parse_args()
    if given.part == "table":
        table()
        return
    torch.set_num_threads(1)
    keep_freed_memory()
    limits = ceilings(choose_precision(given.precision, torch.device("cpu")))
    for recipe in given.recipes:
        row = measure(recipe, given.steps, limits, given.precision, given.widths)
        ROWS.keep(f"{given.widths}/{recipe}/{given.precision}", row)


if __name__ == "__main__":
    main()
