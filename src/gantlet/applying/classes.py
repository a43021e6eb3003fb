"""`gantlet apply` with a classifier: pictures in, a CSV of their classes out."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import torch

from gantlet.data import ImageData, open_images
from gantlet.engine.storage import replace_file
from gantlet.errors import UserError
from gantlet.model import Model


def fitting_images(model: Model, source: str | Path) -> ImageData:
    """Open pictures at the model's size. Raises UserError if they have other channels."""
    facts = model.about["data"]["facts"]
    size = facts["resolution"]
    images = open_images(source, resolution=size if isinstance(size, int) else (int(size[0]), int(size[1])))
    if images.pixels.shape[3] != facts["channels"]:
        raise UserError(
            f"{source} has {images.pixels.shape[3]} channels, the model was trained on {facts['channels']}."
        )
    return images


def apply_file(model: Model, source: str | Path, out: Path) -> int:
    """Apply a classifier to every picture of `source`, write a CSV of number, class and probability, return the count.

    Raises UserError if the recipe applies to nothing or `out` is not a .csv.
    """
    if model.recipe.apply is None:
        raise UserError(f"Recipe '{model.about['recipe']}' applies to no input; use `gantlet sample` for new pictures.")
    if out.suffix != ".csv":
        raise UserError(f"--out must end in .csv, not '{out.name}'.")
    images = fitting_images(model, source)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["number", "class", "probability"])
    with torch.inference_mode():
        for start in range(0, len(images), 500):
            rows = np.arange(start, min(start + 500, len(images)))
            logits = model.recipe.apply(model.nets, images.batch(rows)["image"].to(model.device))
            best, numbers = logits.float().softmax(1).max(1)
            for number, row, probability in zip(rows.tolist(), numbers.tolist(), best.tolist(), strict=True):
                writer.writerow([number, model.classes[row], f"{probability:.4f}"])
    replace_file(out, text.getvalue().encode())
    return len(images)
