"""How fast text is written and learnt: sentences a minute, and maximum likelihood beside a bare PyTorch loop.

    python benchmarks/text_speed.py                 two threads, the canonical size (5,000 symbols, 20 tokens, LSTM 32)

The best of several rounds: what else runs on the machine only ever slows one down. Keeps and prints a row for each in
results/text_speed.json; measured again at every call.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.draws import SampleDraws
from gantlet.engine import loop, nets
from gantlet.engine.health import Guard
from gantlet.engine.run import Run
from gantlet.networks.lstm import LSTM
from gantlet.recipe import Recipe
from gantlet.recipes import catalogue
from slices import Rows

ROWS = Rows("text_speed")
VOCABULARY, LENGTH, BATCH = 5004, 20, 64
ROUNDS, STEPS = 5, 30


def best(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return the least seconds that a piece of work took, after one round to warm up."""
    work()
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


def built(recipe: str, **changes: Any) -> Recipe:
    """Return a recipe at the canonical size."""
    settings = {"vocab_size": VOCABULARY, "length": LENGTH, **changes}
    return catalogue.build(recipe, catalogue.resolve(recipe, settings, False, settings))


def batches() -> list[Tensor]:
    """Return batches of random tokens that stay the same."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(4, VOCABULARY, (BATCH, LENGTH), generator=generator) for _ in range(STEPS)]


def ours(data: list[Tensor], out: Path) -> Callable[[], None]:
    """Return the engine's steps of text_mle."""
    training = loop.prepare(built("text_mle"), Run(out=out, steps=1, device="cpu", precision="fp32"), {}, print)
    guard = Guard(training.device)

    def steps() -> None:
        for batch in data:
            loop.iterate(training, lambda start, count, batch=batch: {"tokens": batch}, guard)

    return steps


def bare(data: list[Tensor]) -> Callable[[], None]:
    """Return the same steps as one would write them by hand: nn.LSTM, cross-entropy, clipping, Adam."""
    network = LSTM(VOCABULARY, 32, 32)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2, fused=True)

    def steps() -> None:
        for batch in data:
            read = F.pad(batch[:, :-1], (1, 0), value=2)
            states, _ = network.layers[0](network.embedding(read))
            logits = F.linear(states, network.output.weight, network.output.bias)
            loss = F.cross_entropy(logits.flatten(0, 1), batch.flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()

    return steps


def sentences_per_minute(recipe: str, count: int = 2000, **changes: Any) -> float:
    """Return how many rows of 20 tokens a recipe writes in a minute."""
    made = built(recipe, **changes)
    networks = nets.build(made, torch.device("cpu"))
    assert made.sample is not None
    sample = made.sample
    with torch.inference_mode(), nets.evaluating(networks.averaged):
        seconds = best(lambda: sample(networks.averaged, SampleDraws(0, range(count))), 3)
    return 60 * count / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    data, out = batches(), Path(tempfile.mkdtemp(prefix="text-speed-"))
    try:
        by_engine, by_hand = ours(data, out), bare(data)
        times = [(best(by_engine, 1), best(by_hand, 1)) for _ in range(ROUNDS)]  # in turn: both see the same machine
    finally:
        shutil.rmtree(out, ignore_errors=True)
    engine, hand = (1e3 * min(pair[side] for pair in times) / STEPS for side in (0, 1))
    size = {"vocabulary": VOCABULARY, "length": LENGTH}
    ROWS.keep("step/text_mle", {"milliseconds": engine, "milliseconds_by_hand": hand,
                                "over_by_hand": engine / hand - 1, "batch_size": BATCH, **size})  # fmt: skip
    writers: tuple[tuple[str, str, int, dict[str, int]], ...] = (
        ("LSTM 32", "text_mle", 2000, {}),
        ("LSTM 256", "text_mle", 2000, {"hidden": 256, "width": 128}),
        ("memory 512", "relgan", 500, {}),
    )
    for name, recipe, count, changes in writers:
        speed = sentences_per_minute(recipe, count, **changes)
        ROWS.keep(f"write/{recipe}/{name}", {"sentences_per_minute": speed, "rows": count, **size, **changes})


if __name__ == "__main__":
    main()
