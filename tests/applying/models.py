"""Models of the toy recipes, untrained, as `gantlet.load` would give them."""

from __future__ import annotations

from typing import Any

import torch
import toy_translation

from gantlet.engine import nets
from gantlet.model import Model


def model_of(name: str, channels: int = 1, **data: Any) -> Model:
    """Return a model of a toy recipe; `data` changes what it says it was trained on."""
    recipe = getattr(toy_translation, name)(channels=channels)
    about = {
        "facts": {"channels": channels, "resolution": 8},
        "intensity": {"low": 0.0, "high": 255.0, "dtype": "uint8"},
        "classes": [],
        "class_counts": [],
    }
    about = {"recipe": name, "arguments": {}, "data": {**about, **data}}
    return Model(recipe, nets.build(recipe, torch.device("cpu")), about, torch.device("cpu"))
