"""What a model makes, in batches, by one process or by several: sample i depends on (seed, i) alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.engine import parallel
from gantlet.errors import UserError
from gantlet.metrics import Features, FeatureSet, Judgement, Samples, extract
from gantlet.metrics.text_judgement import TextJudgement
from gantlet.model import Model

BATCH = 256  # samples made at once
Told = TypeVar("Told", Judgement, TextJudgement)


def model_samples(model: Model, num: int, seed: int, **options: Any) -> Iterator[dict[str, Tensor]]:
    """Yield batches of samples as they will be seen: rounded to the data's own type and back."""
    for pictures, y in model.batches(num, seed=seed, **options):
        batch = {"image": model.intensity.to_unit(model.to_raw(pictures)).permute(0, 3, 1, 2)}
        yield batch if y is None else {**batch, "label": y}


def shared_features(model: Model, num: int, seed: int, features: Features, **options: Any) -> FeatureSet | None:
    """Return the features of `num` samples at process 0, None elsewhere: every process makes its batches of them.

    They are those of one process: batches are the same, and sample i depends on (seed, i) alone.
    """

    def make(start: int, count: int) -> dict[str, Tensor]:
        fake = model_samples(model, count, seed, first=start, batch_size=count, **options)
        return extract(Samples(images=fake), features).tensors()

    parts = list(parallel.in_turns(num, BATCH, make))
    return FeatureSet(**{name: torch.cat([part[name] for part in parts]) for name in parts[0]}) if parts else None


def model_sounds(model: Model, num: int, seed: int, **options: Any) -> Iterator[dict[str, Tensor]]:
    """Yield batches of sounds [n, C, T] as they will be heard: rounded to 16 bits and back."""
    for waves, y in model.batches(num, seed=seed, batch_size=64, **options):
        batch = {"audio": (waves.cpu() * 32768).round().clamp(-32768, 32767) / 32768}
        yield batch if y is None else {**batch, "label": y.cpu()}


def shared_samples(
    model: Model, num: int, *, first: int = 0, batch_size: int = BATCH, **options: Any
) -> tuple[NDArray[Any], NDArray[np.int64] | None] | None:
    """Return pictures [num, H, W, C] in the data's own type and their labels at process 0, None elsewhere.

    Every process makes its batches of them; options are those of `Model.batches`.
    """
    kinds: list[np.dtype[Any]] = []

    def make(start: int, count: int) -> dict[str, Tensor]:
        ((pictures, y),) = model.batches(count, first=first + start, batch_size=count, **options)
        raw = np.ascontiguousarray(model.to_raw(pictures))
        kinds.append(raw.dtype)
        made = {"pictures": torch.from_numpy(raw.view(np.uint8))}
        return made if y is None else {**made, "labels": y.cpu()}

    if num < 1 or batch_size < 1:
        raise UserError(f"The number of samples and the batch size must be positive, not {min(num, batch_size)}.")
    parts = list(parallel.in_turns(num, batch_size, make))
    if not parts:
        return None
    pictures = np.concatenate([part["pictures"].numpy() for part in parts]).view(kinds[0])
    return pictures, np.concatenate([part["labels"].numpy() for part in parts]) if "labels" in parts[0] else None


def in_each(kind: type[Told], judge: Callable[[], Told]) -> Told:
    """Return in every process what process 0 judges alone."""
    kept: list[Told] = []

    def told() -> dict[str, Any]:
        kept.append(judge())
        return kept[0].to_json()

    stored = parallel.by_first(told)
    return kept[0] if kept else kind.from_json(stored)
