"""Gantlet: train, judge and use generative adversarial networks.

    import gantlet
    model = gantlet.train(data="digits", out="runs/digits", seconds=60)
    pictures = gantlet.load("runs/digits").sample(16, seed=0)          # [16, 1, 8, 8] float32 in [-1, 1]

Importing this imports no torch; the names below load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gantlet.data import inspect, open_clips, open_excerpts, open_images, open_lines, open_mixtures, open_sounds
    from gantlet.errors import RunFailed, UserError
    from gantlet.judging import evaluate
    from gantlet.latents import ganspace, morph, project, sefa, traverse, truncation_sweep
    from gantlet.model import Model, load
    from gantlet.quality_diversity import curve
    from gantlet.recipe import Phase, Player, Recipe
    from gantlet.training import train

_HOMES = {
    "train": "gantlet.training",
    "load": "gantlet.model",
    "Model": "gantlet.model",
    "evaluate": "gantlet.judging",
    "curve": "gantlet.quality_diversity",
    "project": "gantlet.latents",
    "sefa": "gantlet.latents",
    "ganspace": "gantlet.latents",
    "traverse": "gantlet.latents",
    "morph": "gantlet.latents",
    "truncation_sweep": "gantlet.latents",
    "inspect": "gantlet.data",
    "open_images": "gantlet.data",
    "open_clips": "gantlet.data",
    "open_lines": "gantlet.data",
    "open_sounds": "gantlet.data",
    "open_excerpts": "gantlet.data",
    "open_mixtures": "gantlet.data",
    "Player": "gantlet.recipe",
    "Phase": "gantlet.recipe",
    "Recipe": "gantlet.recipe",
    "UserError": "gantlet.errors",
    "RunFailed": "gantlet.errors",
}

__all__ = [
    "Model",
    "Phase",
    "Player",
    "Recipe",
    "RunFailed",
    "UserError",
    "__version__",
    "curve",
    "evaluate",
    "ganspace",
    "inspect",
    "load",
    "morph",
    "open_clips",
    "open_excerpts",
    "open_images",
    "open_lines",
    "open_mixtures",
    "open_sounds",
    "project",
    "sefa",
    "train",
    "traverse",
    "truncation_sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gantlet' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
