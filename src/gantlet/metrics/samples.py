"""Sets of pictures, and of the features found in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gantlet.errors import UserError
from gantlet.metrics.features import Features

Pictures = Tensor | Iterable[Tensor | Mapping[str, Tensor]]  # images, or batches of them


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """Features [N, F] float32 of N samples, with logits [N, K] and labels [N] where there are any; on the CPU."""

    features: Tensor
    logits: Tensor | None = None
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.features)

    def first(self, count: int) -> FeatureSet:
        """Return the first `count` samples."""
        return FeatureSet(
            features=self.features[:count],
            logits=None if self.logits is None else self.logits[:count],
            labels=None if self.labels is None else self.labels[:count],
        )

    def fingerprint(self) -> str:
        """Return the SHA-256 of all that is held."""
        return tensors_sha256(self.tensors())

    def tensors(self) -> dict[str, Tensor]:
        """Return what is held, by name."""
        named = {"features": self.features, "logits": self.logits, "labels": self.labels}
        return {name: value.contiguous() for name, value in named.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Images [N, C, H, W] in [-1, 1], whole or in batches, with the labels [N] they have or were asked for.

    A batch is a tensor of images or a mapping with "image" and, if there are any, "label".
    """

    images: Pictures
    labels: Tensor | None = None


def extract(samples: Samples | Pictures, features: Features) -> FeatureSet:
    """Return what `features` finds in all of `samples`, batch by batch, so that they need not fit in memory.

    Raises UserError when there are no images, or labels for some batches or images alone.
    """
    if not isinstance(samples, Samples):
        samples = Samples(images=samples)
    batches: Iterable[Tensor | Mapping[str, Tensor]]
    batches = [samples.images] if isinstance(samples.images, Tensor) else samples.images
    found, logits, labels = [], [], []
    for batch in batches:
        images = batch if isinstance(batch, Tensor) else batch["image"]
        if len(images) == 0:
            continue
        values, scores = features(images)
        found.append(values)
        if scores is not None:
            logits.append(scores)
        if not isinstance(batch, Tensor) and "label" in batch:
            labels.append(batch["label"].detach().cpu())
    if not found:
        raise UserError("There are no images to judge.")
    known = samples.labels.detach().cpu() if samples.labels is not None else torch.cat(labels) if labels else None
    count = sum(map(len, found))
    if known is not None and len(known) != count:
        raise UserError(f"{count} images came with {len(known)} labels; give one label for each or none at all.")
    return FeatureSet(features=torch.cat(found), logits=torch.cat(logits) if logits else None, labels=known)


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of named CPU tensors: names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
