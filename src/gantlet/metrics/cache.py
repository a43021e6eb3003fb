"""Features of real data kept on disk, and found again only by the data, rule and extractor they came from."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gantlet.metrics.features import Features
from gantlet.metrics.samples import FeatureSet, tensors_sha256

FORMAT = "gantlet features 1"


@dataclass(frozen=True, kw_only=True)
class FeatureKey:
    """What a set of features depends on: change any of it and the features are computed again."""

    data: str  # fingerprint of the data's content
    rule: str  # which items, in which order: "train, first 10000", "test, all"
    extractor: str
    weights: str
    resize: str

    @classmethod
    def of(cls, features: Features, *, data: str, rule: str) -> FeatureKey:
        """Return the key of the features that `features` finds in the items `rule` of the data `data`."""
        return cls(data=data, rule=rule, extractor=features.name, weights=features.fingerprint, resize=features.resize)

    def text(self) -> str:
        """Return the key as JSON, stored in the file and compared when it is read."""
        return json.dumps(vars(self), sort_keys=True)

    def path(self, cache: str | os.PathLike[str]) -> Path:
        """Return the file of this key in the folder `cache`."""
        return Path(cache) / f"{hashlib.sha256(self.text().encode()).hexdigest()[:32]}.safetensors"


def store_features(cache: str | os.PathLike[str], key: FeatureKey, values: FeatureSet) -> Path:
    """Write `values` under `key` into the folder `cache` and return the file.

    The file is written under a temporary name and renamed when whole, so readers see all of it or none.
    Raises OSError when the folder cannot be written.
    """
    path = key.path(cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = values.tensors()
    data = save(tensors, metadata=_metadata(key, tensors))
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def load_features(cache: str | os.PathLike[str], key: FeatureKey) -> FeatureSet | None:
    """Return what is stored under `key`, or None when nothing is or the file is damaged or of another key.

    Nothing in the file is trusted before its key and the SHA-256 of its values are found right.
    """
    try:
        with safe_open(key.path(cache), framework="pt") as file:
            known = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError):
        return None
    if known != _metadata(key, tensors):
        return None
    if "features" not in tensors or not set(tensors) <= {"features", "logits", "labels"}:
        return None
    return FeatureSet(features=tensors["features"], logits=tensors.get("logits"), labels=tensors.get("labels"))


def _metadata(key: FeatureKey, tensors: dict[str, Tensor]) -> dict[str, str]:
    return {"format": FORMAT, "key": key.text(), "sha256": tensors_sha256(tensors)}
