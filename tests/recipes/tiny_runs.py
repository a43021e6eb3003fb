"""Every recipe at its tiny size, over data that is a pure function of the position, and what tests ask of such runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gantlet.engine import loop
from gantlet.engine.health import Guard
from gantlet.engine.progress import Progress
from gantlet.engine.run import Run
from gantlet.engine.state import State
from gantlet.layers.noise import GaussianNoise
from gantlet.layers.phase_shuffle import PhaseShuffle
from gantlet.recipe import Recipe
from gantlet.recipes import NAMES, catalogue

CLASSES = 3
UNCONDITIONAL = "without labels"
SOUND = ("sounds", "excerpts", "mixtures")
TEXT = ("lines", "passages")
CASES = [
    *(
        name for name in NAMES if catalogue.data_kind(name) in ("images", "clips", *SOUND, *TEXT)
    ),  # others: test_translation_recipes, test_restoration_recipes
    *(f"{name} {UNCONDITIONAL}" for name in ("sngan", "sngan_cnn", "r1gan", "r3gan")),
]  # optional labels: both forms

BATCH_DEPENDENT = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd, GaussianNoise, PhaseShuffle)
BATCH_LOSS = {  # (recipe, phase) whose loss is no mean over samples
    ("dragan", 0): "its delta is half the standard deviation of the whole batch (Kodali 2017)",
    ("mmd_gan", 0): "the discrepancy of two batches, and its witness function",
    ("mmd_gan", 1): "the discrepancy of two batches",
    ("mmd_gan_2017", 0): "the root of the discrepancy of two batches",
    ("mmd_gan_2017", 1): "idem",
    ("maligan", 1): "rewards are shares of the batch's (Che 2017)",
}


def arguments(case: str, **changes: Any) -> dict[str, Any]:
    """Return the keyword arguments of a case at its tiny size, as run.json gives them back."""
    name = recipe_name(case)
    tiny = {**catalogue.tiny_settings(name), **changes}
    if case.endswith(UNCONDITIONAL):
        tiny["num_classes"] = 0
    return dict(json.loads(json.dumps(catalogue.resolve(name, tiny, False, tiny))))


def recipe_name(case: str) -> str:
    return case.split()[0]


def build(case: str, seed: int = 0, **changes: Any) -> Recipe:
    """Build a case's recipe with weights that depend on the seed alone."""
    torch.manual_seed(seed)
    return catalogue.build(recipe_name(case), arguments(case, **changes))


def of_sound(case: str) -> bool:
    """Tell whether a case is fed waves."""
    return catalogue.data_kind(recipe_name(case)) in SOUND


def of_text(case: str) -> bool:
    """Tell whether a case is fed tokens."""
    return catalogue.data_kind(recipe_name(case)) in TEXT


def of_clips(case: str) -> bool:
    """Tell whether a case is fed clips."""
    return catalogue.data_kind(recipe_name(case)) == "clips"


def classes_of(case: str) -> int:
    """Return how many classes the rows of a case are of."""
    return int(arguments(case).get("num_classes") or (2 if of_text(case) else CLASSES))


def larger(case: str) -> dict[str, Any]:
    """Return changes to what the tiny size is too small for: more stages and channels, longer sounds, more words."""
    if of_text(case):
        return {"vocab_size": 30, "length": 2 * int(arguments(case)["length"])}
    if of_clips(case):
        side = int(arguments(case)["resolution"])
        return {"channels": 3, "resolution": [2 * side, 2 * side], "num_frames": 2 * int(arguments(case)["num_frames"])}
    if not of_sound(case):
        return {"channels": 3, "resolution": [16, 24]}
    return {"length": 2 * int(arguments(case)["length"])}


def size(given: dict[str, Any]) -> tuple[int, ...]:
    """Return the shape arguments ask for: (channels, height, width), with frames before height, (channels, samples)."""
    if "num_frames" in given:
        picture = {name: value for name, value in given.items() if name != "num_frames"}
        channels, height, width = size(picture)
        return channels, int(given["num_frames"]), height, width
    if "length" in given:
        return int(given.get("channels", 1)), int(given["length"])
    resolution = given["resolution"]
    height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
    return int(given["channels"]), int(height), int(width)


def rows_of(case: str, **changes: Any) -> Callable[[int, int], dict[str, Tensor]]:
    """Return rows(start, count): noisy gradients in [-1, 1], each sample a function of its position alone."""
    if of_sound(case):
        return waves_of(case, **changes)
    if of_text(case):
        return tokens_of(case, **changes)
    if of_clips(case):
        return clips_of(case, **changes)
    channels, height, width = size(arguments(case, **changes))
    slope = torch.linspace(-1, 1, height)[:, None] * torch.linspace(-1, 1, width)

    def rows(start: int, count: int) -> dict[str, Tensor]:
        pictures = []
        for position in range(start, start + count):
            generator = torch.Generator().manual_seed(position)
            noise = torch.rand(channels, height, width, generator=generator) - 0.5
            pictures.append(slope * (position % CLASSES - 1) * 0.5 + noise)
        batch = {"image": torch.stack(pictures)}
        if not case.endswith(UNCONDITIONAL):
            batch["label"] = torch.arange(start, start + count) % CLASSES
        return batch

    return rows


def waves_of(case: str, **changes: Any) -> Callable[[int, int], dict[str, Tensor]]:
    """Return rows(start, count): noisy tones in [-1, 1], their pitch by class; labels or noise as the kind has it."""
    channels, length = size(arguments(case, **changes))
    kind, time = catalogue.data_kind(recipe_name(case)), torch.arange(length) / 8000

    def rows(start: int, count: int) -> dict[str, Tensor]:
        waves, noises = [], []
        for position in range(start, start + count):
            generator = torch.Generator().manual_seed(position)
            noise = torch.rand(channels, length, generator=generator) - 0.5
            tone = torch.sin(2 * torch.pi * 220 * (position % CLASSES + 1) * time)
            waves.append((0.6 * tone + 0.2 * noise) * torch.linspace(1, 0.2, length))
            noises.append(noise.flip(-1))
        batch = {"audio": torch.stack(waves)}
        if kind == "mixtures":
            batch["noise"] = torch.stack(noises)
        if kind == "sounds" and not case.endswith(UNCONDITIONAL):
            batch["label"] = torch.arange(start, start + count) % CLASSES
        return batch

    return rows


def clips_of(case: str, **changes: Any) -> Callable[[int, int], dict[str, Tensor]]:
    """Return rows(start, count): noisy blobs in [-1, 1] that move to the right or down, by class."""
    channels, frames, height, width = size(arguments(case, **changes))
    classes = classes_of(case)
    y, x = torch.arange(height)[:, None] / height, torch.arange(width) / width
    time = torch.arange(frames)[:, None, None] / frames

    def rows(start: int, count: int) -> dict[str, Tensor]:
        clips = []
        for position in range(start, start + count):
            generator = torch.Generator().manual_seed(position)
            noise = torch.rand(channels, frames, height, width, generator=generator) - 0.5
            turn = position % classes / max(classes - 1, 1)
            blob = torch.exp(-8 * ((y - turn * time) ** 2 + (x - (1 - turn) * time) ** 2))
            clips.append(1.5 * blob - 0.75 + 0.3 * noise)
        batch = {"clip": torch.stack(clips)}
        if not case.endswith(UNCONDITIONAL):
            batch["label"] = torch.arange(start, start + count) % classes
        return batch

    return rows


def tokens_of(case: str, **changes: Any) -> Callable[[int, int], dict[str, Tensor]]:
    """Return rows(start, count): sentences of 1 to T - 1 symbols, END, PAD, which symbols by class; or full windows."""
    given = arguments(case, **changes)
    length, symbols = int(given["length"]), int(given["vocab_size"]) - 4
    whole, classes = catalogue.data_kind(recipe_name(case)) == "passages", classes_of(case)

    def rows(start: int, count: int) -> dict[str, Tensor]:
        tokens = []
        for position in range(start, start + count):
            generator = torch.Generator().manual_seed(position)
            drawn = torch.randint(0, symbols - 1, (length,), generator=generator)
            row = 4 + (drawn + drawn % 2 + position % classes).clamp(max=symbols - 1)
            if not whole:
                end = int(torch.randint(1, length, (1,), generator=generator))
                row[end], row[end + 1 :] = 1, 0
            tokens.append(row)
        batch = {"tokens": torch.stack(tokens)}
        return batch if whole else {**batch, "label": torch.arange(start, start + count) % classes}

    return rows


def prepare(
    case: str,
    out: Path,
    seed: int = 0,
    run: dict[str, Any] | None = None,
    player: dict[str, Any] | None = None,
    **changes: Any,
) -> loop.Training:
    """Return a training of a case on the CPU in float32, restored if `out` holds a checkpoint.

    `run` holds options of the run, `player` what is replaced in every player, `changes` arguments of the recipe.
    """
    options = {"steps": 1, "device": "cpu", "precision": "fp32", **(run or {})}
    recipe = build(case, seed, **changes)
    recipe = replace(recipe, players={name: replace(p, **(player or {})) for name, p in recipe.players.items()})
    return loop.prepare(recipe, Run(out=out, **options), {}, lambda message: None)


def train(case: str, out: Path, steps: int, seed: int = 0, **changes: Any) -> State:
    """Train a case up to `steps` and return its state."""
    training = prepare(case, out, seed, {"steps": steps}, **changes)
    return loop.train(training, rows_of(case, **changes))


def step(training: loop.Training, number: int, case: str, **changes: Any) -> None:
    """Run one update of one phase, alone."""
    phase = training.recipe.phases[number]
    progress = Progress(training.counters, training.run.seed, training.device, training.collector)
    rows, start = rows_of(case, **changes), training.counters.position
    loop.step_phase(training, phase, f"{number}.0", rows, start, progress, Guard(training.device))


def freeze_batch_statistics(training: loop.Training) -> None:
    """Let norms read their running statistics and switch dropout and noise off: no sample then depends on another."""
    for network in training.state.nets.modules.values():
        for module in network.modules():
            if isinstance(module, BATCH_DEPENDENT):
                module.eval()


def named_parameters(training: loop.Training, player: str) -> dict[str, nn.Parameter]:
    """Return the parameters of a player by name."""
    networks = training.recipe.players[player].networks
    return {f"{name}.{key}": p for name, network in networks.items() for key, p in network.named_parameters()}


def copies(tensors: dict[str, Any]) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in tensors.items()}


def same(a: State, b: State) -> list[str]:
    """Return the names of all tensors of two states that differ in a single bit."""
    left, right = a.tensors(), b.tensors()
    assert {file: sorted(tensors) for file, tensors in left.items()} == {f: sorted(t) for f, t in right.items()}
    names = [(file, key) for file, tensors in left.items() for key in tensors]
    return [f"{file}/{key}" for file, key in names if not torch.equal(left[file][key], right[file][key])]
