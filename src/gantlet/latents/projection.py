"""Projection: the latents from which a generator comes closest to given pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

import torch
from torch import Tensor

from gantlet.errors import UserError
from gantlet.latents.space import Space, space
from gantlet.metrics import random_features
from gantlet.model import Model

Extract = Callable[[Tensor], Tensor]  # pictures [N, C, H, W] -> features [N, F], differentiable


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Latent points whose pictures come closest to given ones. A distance of 1 is that to a random sample."""

    space: str  # "z" or "w"
    points: Tensor  # [N, dim]
    labels: Tensor | None  # [N], chosen with the points where none was asked for
    pictures: Tensor  # [N, C, H, W], what G makes of the points
    distance: Tensor  # [N] between features, relative to the root mean square over random samples
    pixel_distance: Tensor  # [N] the same between pixels


def project(
    model: Model,
    pictures: Tensor,
    *,
    label: int | str | None = None,
    features: Extract | None = None,
    steps: int = 200,
    restarts: int = 4,
    pool: int = 1000,
    lr: float = 0.1,
    seed: int = 0,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> Projection:
    """Return the latents from which G comes closest to pictures [N, C, H, W] in [-1, 1]; the networks stay as they are.

    For each picture Adam starts from the `restarts` nearest of `pool` samples and lowers the squared distance of
    features plus that of pixels, each relative to its mean over the pool, within the box that the pool spans; `lr` is
    in standard deviations of the pool and falls to 0 along a cosine. Without `features` those of a seeded random
    convolutional network count. Picture i's result does not depend on the others. `progress(done, total)` is told of
    pictures. After Karras 2020 (StyleGAN2), appendix D, but for the pool, which finds labels as well.

    Raises UserError for pictures of another size, an unknown label, numbers below 1 or a model without latents.
    """
    pictures = model.fitting(pictures)
    if min(steps, restarts, batch_size) < 1 or pool < restarts or not lr > 0:
        raise UserError("A projection needs at least 1 step, 1 restart, a pool no smaller than that and a positive lr.")
    found = space(model, pool, seed=seed, label=label)
    extract = features if features is not None else plain_features(pictures.shape[1], model.device)
    with torch.no_grad():
        known = torch.cat([extract(part).flatten(1).float() for part in torch.split(found.pictures, 256)])
    parts = []
    for start in range(0, len(pictures), batch_size):
        targets = pictures[start : start + batch_size]
        parts.append(project_batch(found, known, targets, extract, steps, restarts, lr))
        if progress is not None:
            progress(min(start + batch_size, len(pictures)), len(pictures))
    points, beside, made, distance, pixel_distance = zip(*parts)
    return Projection(
        space=found.name,
        points=torch.cat(points),
        labels=None if found.beside is None else torch.cat(beside),
        pictures=torch.cat(made),
        distance=torch.cat(distance),
        pixel_distance=torch.cat(pixel_distance),
    )


def plain_features(channels: int, device: torch.device) -> Extract:
    """Return the seeded random convolutional network of the metrics, without its rounding to 8 bits."""
    network = random_features(channels, num_features=256, device=device).network
    return lambda pictures: network(pictures)


def project_batch(
    found: Space, known: Tensor, targets: Tensor, extract: Extract, steps: int, restarts: int, lr: float
) -> tuple[Tensor, Tensor | None, Tensor, Tensor, Tensor]:
    """Return points, what stands beside them, pictures, distances of features and of pixels for a batch of targets."""
    with torch.no_grad():
        wanted = extract(targets).flatten(1).float()
        of_features = torch.cdist(wanted, known).square()
        of_pixels = torch.cdist(targets.flatten(1), found.pictures.flatten(1)).square()
        # Squared distances to the pool: their mean is the unit, their smallest ones are where to start.
        unit, pixel_unit = of_features.mean(1), of_pixels.mean(1)
        nearest = (of_features / unit[:, None] + of_pixels / pixel_unit[:, None]).topk(restarts, largest=False).indices
    rows = nearest.flatten()
    beside = None if found.beside is None else found.beside[rows].clone()
    wanted, aim = wanted.repeat_interleave(restarts, 0), targets.repeat_interleave(restarts, 0)
    units = [unit.repeat_interleave(restarts), pixel_unit.repeat_interleave(restarts)]
    low, high, scale = found.points.amin(0), found.points.amax(0), found.points.std(0)
    points = found.points[rows].clone()

    def distances(at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        made = found.decode(at, beside).float()
        apart = (extract(made).flatten(1).float() - wanted).square().sum(1) / units[0]
        return made, apart, (made - aim).flatten(1).square().sum(1) / units[1]

    moves = torch.zeros_like(points, requires_grad=True)
    optimizer = torch.optim.Adam([moves], lr=lr)
    best, least = points.clone(), torch.full((len(points),), torch.inf, device=points.device)
    for step in range(steps + 1):
        at = points + moves * scale
        _, apart, pixels_apart = distances(at)
        loss = apart + pixels_apart
        better = loss.detach() < least
        best, least = torch.where(better[:, None], at.detach(), best), torch.where(better, loss.detach(), least)
        if step == steps:
            break
        (moves.grad,) = torch.autograd.grad(loss.sum(), moves)
        optimizer.param_groups[0]["lr"] = lr * (1 + cos(pi * step / steps)) / 2
        optimizer.step()
        with torch.no_grad():
            moves.copy_(((points + moves * scale).clamp(low, high) - points) / scale)
    chosen = least.view(-1, restarts).argmin(1) + torch.arange(len(targets), device=points.device) * restarts
    with torch.no_grad():
        made, apart, pixels_apart = distances(best)
    kept = None if beside is None else beside[chosen]
    return best[chosen], kept, made[chosen], apart[chosen].sqrt(), pixels_apart[chosen].sqrt()
