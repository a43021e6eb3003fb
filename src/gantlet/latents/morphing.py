"""Walks that leave the latent where it is: from class to class, and from typical samples to all of them."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.draws import SampleDraws
from gantlet.errors import UserError
from gantlet.model import Model


def truncation_sweep(
    model: Model, values: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0), *, rows: int = 6, **options: Any
) -> Tensor:
    """Return [rows, len(values), C, H, W]: the same samples under each truncation; `options` as for `Model.sample`.

    Raises UserError if the recipe's samples cannot be truncated.
    """
    if not can_truncate(model):
        raise UserError(f"Recipe '{model.about['recipe']}' has no truncation to sample with.")
    return torch.stack([model.sample(rows, truncation=value, **options) for value in values], dim=1)


def can_truncate(model: Model) -> bool:
    """Tell whether the recipe's samples can be truncated."""
    return model.recipe.sample is not None and "truncation" in inspect.signature(model.recipe.sample).parameters


@torch.inference_mode()
def morph(model: Model, start: int | str, end: int | str, *, rows: int = 4, steps: int = 8, seed: int = 0) -> Tensor:
    """Return [rows, steps, C, H, W]: the same latents while the class goes from `start` to `end`.

    The class is mixed where G reads it: in embeddings, or in one-hot columns.

    Raises UserError for a model without labels, an unknown class, or a G that reads its label in another way.
    """
    if not model.conditional or model.recipe.sample is None:
        raise UserError(f"Recipe '{model.about['recipe']}' was trained without labels: there are no classes to morph.")
    if rows < 1 or steps < 2:
        raise UserError(f"Morphing needs at least 1 row and 2 steps, not {rows} and {steps}.")
    first, second = model.class_number(start), model.class_number(end)
    mix = torch.linspace(0, 1, steps, device=model.device).repeat(rows)
    draws = SampleDraws(seed, [row for row in range(rows) for _ in range(steps)], model.device)
    label = torch.full((rows * steps,), first, device=model.device)
    with mixed_class(model, first, second, mix) as mixed:
        pictures: Tensor = model.recipe.sample(model.nets, draws, label=label).float()
    if not mixed:
        raise UserError(f"G of recipe '{model.about['recipe']}' reads its label in a way that cannot be mixed.")
    return torch.unflatten(pictures, 0, (rows, steps))


@contextmanager
def mixed_class(model: Model, first: int, second: int, mix: Tensor) -> Iterator[list[str]]:
    """Let G see, instead of class `first`, row i's mixture with `second`; yield the names of the layers that did."""
    classes = int(model.about["arguments"]["num_classes"])
    mixed: list[str] = []
    hot = F.one_hot(torch.tensor([first, second], device=mix.device), classes).float()
    path = torch.lerp(hot[:1], hot[1:], mix[:, None])  # [n, classes]

    def embedded(name: str) -> Callable[..., Tensor | None]:
        def replace(layer: nn.Embedding, given: tuple[Any, ...], output: Tensor) -> Tensor | None:
            if not torch.equal(given[0], torch.full_like(given[0], first)):
                return None
            mixed.append(name)
            return path @ layer.weight

        return replace

    def joined(name: str) -> Callable[..., tuple[Any, ...] | None]:
        def replace(layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
            x = given[0] if given else None
            if not isinstance(x, Tensor) or x.ndim != 2 or x.shape[1] < classes:
                return None
            if not torch.equal(x[:, -classes:], hot[:1].expand(len(x), -1).to(x.dtype)):
                return None
            mixed.append(name)
            return (torch.cat([x[:, :-classes], path.to(x.dtype)], dim=1), *given[1:])

        return replace

    handles = []
    for name, layer in model.nets.G.named_modules():
        if isinstance(layer, nn.Embedding) and layer.num_embeddings == classes:
            handles.append(layer.register_forward_hook(embedded(name)))
        elif hasattr(layer, "weight"):
            handles.append(layer.register_forward_pre_hook(joined(name)))
    try:
        yield mixed
    finally:
        for handle in handles:
            handle.remove()


def class_pairs(model: Model) -> Iterator[tuple[int, int]]:
    """Yield each class with the next one, the last with the first."""
    classes = int(model.about["arguments"].get("num_classes") or 0)
    yield from itertools.pairwise([*range(classes), 0] if classes > 1 else [])
