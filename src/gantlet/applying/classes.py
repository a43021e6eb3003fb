"""`gantlet apply` with a classifier: pictures in, a CSV of their classes out."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import torch

from gantlet.data import ImageData, open_images
from gantlet.errors import UserError
from gantlet.media.image import replace
from gantlet.model import Model


def fitting_images(model: Model, source: str | Path, skip_broken: bool = False) -> ImageData:
    """Open pictures at the model's size. Raises UserError if they have other channels, or it has no such size."""
    facts = model.about["data"]["facts"]
    if "resolution" not in facts or model.frame_rate is not None:
        raise UserError(
            f"Recipe '{model.about['recipe']}' was not trained on pictures of one size; give a run of one that was."
        )
    size = facts["resolution"]
    side = size if isinstance(size, int) else (int(size[0]), int(size[1]))
    images = open_images(source, resolution=side, skip_broken=skip_broken)
    if images.pixels.shape[3] != facts["channels"]:
        raise UserError(
            f"{source} has {images.pixels.shape[3]} channels, the model was trained on {facts['channels']}."
        )
    return images


def apply_file(model: Model, source: str | Path, out: Path, skip_broken: bool = False) -> int:
    """Apply a classifier to every picture of `source`, write a CSV of number, class and probability, return the count.

    Raises UserError if the recipe applies to nothing, is no classifier of pictures, or `out` is not a .csv.
    """
    if model.recipe.apply is None:
        raise UserError(f"Recipe '{model.about['recipe']}' applies to no input; use `gantlet sample` for new pictures.")
    if out.suffix.lower() != ".csv":
        raise UserError(f"--out must end in .csv, not '{out.name}'.")
    if not model.classes:
        raise _no_classifier(model, out)
    images = fitting_images(model, source, skip_broken)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["number", "class", "probability"])
    with torch.inference_mode():
        for start in range(0, len(images), 500):
            rows = np.arange(start, min(start + 500, len(images)))
            logits = model.recipe.apply(model.nets, images.batch(rows)["image"].to(model.device))
            if logits.ndim != 2 or logits.shape[1] != len(model.classes):
                raise _no_classifier(model, out)
            best, numbers = logits.float().softmax(1).max(1)
            for number, row, probability in zip(rows.tolist(), numbers.tolist(), best.tolist(), strict=True):
                writer.writerow([number, model.classes[row], f"{probability:.4f}"])
    replace(out, lambda file: file.write(text.getvalue().encode()))
    return len(images)


def _no_classifier(model: Model, out: Path) -> UserError:
    return UserError(
        f"Recipe '{model.about['recipe']}' makes no table of classes, which --out {out.name} asks for; give a run of a "
        "classifier, or choose another --out."
    )
