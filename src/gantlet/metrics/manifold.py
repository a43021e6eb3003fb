"""Precision, recall, density and coverage: whether samples lie among the real ones, and real ones among the samples.

All four ask which points lie in which balls: the ball of a point reaches to its k-th nearest neighbour of its own
set, and a point on the surface is inside (both papers define balls with <=). Distances come from float32 matrix
products of centred features, block by block; every comparison that float32 rounding could decide is decided again
in float64, so the numbers are those of a brute-force float64 computation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gantlet.errors import UserError
from gantlet.metrics.checks import check_features, check_pair, exact_products

BLOCK = 4_000_000  # distances held at a time: 16 MB in float32
SLAB = 2_000_000  # float64 differences held at a time: 16 MB
SPARE = 8  # candidates beyond the k nearest in float32 that are measured again in float64
TIE = 1 + 1e-12  # squared distances this close to the squared radius are on the surface


@dataclass(frozen=True)
class _Points:
    given: Tensor  # [N, F], as the caller has them
    centred: Tensor  # [N, F] float32, common centre at 0, common largest value about 1
    squares: Tensor  # [N] float32, |centred|^2
    scale: float  # given distance / centred distance, a power of 2

    def __len__(self) -> int:
        return len(self.given)

    @property
    def rounding(self) -> float:
        """A bound c: float32 squared distances of centred a, b err by less than c (|a|^2 + |b|^2)."""
        return (self.given.shape[1] + 8) * torch.finfo(torch.float32).eps


def precision_recall_density_coverage(
    real: Tensor,
    fake: Tensor,
    *,
    neighbours: int = 5,
    chunk: int | None = None,
    real_radii: Tensor | None = None,
) -> dict[str, float]:
    """Return precision, recall, density and coverage of `fake` [M, F] against `real` [N, F].

    precision: share of fakes in some real ball, in [0, 1]; recall: share of reals in some fake ball, in [0, 1];
    density: mean number of real balls a fake lies in, over k, at least 0 and about 1 for equal distributions;
    coverage: share of real balls that hold a fake, in [0, 1].

    `chunk` rows of distances are held at a time (by default about 16 MB); `real_radii`, from `neighbour_radii`,
    saves measuring the same real set again. Values depend on N, M and `neighbours`, so report them with it.

    Raises UserError for sets of at most `neighbours` samples or of different features.

    Sources: precision and recall of Kynkaanniemi et al. 2019, arXiv:1904.06991, equations 1-3; density and coverage
    of Naeem et al. 2020, arXiv:2002.09797, equations 4 and 6.
    """
    _check(real, "real features", neighbours)
    _check(fake, "features of the samples", neighbours)
    check_pair(real, fake)
    reals, fakes = _prepare(real.detach(), fake.detach().to(real.device))
    with exact_products(real.device):
        radii = _radii(reals, neighbours, chunk) if real_radii is None else real_radii.to(real.device)
        counts, hit = _inside(reals, radii, fakes, chunk)
        found, _ = _inside(fakes, _radii(fakes, neighbours, chunk), reals, chunk)
    return {
        "precision": float((counts > 0).double().mean()),
        "recall": float((found > 0).double().mean()),
        "density": float(counts.double().mean() / neighbours),
        "coverage": float(hit.double().mean()),
    }


def neighbour_radii(features: Tensor, *, neighbours: int = 5, chunk: int | None = None) -> Tensor:
    """Return the squared distance [N] float64 of each row of `features` [N, F] to its k-th nearest other row.

    Raises UserError for sets of at most `neighbours` rows.
    """
    _check(features, "features", neighbours)
    (points,) = _prepare(features.detach())
    with exact_products(features.device):
        return _radii(points, neighbours, chunk)


def _check(features: Tensor, name: str, neighbours: int) -> None:
    if neighbours < 1:
        raise UserError(f"neighbours must be at least 1, not {neighbours}.")
    check_features(features, name, minimum=neighbours + 1)


def _prepare(*sets: Tensor) -> tuple[_Points, ...]:
    stride = max(1, len(sets[0]) // 1000)
    centre = sets[0][::stride].double().median(dim=0).values  # any centre is right; a median heeds no outlier
    largest = max(float((points - centre).abs().max()) for points in sets)
    scale = 2.0 ** round(torch.tensor(largest, dtype=torch.float64).log2().item()) if largest > 0 else 1.0
    prepared = []
    for points in sets:
        centred = torch.cat([((rows - centre) / scale).float() for rows in torch.split(points, 1024)])
        squares = torch.cat([rows.double().square().sum(dim=1) for rows in torch.split(centred, 1024)])
        prepared.append(_Points(points, centred, squares.float(), scale))
    return tuple(prepared)


def _blocks(rows: _Points, columns: _Points, chunk: int | None) -> Iterator[tuple[int, Tensor]]:
    """Yield (first row, |b|^2 - 2 <a, b> [rows, M]): squared distances less the |a|^2 of their row."""
    step = max(1, BLOCK // len(columns)) if chunk is None else chunk
    for start in range(0, len(rows), step):
        part = rows.centred[start : start + step]
        yield start, torch.addmm(columns.squares, part, columns.centred.T, alpha=-2)


def _exact(rows: _Points, i: Tensor, columns: _Points, j: Tensor) -> Tensor:
    """Return the squared distances [P] in float64 of the pairs (rows[i], columns[j]), i and j [P]."""
    step = max(1, SLAB // rows.given.shape[1])
    parts = [
        (rows.given[a].double() - columns.given[b].double()).square().sum(dim=1)
        for a, b in zip(torch.split(i, step), torch.split(j, step))
    ]
    return torch.cat(parts)


def _radii(points: _Points, neighbours: int, chunk: int | None) -> Tensor:
    """Return the squared distances [N] float64 to the k-th nearest other point.

    More than SPARE different distances within float32 rounding of the k-th leave an error of that rounding.
    """
    radii = torch.empty(len(points), dtype=torch.float64, device=points.given.device)
    keep = min(neighbours + 1 + SPARE, len(points))
    for start, block in _blocks(points, points, chunk):
        rows = torch.arange(start, start + len(block), device=block.device)
        block[rows - start, rows] = -torch.inf  # a point comes first among its own neighbours, and is left out
        near = block.topk(keep, largest=False, sorted=True).indices[:, 1:]
        squared = _exact(points, rows.repeat_interleave(keep - 1), points, near.reshape(-1)).view(len(block), -1)
        radii[rows] = squared.kthvalue(neighbours, dim=1).values
    return radii


def _inside(centres: _Points, radii: Tensor, points: _Points, chunk: int | None) -> tuple[Tensor, Tensor]:
    """Return in how many balls each point lies [M] int64, and whether each ball holds a point [N] bool.

    `radii` are squared. A point farther than 2 (|a| + r) from the origin is outside beyond doubt; for the others
    c (|a|^2 + |b|^2) < 9 c (|a|^2 + r^2), the margin inside which a comparison is made again in float64.
    """
    counts = torch.zeros(len(points), dtype=torch.int64, device=radii.device)
    hit = torch.zeros(len(centres), dtype=torch.bool, device=radii.device)
    own = centres.squares.double()
    reach = radii / centres.scale**2
    margin = 9 * centres.rounding * (own + reach)
    surely, perhaps = (reach - own - margin).float(), (reach - own + margin).float()
    for start, block in _blocks(centres, points, chunk):
        part = slice(start, start + len(block))
        inside = block < surely[part, None]
        i, j = ((block <= perhaps[part, None]) ^ inside).nonzero(as_tuple=True)
        if len(i):
            inside[i, j] = _exact(centres, i + start, points, j) <= radii[i + start] * TIE
        counts += inside.sum(dim=0, dtype=torch.int32)
        hit[part] = inside.any(dim=1)
    return counts, hit
