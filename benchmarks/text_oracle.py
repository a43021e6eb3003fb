"""Text GANs against a known distribution: an LSTM with seeded N(0, 1) weights (Yu 2016), in slices that resume.

    python benchmarks/text_oracle.py oracle                                        the oracles' entropy
    python benchmarks/text_oracle.py run --size small --seconds 300 --seeds 3      all recipes on a vocabulary of 200
    python benchmarks/text_oracle.py run --size canonical --recipes text_mle --seconds 1200
    python benchmarks/text_oracle.py table

A row per (size, recipe, seconds, seed) in results/text_oracle.json; what is there is not repeated. NLL-oracle is the
oracle's nats per token of 5,000 samples (quality), NLL-gen the model's nats per token of 5,000 rows of the oracle that
it was not trained on (diversity); both together, or neither. Another seed's oracle gives other numbers: published ones
(MLE 9.04, SeqGAN 8.74, RelGAN 6.68, the oracle's own 5.75) are of one oracle whose weights are in SeqGAN's repository,
so each number stands beside this oracle's entropy. Whether the adversarial stage helped is asked at equal NLL-gen: the
baseline of the same seed and seconds is sampled at falling temperatures, which cost nothing. The baseline is text_mle
where its NLL-gen was least along the way (its row counts the samples of the whole run): on so few rows it learns them
by heart afterwards.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import shutil
import statistics
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantlet.draws import SampleDraws
from gantlet.engine import loop, nets
from gantlet.engine.run import Run
from gantlet.layers.tokens import UNKNOWN
from gantlet.networks.language_model import log_likelihood, write
from gantlet.networks.lstm import LSTM
from gantlet.recipe import Recipe
from gantlet.recipes import catalogue
from slices import Row, Rows, budget_of, count_processor_seconds, mean

ROWS = Rows("text_oracle")
LENGTH, SPECIAL, SEED, JUDGED = 20, 4, 20160918, 5000  # the day SeqGAN was put on arXiv
POINTS = 30  # of a run's curve
SIZES = {"canonical": (5000, 10_000), "small": (200, 5_000)}  # symbols, training rows
RECIPES = ("text_mle", "seqgan", "maligan", "relgan")
TEMPERATURES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5)
DISCRIMINATOR = dict(filters=[2, 3, 4, 5], maps=[64] * 4, d_l2=0.2, d_dropout=0.5, d_lr=1e-3, highway_bias=-2.0)
AVERAGE = 2_000  # samples: of all alike, for an average alone lowers both likelihoods (docs/lab-log.md)
PRETRAIN = {"small": 65_000, "canonical": 50_000}  # samples, where NLL-gen of the likelihood alone is least


def settings_of(size: str, recipe: str) -> dict[str, Any]:
    """Return the settings of a recipe on an oracle (docs/lab-log.md, 2026-11-22)."""
    begun = dict(pretrain=PRETRAIN[size])
    judged = dict(d_pretrain=10_000, d_updates=2, **begun, **DISCRIMINATOR)
    soft = dict(slots=0, views=8, maps=64, d_updates=1, sharpness=2.0, sharpness_samples=64_000, d_lr=1e-3,
                highway_bias=-2.0, **begun)  # fmt: skip
    return {
        "text_mle": dict(average_halflife=AVERAGE),
        "seqgan": dict(
            rollouts=4, rollout_keep=0.98, baseline=True, g_lr=3e-4, clip_norm=5.0, **judged
        ),  # an average of 2,200
        "maligan": dict(g_lr=3e-4, average_halflife=AVERAGE, **judged),
        "relgan": dict(g_lr=3e-5, average_halflife=AVERAGE, **soft),
    }[recipe]


def oracle(size: str) -> LSTM:
    """Return the oracle of a size: embedding and LSTM 32 / 32, all weights N(0, 1); it writes symbols only."""
    symbols, _ = SIZES[size]
    network = LSTM(symbols + SPECIAL, 32, 32)
    network.barred[: UNKNOWN + 1] = True
    generator = np.random.Generator(np.random.PCG64(SEED))  # the same numbers wherever numpy runs
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            drawn = torch.from_numpy(generator.standard_normal(tuple(parameter.shape)).astype(np.float32))
            parameter.copy_(torch.zeros_like(drawn) if "bias_hh" in name else drawn)  # one bias a gate, not two
    return network.eval().requires_grad_(False)


def rows_of(network: LSTM, seed: int, count: int) -> Tensor:
    """Return rows that a network writes, tokens [count, LENGTH]."""
    parts = torch.arange(count).split(1000)
    return torch.cat([write(network, SampleDraws(seed, part.tolist()).uniform("tokens", LENGTH)) for part in parts])


@torch.no_grad()
def nats(network: LSTM, rows: Tensor) -> Tensor:
    """Return -log p per token of each row, [N]."""
    return torch.cat([-log_likelihood(network, part).mean(1) for part in rows.split(500)])


def fingerprint(network: LSTM) -> str:
    """Return the beginning of the SHA-256 of all weights: the same oracle, or another."""
    data = b"".join(p.detach().numpy().tobytes() for p in network.parameters())
    return hashlib.sha256(data).hexdigest()[:12]


def entropy(network: LSTM, count: int = 10_000) -> tuple[float, float]:
    """Return the oracle's entropy in nats per token, and the standard error of that estimate."""
    each = nats(network, rows_of(network, 99, count))
    return float(each.mean()), float(each.std()) / math.sqrt(count)


class Judge:
    """Measures a model against an oracle."""

    def __init__(self, size: str) -> None:
        self.oracle = oracle(size)
        self.held_out = rows_of(self.oracle, 1, JUDGED)

    @torch.no_grad()
    def __call__(self, recipe: Recipe, networks: nets.Networks, temperature: float = 1.0) -> Row:
        """Return NLL-oracle, NLL-gen and the share of rows that are no rows of the oracle's language."""
        assert recipe.sample is not None
        assert recipe.score is not None
        with nets.evaluating(networks.averaged):
            parts = [
                recipe.sample(networks.averaged, SampleDraws(7, part.tolist()), temperature=temperature)
                for part in torch.arange(JUDGED).split(1000)
            ]
            told = [recipe.score(networks.averaged, part, temperature=temperature) for part in self.held_out.split(500)]
        made = torch.cat(parts)
        whole = made[(made >= SPECIAL).all(1)]  # END or UNKNOWN, which the oracle never writes
        return {
            "temperature": temperature,
            "nll_oracle": float(nats(self.oracle, whole).mean()) if len(whole) else math.inf,
            "nll_gen": -float(torch.cat(told).mean()) / LENGTH,
            "malformed": 1 - len(whole) / len(made),
        }


class Curve:
    """A hook that judges every so many seconds, and keeps what it found, and G where its NLL-gen was least."""

    def __init__(self, judge: Judge, every: float) -> None:
        self.judge, self.every, self.points = judge, every, list[Row]()
        self.best: dict[str, Tensor] = {}

    def after_step(self, training: loop.Training) -> None:
        if training.counters.seconds >= (len(self.points) + 1) * self.every:
            began = loop.time.perf_counter()
            point = self.judge(training.recipe, training.state.nets)
            if all(point["nll_gen"] < former["nll_gen"] for former in self.points):
                G = training.state.nets.averaged.G
                self.best = {name: value.clone() for name, value in G.state_dict().items()}
            training.paused += loop.time.perf_counter() - began
            self.points.append({"samples": training.counters.samples, "seconds": training.counters.seconds, **point})

    def note(self, event: str, message: str) -> None:
        print(f"{event}: {message}", flush=True)


def feed(data: Tensor, seed: int) -> Callable[[int, int], Mapping[str, Tensor]]:
    """Return rows(start, count) of the endless order: every epoch a permutation of its own."""

    def rows(start: int, count: int) -> Mapping[str, Tensor]:
        places = np.arange(start, start + count)
        chosen = np.empty(count, dtype=np.int64)
        for epoch in np.unique(places // len(data)):
            order = np.random.Generator(np.random.PCG64([seed, int(epoch)])).permutation(len(data))
            there = places // len(data) == epoch
            chosen[there] = order[places[there] % len(data)]
        return {"tokens": data[torch.from_numpy(chosen)]}

    return rows


def one(size: str, recipe: str, seed: int, seconds: float) -> Row:
    """Train and judge one model."""
    symbols, count = SIZES[size]
    judge = Judge(size)
    settings = {"vocab_size": symbols + SPECIAL, "length": LENGTH, **settings_of(size, recipe)}
    arguments = catalogue.resolve(recipe, settings, False, settings)
    torch.manual_seed(seed)
    built = catalogue.build(recipe, arguments)
    out = Path(tempfile.mkdtemp(prefix="oracle-"))
    try:
        run = Run(out=out, seed=seed, seconds=seconds, device="cpu", precision="fp32", save_every=1e9)
        training = loop.prepare(built, run, {}, print)
        curve = Curve(judge, seconds / POINTS)
        state = loop.train(training, feed(rows_of(judge.oracle, 0, count), seed), [curve])
    finally:
        shutil.rmtree(out, ignore_errors=True)
    if recipe == "text_mle" and curve.best:
        state.nets.averaged.G.load_state_dict(curve.best)
    heat, error = entropy(judge.oracle)
    return {
        **judge(built, state.nets), "samples": state.counters.samples, "steps": state.counters.step,
        "samples_per_second": state.counters.samples / max(state.counters.seconds, 1e-9),
        "pretrain": int(arguments.get("pretrain", 0)), "curve": curve.points,
        "sweep": [judge(built, state.nets, temperature) for temperature in TEMPERATURES],
        "oracle_entropy": heat, "oracle_entropy_error": error, "oracle": fingerprint(judge.oracle),
        "uniform": math.log(symbols), "arguments": arguments,
    }  # fmt: skip


def at_equal_nll_gen(row: Row, baseline: Row) -> float:
    """Return a row's NLL-oracle less that of the baseline, sharpened or not, where both have the same NLL-gen.

    Below 0 the adversarial stage helped. A row with less NLL-gen than the baseline has at any temperature is compared
    with the baseline as it is.
    """
    points = sorted((point["nll_gen"], point["nll_oracle"]) for point in baseline["sweep"])
    there = np.interp(row["nll_gen"], [gen for gen, _ in points], [told for _, told in points])
    return float(row["nll_oracle"] - there)


def verdict(differences: list[float]) -> str:
    """Return in words whether the adversarial stage helped over all seeds."""
    middle = mean(differences)
    if len(differences) < 2:
        return f"{middle:+.3f} (one seed says nothing)"
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    word = "no measurable effect" if abs(middle) < 2 * error else ("helps" if middle < 0 else "hurts")
    return f"{word}: {middle:+.3f} +- {error:.3f}"


def table() -> None:
    """Print all rows, grouped over seeds, as Markdown."""
    rows = ROWS.read()
    print("| size, budget | recipe | NLL-oracle | NLL-gen | oracle's entropy | samples | at equal NLL-gen |")
    print("| --- | --- | ---: | ---: | ---: | ---: | --- |")
    for group, several in ROWS.groups().items():
        size, recipe, budget = group.split("/")
        pairs = [(row, rows.get(f"{size}/text_mle/{budget}/seed{seed}")) for seed, row in enumerate(several)]
        found = [at_equal_nll_gen(row, base) for row, base in pairs if base is not None and recipe != "text_mle"]
        first = several[0]
        print(
            f"| {size} {budget} | `{recipe}` | {mean([row['nll_oracle'] for row in several]):.3f} "
            f"| {mean([row['nll_gen'] for row in several]):.3f} | {first['oracle_entropy']:.3f} "
            f"({first['oracle']}) | {mean([row['samples'] for row in several]):.0f} "
            f"| {verdict(found) if found else 'the baseline'} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("oracle", "run", "table"))
    parser.add_argument("--size", choices=tuple(SIZES), default="small")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--clock", choices=("processor", "wall"), default="processor")
    given = parser.parse_args()
    if given.part == "oracle":
        for size in SIZES:
            found = oracle(size)
            heat, error = entropy(found)
            print(f"{size}: {heat:.4f} +- {error:.4f} nats per token, weights {fingerprint(found)}")
    elif given.part == "table":
        table()
    else:
        if given.clock == "processor":
            count_processor_seconds()
        budget = budget_of(given.seconds, given.clock)
        for seed in range(given.seeds):
            for recipe in given.recipes:
                with ROWS.alone(key := f"{given.size}/{recipe}/{budget}/seed{seed}") as mine:
                    if mine:
                        ROWS.keep(key, one(given.size, recipe, seed, given.seconds))


if __name__ == "__main__":
    main()
