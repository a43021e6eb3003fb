"""The latent space of a trained model: points as its recipe draws them, and pictures as its G makes them of points.

A model whose G has `mapping` and `synthesis` is explored in w, any other in the z that its recipe gives to G.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gantlet.draws import SampleDraws
from gantlet.errors import UserError
from gantlet.model import Model


@dataclass(frozen=True, kw_only=True)
class Space:
    """Latent points as the recipe draws them, what G makes of them, and how to make more."""

    name: str  # "z" or "w"
    points: Tensor  # [n, dim]
    beside: Tensor | None  # [n, ...] what G is given beside each point: labels, where there are any
    pictures: Tensor  # [n, C, H, W]
    decode: Callable[[Tensor, Tensor | None], Tensor]  # points, what stands beside them -> pictures; differentiable


def space(model: Model, num: int = 512, *, seed: int = 0, label: int | str | None = None) -> Space:
    """Return the latent space of a model with samples 0 to `num` of `seed` in it.

    Raises UserError if the recipe samples nothing or its G takes no vector.
    """
    G = model.nets.modules.get("G")
    if G is None or model.recipe.sample is None:
        raise UserError(f"Recipe '{model.about['recipe']}' has no generator G that samples: it has no latent space.")
    if hasattr(G, "mapping") and hasattr(G, "synthesis"):
        return style_space(model, G, num, seed, label)
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    # What G is called with, not what was drawn: a recipe may scale, truncate or join its draws before.
    handle = G.register_forward_pre_hook(lambda module, given, named: calls.append((given, named)), with_kwargs=True)
    try:
        pictures = [batch for batch, _ in model.batches(num, seed=seed, label=label)]
    finally:
        handle.remove()
    given, named = calls[0] if calls else ((), {})
    if not given or not isinstance(given[0], Tensor) or given[0].ndim != 2 or not given[0].is_floating_point():
        raise UserError(
            f"G of recipe '{model.about['recipe']}' takes no latent vector, so there is nothing to explore."
        )
    beside = [call[1] for call, _ in calls if len(call) > 1 and isinstance(call[1], Tensor)]
    more = [first_row(value) for value in given[2:]]
    options = {name: first_row(value) for name, value in named.items()}

    def decode(points: Tensor, labels: Tensor | None) -> Tensor:
        rows = len(points)
        rest = (labels, *(fill(rows) for fill in more)) if len(given) > 1 else ()
        made: Tensor = G(points, *rest, **{name: fill(rows) for name, fill in options.items()})
        return made

    return Space(
        name="z",
        points=torch.cat([call[0] for call, _ in calls]),
        beside=torch.cat(beside) if beside else None,
        pictures=torch.cat(pictures),
        decode=decode,
    )


def style_space(model: Model, G: Any, num: int, seed: int, label: int | str | None) -> Space:
    """Return the space w of a generator in two halves, mapping(z, y) -> w and synthesis(w) -> pictures."""
    parts = list(model.batches(num, seed=seed, label=label))
    y = None if parts[0][1] is None else torch.cat([labels for _, labels in parts if labels is not None])
    z = SampleDraws(seed, range(num), model.device).normal("z", int(model.about["arguments"]["latent_dim"]))
    with torch.inference_mode():
        w = G.mapping(z, y)

    def decode(points: Tensor, labels: Tensor | None) -> Tensor:
        made: Tensor = G.synthesis(points)
        return made

    pictures = torch.cat([decode_quietly(decode, part, None) for part in w.split(256)])
    return Space(name="w", points=w.clone(), beside=y, pictures=pictures, decode=decode)


def first_row(value: Any) -> Callable[[int], Any]:
    """Return a function that gives n rows of a tensor's first row, or the value itself if it is none."""
    if not isinstance(value, Tensor) or value.ndim == 0:
        return lambda rows: value
    return lambda rows: value[:1].clone().expand(rows, *value.shape[1:])


@torch.inference_mode()
def decode_quietly(decode: Callable[[Tensor, Tensor | None], Tensor], points: Tensor, beside: Tensor | None) -> Tensor:
    """Return the pictures of points [n, dim], float32, without gradients."""
    return decode(points, beside).float()
