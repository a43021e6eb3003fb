"""The latent tools on files: pictures of a person's own in, arrays and picture strips out."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantlet.applying.classes import fitting_images
from gantlet.data import ImageData
from gantlet.engine.storage import replace_file
from gantlet.errors import UserError
from gantlet.latents.directions import Directions, ganspace, sefa, traverse
from gantlet.latents.morphing import can_truncate, class_pairs, morph, truncation_sweep
from gantlet.latents.projection import Projection, project
from gantlet.media.image import grid, to_displayable, write_image
from gantlet.model import Model


def encode_file(
    model: Model, source: str | Path, out: Path, *, num: int | None = None, skip_broken: bool = False
) -> int:
    """Write z [N, latent_dim], and labels where there are any, of the first `num` pictures; return their number.

    Raises UserError if `out` is not a .npz, the recipe has no encoder or the pictures do not fit the model.
    """
    check_suffix(out, ".npz")
    images = fitting_images(model, source, skip_broken)
    rows = first(images, len(images) if num is None else num)
    z = torch.cat([model.encode(pictures(images, rows[i : i + 500])) for i in range(0, len(rows), 500)])
    labels = None if images.labels is None else images.labels[: len(rows)]
    write_arrays(out, z=z, labels=labels)
    return len(rows)


def reconstruct_file(model: Model, source: str | Path, out: Path, *, num: int = 32, skip_broken: bool = False) -> int:
    """Write a grid of the first `num` pictures, each row of them above its reconstructions; return their number.

    Raises UserError if `out` is not a .png, the recipe has no encoder or the pictures do not fit the model.
    """
    check_suffix(out, ".png")
    images = fitting_images(model, source, skip_broken)
    given = pictures(images, first(images, num))
    write_grid(model, out, *in_turn(given, model.reconstruct(given).cpu()))
    return len(given)


def project_folder(
    model: Model,
    source: str | Path,
    out: Path,
    *,
    num: int = 32,
    skip_broken: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Projection:
    """Project the first `num` pictures; write projections.png (pictures above projections) and latents.npz into `out`.

    `options` are those of `project`. Raises UserError as it does, or if `out` is a file.
    """
    check_folder(out)
    images = fitting_images(model, source, skip_broken)
    given = pictures(images, first(images, num))
    found = project(model, given, progress=progress, **options)
    write_grid(model, out / "projections.png", *in_turn(given, found.pictures.cpu()))
    arrays = {found.space: found.points, "distance": found.distance, "pixel_distance": found.pixel_distance}
    write_arrays(out / "latents.npz", **arrays, labels=found.labels)
    return found


def explore_folder(
    model: Model, out: Path, *, num: int = 5, rows: int = 4, steps: int = 9, reach: float = 3.0, seed: int = 0
) -> list[Path]:
    """Write picture strips into `out` and return their paths.

    `num` directions of SeFa and as many of GANSpace, `rows` samples walking along each; the truncation sweep if the
    recipe has truncation; every class turning into the next if there are classes; directions.npz holds the vectors.

    Raises UserError for a model without latents, numbers below 1, or if `out` is a file.
    """
    check_folder(out)
    if min(num, rows) < 1 or steps < 2:
        raise UserError("Exploring needs at least 1 direction, 1 row and 2 steps.")
    found = [sefa(model, num, seed=seed), ganspace(model, num, seed=seed)]
    strips = {
        f"{kind.method}-{number + 1}.png": traverse(kind, number, rows=rows, steps=steps, reach=reach)
        for kind in found
        for number in range(len(kind))
    }
    if can_truncate(model):
        strips["truncation.png"] = truncation_sweep(model, rows=rows, seed=seed)
    walks = [morph(model, first, second, rows=1, steps=steps, seed=seed)[0] for first, second in class_pairs(model)]
    if walks:
        strips["classes.png"] = torch.stack(walks)
    for name, strip in strips.items():
        write_grid(model, out / name, strip.flatten(0, 1), strip.shape[1])
    write_directions(out / "directions.npz", found)
    return [out / name for name in (*strips, "directions.npz")]


def write_directions(path: Path, found: list[Directions]) -> None:
    """Write the vectors and spreads of each method, and which space they are of."""
    arrays = {f"{kind.method}_{name}": getattr(kind, name) for kind in found for name in ("vectors", "spreads")}
    write_arrays(path, **arrays, space=np.array(found[0].space.name))


def first(images: ImageData, num: int) -> range:
    """Return the positions of the first `num` pictures. Raises UserError if that is none."""
    if num < 1:
        raise UserError(f"The number of pictures must be positive, not {num}.")
    return range(min(num, len(images)))


def pictures(images: ImageData, rows: range) -> Tensor:
    """Return pictures [n, C, H, W] in [-1, 1]."""
    return images.batch(np.arange(rows.start, rows.stop))["image"]


def in_turn(given: Tensor, made: Tensor, columns: int = 8) -> tuple[Tensor, int]:
    """Return rows of given pictures, each followed by the row made of them, and their length; blanks fill up."""
    columns = min(columns, len(given))
    missing = -len(given) % columns
    both = torch.stack([torch.cat([x, x.new_full((missing, *x.shape[1:]), -1.0)]) for x in (given, made)])
    return torch.unflatten(both, 1, (-1, columns)).transpose(0, 1).flatten(0, 2), columns


def write_grid(model: Model, path: Path, shown: Tensor, columns: int) -> None:
    """Write pictures [N, C, H, W] as one PNG."""
    write_image(path, grid(to_displayable(model.to_raw(shown), model.intensity), columns=columns))


def write_arrays(path: Path, **arrays: Any) -> None:
    """Write tensors and arrays as one .npz, leaving out those that are None. Raises UserError if it cannot."""
    plain: dict[str, Any] = {
        name: a.cpu().numpy() if isinstance(a, Tensor) else a for name, a in arrays.items() if a is not None
    }
    content = io.BytesIO()
    np.savez_compressed(content, **plain)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content.getvalue())
    except OSError as error:
        raise UserError(f"Cannot write {path} ({error.strerror}); choose another --out.") from error


def check_suffix(out: Path, suffix: str) -> None:
    """Raise UserError unless a file's name ends as it should."""
    if out.suffix.lower() != suffix:
        raise UserError(f"--out must end in {suffix}, not '{out.name}'.")


def check_folder(out: Path) -> None:
    """Raise UserError if a folder cannot be made because a file is there."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; --out takes a folder.")
