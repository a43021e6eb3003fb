"""Whether samples copy the pictures a model was trained on, each number beside a control of pictures it never saw.

Four detectors look at distances to the nearest training picture. Where none fires, the finding is "no copy found":
other features, more samples or another distance may still find one, and nothing here speaks of privacy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from gantlet.errors import UserError
from gantlet.metrics.checks import check_features, check_pair, exact_products

BLOCK = 4_000_000  # distances held at a time: 16 MB in float32
SPARE = 4  # candidates beyond the nearest in float32 that are measured again in float64
SIGMAS = 3.0  # a detector must be this sure, and its effect large besides: with many samples any small one is sure
FOUND_SHARE = 0.2  # share of copies from which a detector fires, in the unit of each (see `Detector.fires`)


@dataclass(frozen=True, kw_only=True)
class Detector:
    """One detector: its number for the samples, the same number for the control, how sure it is, and its finding."""

    name: str
    value: float
    control: float  # what samples as far from the training pictures as other real ones would give
    sigmas: float  # standard errors between the two, positive towards copying
    fires: bool
    meaning: str  # of the number, in one sentence


@dataclass(frozen=True, kw_only=True)
class Memorisation:
    """What the detectors found, and what they looked at."""

    detectors: tuple[Detector, ...]
    counts: Mapping[str, int]
    space: str  # what distances are measured in: "pixels", or the name of the features

    @property
    def fired(self) -> tuple[str, ...]:
        """The names of the detectors that fired."""
        return tuple(detector.name for detector in self.detectors if detector.fires)

    def sentence(self) -> str:
        """Return the finding in one sentence."""
        looked = f"{len(self.detectors)} detectors in {self.space}, {self.counts['samples']:,} samples"
        if not self.fired:
            return f"No copy found ({looked}); this is no proof that there is none."
        return f"Copies of training pictures found by {', '.join(self.fired)} ({looked})."

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        rows = [asdict(detector) for detector in self.detectors]
        return {"space": self.space, "counts": dict(self.counts), "detectors": rows, "finding": self.sentence()}


def memorisation(fake: Tensor, train: Tensor, holdout: Tensor, *, space: str, cells: int = 5) -> Memorisation:
    """Return what all detectors make of samples [M, F], training pictures [N, F] and held-out ones [H, F].

    The rows are pixels or features, all of one kind; held-out pictures must come from where the training pictures
    come from. Samples that a gate chose by their distance to training pictures have no say: judge those before it.

    Raises UserError for sets of fewer than 10 rows, or of different features.
    """
    for rows, name in ((fake, "samples"), (train, "training pictures"), (holdout, "held-out pictures")):
        check_features(rows, name, minimum=10)
        check_pair(rows, train)
    to_train, which = nearest(fake, train)
    held_to_train, held_which = nearest(holdout, train)
    own, _ = nearest(train, train, others=True)
    close = near_copies(to_train, held_to_train)
    return Memorisation(
        detectors=(
            close,
            closer_to_training(fake, train, holdout),
            authenticity(to_train, which, held_to_train, held_which, own),
            data_copying(fake, train, holdout, to_train, held_to_train, cells=cells),
        ),
        counts={"samples": len(fake), "training": len(train), "holdout": len(holdout)},
        space=space,
    )


def nearest(points: Tensor, gallery: Tensor, *, others: bool = False, count: int = 1) -> tuple[Tensor, Tensor]:
    """Return the distance [N] float64 of each point [N, F] to the nearest of a gallery [M, F], and which it is [N].

    With `count` > 1 both are [N, count], nearest first. `others`: points and gallery are one set, and a point is not
    its own neighbour (an equal one elsewhere is). Candidates come from float32 products, the distances from float64.
    """
    centre = gallery[:: max(1, len(gallery) // 1000)].double().mean(0)
    rows, columns = (points.double() - centre).float(), (gallery.double() - centre).float()
    squares = columns.double().square().sum(1).float()
    keep = min(count + SPARE, len(gallery) - int(others))
    if keep < count:
        raise UserError(f"{len(gallery)} pictures are too few to look for {count} neighbours among.")
    step = max(1, BLOCK // len(gallery))
    distances, places = [], []
    with exact_products(points.device):
        for start in range(0, len(points), step):
            part = rows[start : start + step]
            block = torch.addmm(squares, part, columns.T, alpha=-2)
            if others:
                own = torch.arange(start, start + len(part), device=block.device)
                block[own - start, own] = torch.inf
            near = block.topk(keep, largest=False).indices
            exact = _distances(points[start : start + step], gallery, near)
            found, order = exact.sort(dim=1, stable=True)
            distances.append(found[:, :count])
            places.append(near.gather(1, order)[:, :count])
    distance, place = torch.cat(distances), torch.cat(places)
    return (distance[:, 0], place[:, 0]) if count == 1 else (distance, place)


def _distances(points: Tensor, gallery: Tensor, near: Tensor) -> Tensor:
    """Return the distances [n, k] float64 of points [n, F] to their candidates near [n, k]."""
    return torch.stack(
        [(points.double() - gallery[column].double()).square().sum(1).sqrt() for column in near.unbind(1)], dim=1
    )


def near_copies(fake_distance: Tensor, holdout_distance: Tensor, quantile: float = 0.05) -> Detector:
    """Return the share of samples nearer to a training picture than 95 % of the held-out pictures are.

    Distances [M] and [H] are those to the nearest training picture. By construction 5 % of new real pictures are that
    near; it fires from 20 % above that on.
    """
    threshold = torch.quantile(holdout_distance.double(), quantile)
    share = float((fake_distance <= threshold).double().mean())
    control = float((holdout_distance <= threshold).double().mean())
    error = sqrt(control * (1 - control) * (1 / len(fake_distance) + 1 / len(holdout_distance)))
    sigmas = (share - control) / max(error, 1e-12)
    return Detector(
        name="near copies", value=share, control=control, sigmas=sigmas,
        fires=sigmas > SIGMAS and share - control > FOUND_SHARE,
        meaning="share of samples nearer to a training picture than 95 % of held-out pictures are",
    )  # fmt: skip


def closer_to_training(fake: Tensor, train: Tensor, holdout: Tensor) -> Detector:
    """Return the share s of samples [M, F] whose nearest real picture is a training one (DCR with a holdout control).

    Of N training and H held-out pictures, samples that copy none find e = N / (N + H) there: were the two sets dealt
    anew, each real picture would be a training one as likely. If a share p are copies, s = p + (1 - p) e. The standard
    error is that of a draw of N from N + H without replacement, so a picture that many samples are near counts once.
    It fires when p = (s - e) / (1 - e) exceeds 20 %.
    """
    _, which = nearest(fake, torch.cat([train, holdout]))
    hits = torch.bincount(which, minlength=len(train) + len(holdout)).double()
    pool = len(hits)
    expected = len(train) / pool
    share = float(hits[: len(train)].sum() / hits.sum())
    error = sqrt(len(train) * len(holdout) / pool * float(hits.var())) / float(hits.sum())
    sigmas = (share - expected) / max(error, 1e-12)
    return Detector(
        name="closer to training", value=share, control=expected, sigmas=sigmas,
        fires=sigmas > SIGMAS and (share - expected) / (1 - expected) > FOUND_SHARE,
        meaning="share of samples whose nearest real picture is one of the training set, not of the holdout",
    )  # fmt: skip


def authenticity(
    fake_distance: Tensor, which: Tensor, held_distance: Tensor, held_which: Tensor, own: Tensor
) -> Detector:
    """Return AuthPct, the share of samples that are farther from their nearest training picture than its own neighbour.

    `own` [N] are the distances of training pictures to their nearest other one; `which` says whose they are compared
    with. The control is the share of held-out pictures. It fires when 20 % of those that should be are not.

    Source: Alaa et al. 2022, arXiv:2102.08921, section 5; AuthPct as in Stein et al. 2023, arXiv:2306.04675.
    """
    value = float((own[which] < fake_distance).double().mean())
    control = float((own[held_which] < held_distance).double().mean())
    error = sqrt(control * (1 - control) * (1 / len(fake_distance) + 1 / len(held_distance)))
    sigmas = (control - value) / max(error, 1e-12)
    return Detector(
        name="authenticity", value=value, control=control, sigmas=sigmas,
        fires=sigmas > SIGMAS and value < (1 - 2 * FOUND_SHARE) * control,
        meaning="share of samples farther from their nearest training picture than that is from its nearest other one",
    )  # fmt: skip


def data_copying(
    fake: Tensor, train: Tensor, holdout: Tensor, fake_distance: Tensor, holdout_distance: Tensor, *, cells: int = 5
) -> Detector:
    """Return C_T: the rank test of whether samples lie nearer to the training pictures than held-out ones do.

    In each of `cells` cells (k-means of the training pictures; fewer where there are few pictures) Z_U is the
    Mann-Whitney statistic of the distances of samples against those of held-out pictures; C_T is their mean weighted by
    the held-out pictures, over cells with at least 10 of both. Below 0 means copying, above 0 underfitting. `value` is
    C_T; since it grows with the root of the number of samples it fires only if besides P(sample farther than held-out)
    is below 30 %, where 50 % is right.

    Source: Meehan, Chaudhuri & Dasgupta 2020, arXiv:2004.05675, section 3 (C_T < -3 there).
    """
    centres = _k_means(train, min(cells, max(1, min(len(train), len(holdout)) // 50)))
    fake_cell, held_cell = nearest(fake, centres)[1], nearest(holdout, centres)[1]
    score = weight = farther = 0.0
    for cell in range(len(centres)):
        a, b = fake_distance[fake_cell == cell], holdout_distance[held_cell == cell]
        if min(len(a), len(b)) < 10:
            continue
        share = float(_share_greater(a, b))
        score += len(b) * (share - 0.5) * sqrt(12 * len(a) * len(b) / (len(a) + len(b) + 1))
        farther, weight = farther + len(b) * share, weight + len(b)
    if not weight:  # no cell has ten of both: all of them are one
        share = float(_share_greater(fake_distance, holdout_distance))
        m, n = len(fake_distance), len(holdout_distance)
        score, farther, weight = (share - 0.5) * sqrt(12 * m * n / (m + n + 1)), share, 1.0
    value = score / weight
    return Detector(
        name="C_T", value=value, control=0.0, sigmas=-value,
        fires=value < -SIGMAS and farther / weight < 0.5 - FOUND_SHARE,
        meaning="rank test, by regions, of whether samples are nearer to training pictures than held-out ones (< 0)",
    )  # fmt: skip


def _share_greater(a: Tensor, b: Tensor) -> Tensor:
    """Return P(a > b) + P(a = b) / 2 over all pairs of a [M] and b [N]: the Mann-Whitney U over M N."""
    ordered = b.sort().values
    below, upto = torch.searchsorted(ordered, a), torch.searchsorted(ordered, a, right=True)
    return (below + upto).double().mean() / (2 * len(b))


def _k_means(points: Tensor, count: int, rounds: int = 20, most: int = 10_000) -> Tensor:
    """Return `count` centres [count, F] by Lloyd's rounds, begun with points far from each other (the same always)."""
    points = points[:: max(1, len(points) // most)].double()
    centres = points.mean(0, keepdim=True)
    if count < 2:
        return centres
    centres = points[(points - centres).square().sum(1).argmin()][None]
    while len(centres) < count:
        away, _ = nearest(points, centres)
        order = away.argsort()
        centres = torch.cat([centres, points[order[int(0.9 * (len(order) - 1))]][None]])  # far, and no outlier
    for _ in range(rounds):
        _, cell = nearest(points, centres)
        sums = torch.zeros_like(centres).index_add_(0, cell, points)
        counts = torch.bincount(cell, minlength=count)[:, None]
        centres = torch.where(counts > 0, sums / counts.clamp_min(1), centres)
    return centres
