"""Tiny recipes with remedies: built, and run through the engine on data that is a pure function of the position."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gantlet.engine import loop
from gantlet.engine.health import Guard
from gantlet.engine.run import Run
from gantlet.engine.state import State
from gantlet.recipe import Recipe
from gantlet.recipes import catalogue
from gantlet.remedies import catalogue as remedial

CLASSES = 3
RECIPES = ("dcgan", "r1gan", "sngan", "acgan")


def build(name: str, remedies: remedial.Asked = (), seed: int = 0, **changes: Any) -> Recipe:
    """Build a recipe at its tiny size, with remedies, its weights a function of the seed."""
    torch.manual_seed(seed)
    given = {**catalogue.tiny_settings(name), **changes}
    recipe = catalogue.build(name, catalogue.resolve(name, given, False, given))
    return remedial.apply(recipe, remedial.resolve(remedial.read(remedies), 100))


def rows(start: int, count: int) -> dict[str, Tensor]:
    """Return [count, 1, 8, 8] pictures in [-1, 1], their labels, and as many held out."""
    generators = [torch.Generator().manual_seed(position) for position in range(start, start + count)]
    image = torch.stack([torch.rand(1, 8, 8, generator=generator) * 2 - 1 for generator in generators])
    label = torch.arange(start, start + count) % CLASSES
    return {"image": image, "label": label, "holdout_image": image.flip(3), "holdout_label": label}


def prepare(recipe: Recipe, out: Path, **run: Any) -> loop.Training:
    """Return a training of a recipe on the CPU, restored if `out` holds a checkpoint."""
    options = {"steps": 1, "device": "cpu", "precision": "fp32", **run}
    return loop.prepare(recipe, Run(out=out, **options), {}, lambda message: None)


def iterate(training: loop.Training, feed: Callable[[int, int], dict[str, Tensor]] = rows) -> dict[str, float]:
    """Run one iteration and return its statistics."""
    loop.iterate(training, feed, Guard(training.device))
    return training.collector.read()


def train(recipe: Recipe, out: Path, steps: int) -> State:
    """Train a recipe up to `steps` and return its state."""
    return loop.train(prepare(recipe, out, steps=steps), rows)


def different(a: State, b: State) -> list[str]:
    """Return the names of all tensors of two states that differ in a single bit, or that one of them lacks."""
    left, right = (
        {f"{file}/{key}": value for file, tensors in state.tensors().items() for key, value in tensors.items()}
        for state in (a, b)
    )
    missing = sorted(left.keys() ^ right.keys())
    return missing + [name for name in left.keys() & right.keys() if not torch.equal(left[name], right[name])]
