"""Directions of a latent space along which pictures change most, and walks along them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.errors import UserError
from gantlet.latents.space import Space, decode_quietly, space
from gantlet.model import Model


@dataclass(frozen=True, kw_only=True)
class Directions:
    """Directions of a latent space, the most telling first."""

    method: str
    space: Space
    vectors: Tensor  # [K, dim] of length 1
    spreads: Tensor  # [K] standard deviation of latents along each

    def __len__(self) -> int:
        return len(self.vectors)


def sefa(model: Model, num: int = 5, *, samples: int = 512, seed: int = 0) -> Directions:
    """Return the directions that the layers reading the latent stretch most (Shen & Zhou 2021, SeFa, Eq. 5).

    The eigenvectors of A^T A for the weights A of those layers, all on top of one another. No sample enters them;
    `samples` serve to measure how far latents spread along each.

    Raises UserError if no layer reads the latent directly.
    """
    found = space(model, samples, seed=seed)
    A = torch.cat([matrix for matrix, _ in reading_layers(model, found)]).double()
    vectors = torch.linalg.eigh(A.T @ A).eigenvectors.flip(1).T
    return directions("sefa", found, vectors[:num])


def ganspace(model: Model, num: int = 5, *, samples: int = 1000, seed: int = 0) -> Directions:
    """Return principal directions of `samples` latents (Harkonen 2020, GANSpace).

    In w those of the latents themselves. In z, which has none, those of the first activations, carried back to z by
    linear regression (section 2.2); while these are linear in z, they resemble SeFa's.

    Raises UserError if no layer reads the latent directly.
    """
    found = space(model, samples, seed=seed)
    points = found.points.double() - found.points.double().mean(0)
    if found.name == "w":
        return directions("ganspace", found, torch.linalg.svd(points, full_matrices=False).Vh[:num])
    first = torch.cat([output for _, output in reading_layers(model, found)], dim=1).double()
    first = first - first.mean(0)
    if first.shape[1] <= len(first):
        coordinates = first @ torch.linalg.eigh(first.T @ first).eigenvectors.flip(1)[:, :num]
    else:  # the Gram matrix [n, n] is the smaller one
        values, left = torch.linalg.eigh(first @ first.T)
        coordinates = left.flip(1)[:, :num] * values.flip(0)[:num].clamp_min(0).sqrt()
    return directions("ganspace", found, torch.linalg.lstsq(coordinates, points).solution)


def directions(method: str, found: Space, vectors: Tensor) -> Directions:
    """Return directions of length 1 whose largest component is positive, and how far latents spread along them."""
    vectors = F.normalize(vectors, dim=1)
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    vectors = (vectors * largest.sign()).float()
    return Directions(method=method, space=found, vectors=vectors, spreads=(found.points @ vectors.T).std(0))


def reading_layers(model: Model, found: Space) -> list[tuple[Tensor, Tensor]]:
    """Return (weights [out, dim], outputs [n, out]) of each layer of G whose input holds the latent itself.

    Columns of the input are compared with those of the latent, so labels joined to it, or a z that is split into
    chunks, are no obstacle. Where there is none (AC-GAN multiplies z with an embedding) it is the first layer that
    runs, with its slopes in z for weights.
    """
    layers: list[tuple[Tensor, Tensor]] = []

    def look(layer: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        x, weight = given[0] if given else None, getattr(layer, "weight", None)
        if not (isinstance(x, Tensor) and isinstance(weight, Tensor) and isinstance(output, Tensor)):
            return
        if x.ndim != 2 or weight.ndim != 2 or weight.shape[1] != x.shape[1] or x.dtype != found.points.dtype:
            return
        same = (x[:8, :, None] == found.points[:8, None, :]).all(0)  # [columns of the input, columns of the latent]
        if bool(same.any()):
            layers.append((weight.float() @ same.float(), output.float()))

    handles = [layer.register_forward_hook(look) for layer in model.nets.G.modules()]
    try:
        decode_quietly(found.decode, found.points, found.beside)
    finally:
        for handle in handles:
            handle.remove()
    return layers or [first_layer(model, found)]


def first_layer(model: Model, found: Space, at: int = 4) -> tuple[Tensor, Tensor]:
    """Return (slopes [at * out, dim], outputs [n, out]) of the first linear layer of G, slopes at the first points.

    Raises UserError if G has none.
    """
    outputs: list[Tensor] = []

    def look(layer: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        if not isinstance(layer, nn.Embedding) and isinstance(output, Tensor) and output.ndim == 2 and not outputs:
            outputs.append(output.float())

    def run(points: Tensor, beside: Tensor | None) -> Tensor:
        outputs.clear()
        decode_quietly(found.decode, points, beside)
        if not outputs:
            raise UserError(f"No layer of G of recipe '{model.about['recipe']}' reads the latent directly.")
        return outputs[0]

    handles = [layer.register_forward_hook(look) for layer in model.nets.G.modules() if hasattr(layer, "weight")]
    try:
        whole, dim = run(found.points, found.beside), found.points.shape[1]
        moved = (found.points[:at, None] + torch.eye(dim, device=whole.device)).flatten(0, 1)
        beside = None if found.beside is None else found.beside[:at].repeat_interleave(dim, 0)
        slopes = run(moved, beside).view(at, dim, -1) - whole[:at, None]
    finally:
        for handle in handles:
            handle.remove()
    return slopes.transpose(1, 2).flatten(0, 1), whole


def traverse(found: Directions, number: int, *, rows: int = 4, steps: int = 7, reach: float = 3.0) -> Tensor:
    """Return [rows, steps, C, H, W]: samples moved along one direction by -reach to +reach standard deviations.

    Raises UserError if there is no such direction or number of rows.
    """
    if not 0 <= number < len(found) or not 1 <= rows <= len(found.space.points) or steps < 2:
        raise UserError(f"There are directions 0 to {len(found) - 1}; a walk needs at least 1 row and 2 steps.")
    shift = torch.linspace(-reach, reach, steps, device=found.vectors.device)[:, None] * found.spreads[number]
    points = (found.space.points[:rows, None] + shift * found.vectors[number]).flatten(0, 1)
    beside = None if found.space.beside is None else found.space.beside[:rows].repeat_interleave(steps, 0)
    return torch.unflatten(decode_quietly(found.space.decode, points, beside), 0, (rows, steps))
