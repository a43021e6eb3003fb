"""Models of recipes at their tiny size, untrained, as `gantlet.load` would give them."""

from __future__ import annotations

from typing import Any

import torch

from gantlet.engine import nets
from gantlet.model import Model
from gantlet.recipe import Recipe
from gantlet.recipes import catalogue


def built(
    recipe: Recipe, name: str, arguments: dict[str, Any], channels: int, resolution: int, num_classes: int
) -> Model:
    """Return a model around a recipe, with the data it would have been trained on described."""
    data = {
        "facts": {"channels": channels, "resolution": resolution, "num_classes": num_classes},
        "intensity": {"low": 0.0, "high": 255.0, "dtype": "uint8"},
        "classes": [f"class {i}" for i in range(num_classes)],
        "class_counts": [10] * num_classes,
    }
    about = {"recipe": name, "arguments": arguments, "data": data}
    return Model(recipe, nets.build(recipe, torch.device("cpu")), about, torch.device("cpu"))


def tiny_model(name: str, spread: float = 0.0, **changes: Any) -> Model:
    """Return an untrained model of a recipe; with `spread` all weights are drawn from N(0, spread^2)."""
    torch.manual_seed(0)
    tiny = {**catalogue.tiny_settings(name), **changes}
    arguments = catalogue.resolve(name, tiny, False, tiny)
    recipe = catalogue.build(name, arguments)
    if spread:
        for parameter in recipe.players["G"].networks["G"].parameters():
            torch.nn.init.normal_(parameter, 0.0, spread)
    classes = int(arguments.get("num_classes", 0))
    return built(recipe, name, arguments, arguments["channels"], arguments["resolution"], classes)
