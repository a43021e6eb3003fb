"""Clips of any length from a model, frame by frame, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gantlet.draws import SampleDraws
from gantlet.errors import UserError

if TYPE_CHECKING:
    from gantlet.model import Model


@torch.inference_mode()
def rolled(
    model: Model,
    num: int,
    frames: int,
    *,
    seed: int = 0,
    label: int | str | Sequence[int] | None = None,
    first: int = 0,
    **options: Any,
) -> Iterator[Tensor]:
    """Yield the first `frames` frames [num, C, H, W] in [-1, 1] of `num` samples; `options` are those of the recipe.

    Raises UserError if the recipe makes clips of the length it was trained on alone, or for no samples.
    """
    recipe, name = model.recipe, model.about["recipe"]
    if recipe.frames is None:
        raise UserError(f"Recipe '{name}' makes clips of its own length alone; leave --seconds out.")
    if num < 1:
        raise UserError(f"The number of samples must be positive, not {num}.")
    numbers = range(first, first + num)
    draws = SampleDraws(seed, numbers, model.device)
    y = model.labels(draws, label, numbers, first)
    keywords = dict(options) if y is None else {"label": y, **options}
    stream = recipe.frames(model.nets, draws, **keywords)
    for _ in range(frames):
        yield next(stream).float()
