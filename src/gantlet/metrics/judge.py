"""Judge samples against real data: every number of this room, with the same numbers for other real data beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from gantlet.errors import UserError
from gantlet.metrics.cache import FeatureKey, load_features, store_features
from gantlet.metrics.checks import check_pair
from gantlet.metrics.classes import class_coverage, label_accuracy, per_class_diversity, predicted_classes
from gantlet.metrics.features import Features
from gantlet.metrics.frechet import Moments, frechet_distance
from gantlet.metrics.inception_score import inception_score
from gantlet.metrics.judgement import Judgement
from gantlet.metrics.kernel import kernel_distance
from gantlet.metrics.manifold import neighbour_radii, precision_recall_density_coverage
from gantlet.metrics.samples import FeatureSet, Pictures, Samples, extract


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The free choices of a judgement; all are stored with the numbers."""

    neighbours: int = 5  # k of precision, recall, density and coverage (Naeem et al. 2020)
    manifold_limit: int = 10_000  # samples of each set that these look at: the first in the given order
    subset_size: int = 1000  # of the kernel distance (Binkowski et al. 2018); less when a set is smaller
    subsets: int = 100
    splits: int = 10  # of the inception score (Salimans et al. 2016)
    minimum_share: float | None = None  # of a covered class; None is a tenth of an even share
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class _Reference:
    """The real data that samples and floor are both measured against; what both need is computed once."""

    data: FeatureSet
    rules: Rules
    subset_size: int
    num_classes: int | None
    absent: dict[str, str] = field(default_factory=dict)

    @cached_property
    def moments(self) -> Moments:
        return Moments.of(self.data.features)

    @cached_property
    def manifold(self) -> Tensor:
        return self.data.features[: self.rules.manifold_limit]

    @cached_property
    def radii(self) -> Tensor:
        return neighbour_radii(self.manifold, neighbours=self.rules.neighbours)

    def numbers(self, samples: FeatureSet, name: str) -> dict[str, Any]:
        """Return the numbers of `samples`; those that cannot be had are in `absent` under `name` + their own."""
        values: dict[str, Any] = {}

        def attempt(key: str, number: Callable[[], dict[str, Any]]) -> None:
            try:
                values.update(number())
            except UserError as error:
                self.absent[f"{name}{key}"] = str(error)

        attempt("fid", lambda: {"fid": frechet_distance(Moments.of(samples.features), self.moments)})
        attempt("kid", lambda: self._kernel(samples))
        attempt("precision", lambda: self._manifold(samples))
        attempt("inception_score", lambda: self._score(samples))
        attempt("classes_covered", lambda: self._classes(samples))
        attempt("label_accuracy", lambda: self._labels(samples))
        attempt("class_diversity", lambda: self._diversity(samples))
        return values

    def _kernel(self, samples: FeatureSet) -> dict[str, Any]:
        rules = self.rules
        mean, deviation = kernel_distance(
            samples.features,
            self.data.features,
            subset_size=self.subset_size,
            subsets=rules.subsets,
            seed=rules.seed,
        )
        return {"kid": mean, "kid_std": deviation}

    def _manifold(self, samples: FeatureSet) -> dict[str, Any]:
        fake, k = samples.features[: self.rules.manifold_limit], self.rules.neighbours
        return dict(precision_recall_density_coverage(self.manifold, fake, neighbours=k, real_radii=self.radii))

    def _score(self, samples: FeatureSet) -> dict[str, Any]:
        logits = _logits(samples)
        mixed = torch.randperm(len(logits), generator=torch.Generator().manual_seed(self.rules.seed))
        mean, deviation = inception_score(logits[mixed], splits=self.rules.splits)  # files often lie class by class
        return {"inception_score": mean, "inception_score_std": deviation}

    def _classes(self, samples: FeatureSet) -> dict[str, Any]:
        num_classes = self._known()
        found = class_coverage(_logits(samples), num_classes, minimum_share=self.rules.minimum_share)
        return {
            "classes_covered": found["covered"],
            "num_classes": found["num_classes"],
            "class_shares": found["shares"],
            "missing_classes": found["missing"],
        }

    def _labels(self, samples: FeatureSet) -> dict[str, Any]:
        self._known()
        if samples.labels is None:
            raise UserError("no labels were given")
        return {"label_accuracy": label_accuracy(_logits(samples), samples.labels)}

    def _diversity(self, samples: FeatureSet) -> dict[str, Any]:
        num_classes = self._known()
        found = per_class_diversity(
            samples.features, _classes_of(samples), self.data.features, _classes_of(self.data), num_classes
        )
        return {
            "class_diversity": found["mean"],
            "class_diversity_minimum": found["minimum"],
            "class_diversities": found["ratios"],
        }

    def _known(self) -> int:
        if self.num_classes is None:
            raise UserError("the extractor does not know the data's classes")
        return self.num_classes


def judge(
    fake_features: Tensor,
    fake_logits: Tensor | None,
    real_features: Tensor,
    floor_features: Tensor | None,
    *,
    extractor: Features,
    reference_split: str,
    floor_split: str = "held-out real data",
    data_fingerprint: str = "",
    source: str = "",
    real_logits: Tensor | None = None,
    floor_logits: Tensor | None = None,
    fake_labels: Tensor | None = None,
    real_labels: Tensor | None = None,
    floor_labels: Tensor | None = None,
    rules: Rules | None = None,
    previous: Judgement | None = None,
) -> Judgement:
    """Return all numbers of the samples and of the floor, against one reference, with their protocol.

    Features [N, F] from `extractor`, logits [N, K] or None, labels [N] or None (those asked for, of samples). Of the
    floor, a real set disjoint from the reference, the first N_fake count: both columns have the same bias of few
    samples. `source` says how the samples came to be. `previous` lends its floor if data and rules are the same.

    A number that cannot be computed is absent with its reason. Raises UserError when the sets have different features.
    """
    fake = FeatureSet(features=fake_features, logits=fake_logits, labels=fake_labels)
    reference = FeatureSet(features=real_features, logits=real_logits, labels=real_labels)
    floor = None
    if floor_features is not None:
        floor = FeatureSet(features=floor_features, logits=floor_logits, labels=floor_labels).first(len(fake))
    for other in (reference, floor):
        if other is not None:
            check_pair(fake.features, other.features)
    rules = rules or Rules()
    protocol = _protocol(fake, reference, floor, extractor, rules)
    protocol |= {"reference_split": reference_split, "data_fingerprint": data_fingerprint}
    protocol |= {"floor_split": floor_split if floor is not None else None, "source": source}
    against = _Reference(
        data=reference,
        rules=rules,
        subset_size=protocol["kernel"]["subset_size"],
        num_classes=extractor.num_classes,
    )
    values = against.numbers(fake, "")
    known = _floor(against, floor, protocol, previous)
    ratio = values["fid"] / known["fid"] if values.get("fid") is not None and known.get("fid") else None
    return Judgement(
        values=values,
        floor=known,
        fid_over_floor=ratio,
        absent=against.absent,
        protocol=protocol,
        warnings=_warnings(fake, reference, floor, protocol),
    )


def _floor(
    against: _Reference, floor: FeatureSet | None, protocol: dict[str, Any], previous: Judgement | None
) -> dict[str, Any]:
    """Return the numbers of the floor, or an earlier judgement's if they are the same; {} and a reason without one."""
    if floor is None:
        against.absent["floor"] = "no second set of real data was given"
        return {}
    if previous is not None and _same_floor(previous.protocol, protocol):
        against.absent.update({name: why for name, why in previous.absent.items() if name.startswith("floor ")})
        return dict(previous.floor)
    return against.numbers(floor, "floor ")


def judge_images(
    fake: Samples | Pictures | FeatureSet,
    reference: Samples | Pictures | FeatureSet,
    floor: Samples | Pictures | FeatureSet | None,
    features: Features,
    *,
    reference_split: str,
    floor_split: str = "held-out real data",
    data_fingerprint: str = "",
    cache: str | os.PathLike[str] | None = None,
    fake_labels: Tensor | None = None,
    real_labels: Tensor | None = None,
    floor_labels: Tensor | None = None,
    source: str = "",
    rules: Rules | None = None,
    previous: Judgement | None = None,
) -> Judgement:
    """Extract features of three sets of pictures, batch by batch, and judge the first against the second.

    A set is a tensor of images [N, C, H, W] in [-1, 1], batches of them, `Samples`, or features already extracted.
    With `cache` and `data_fingerprint` the features of real data are kept on disk under that fingerprint, the
    extractor, and `reference_split` or `floor_split`, which must therefore say which items are meant, in which order
    ("train, first 10000"); real pictures that are found there are never read.

    Raises UserError as `extract` and `judge` do.
    """

    def real(samples: Samples | Pictures | FeatureSet, split: str, labels: Tensor | None) -> FeatureSet:
        if cache is None or not data_fingerprint or isinstance(samples, FeatureSet):
            return _found(samples, features, labels)
        key = FeatureKey.of(features, data=data_fingerprint, rule=split)
        return cached_features(cache, key, lambda: _found(samples, features, labels), labels=labels)

    ours = _found(fake, features, fake_labels)
    theirs = real(reference, reference_split, real_labels)
    others = None if floor is None else real(floor, floor_split, floor_labels)
    return judge(
        ours.features,
        ours.logits,
        theirs.features,
        None if others is None else others.features,
        extractor=features,
        reference_split=reference_split,
        floor_split=floor_split,
        data_fingerprint=data_fingerprint,
        source=source,
        real_logits=theirs.logits,
        floor_logits=None if others is None else others.logits,
        fake_labels=ours.labels,
        real_labels=theirs.labels,
        floor_labels=None if others is None else others.labels,
        rules=rules,
        previous=previous,
    )


def compare(
    first: Samples | Pictures | FeatureSet,
    second: Samples | Pictures | FeatureSet,
    features: Features,
    *,
    second_name: str,
    first_name: str = "",
    rules: Rules | None = None,
) -> Judgement:
    """Judge one set of pictures against another, where there is no third to show the floor (the table says so)."""
    return judge_images(first, second, None, features, reference_split=second_name, source=first_name, rules=rules)


def cached_features(
    cache: str | os.PathLike[str],
    key: FeatureKey,
    compute: Callable[[], FeatureSet],
    *,
    labels: Tensor | None = None,
) -> FeatureSet:
    """Return the features stored under `key`, or compute and store them; a damaged file is written anew.

    `labels`, when given, are those of the result. A cache that cannot be written is no error: nothing is kept.
    """
    found = load_features(cache, key)
    if found is None or (labels is not None and len(labels) != len(found)):
        found = compute()
        try:
            store_features(cache, key, found)
        except OSError:
            return found
    return found if labels is None else FeatureSet(features=found.features, logits=found.logits, labels=labels.cpu())


def _found(samples: Samples | Pictures | FeatureSet, features: Features, labels: Tensor | None) -> FeatureSet:
    found = samples if isinstance(samples, FeatureSet) else extract(samples, features)
    return found if labels is None else FeatureSet(features=found.features, logits=found.logits, labels=labels.cpu())


def _logits(samples: FeatureSet) -> Tensor:
    if samples.logits is None:
        raise UserError("the extractor gives no logits")
    return samples.logits


def _classes_of(samples: FeatureSet) -> Tensor:
    return samples.labels if samples.labels is not None else predicted_classes(_logits(samples))


def _protocol(
    fake: FeatureSet, reference: FeatureSet, floor: FeatureSet | None, extractor: Features, rules: Rules
) -> dict[str, Any]:
    sizes = {"samples": len(fake), "reference": len(reference), "floor": 0 if floor is None else len(floor)}
    smallest = min(size for size in sizes.values() if size or floor is not None)
    kernel = {"subset_size": min(rules.subset_size, smallest), "subsets": rules.subsets, "seed": rules.seed}
    return {
        "extractor": extractor.describe(),
        "counts": sizes,
        "reference_features": reference.fingerprint(),
        "floor_features": None if floor is None else floor.fingerprint(),
        "manifold": {
            "neighbours": rules.neighbours,
            "rule": "the first of each set in the given order; points on the surface of a ball are inside",
            **{name: min(size, rules.manifold_limit) for name, size in sizes.items()},
        },
        "kernel": {**kernel, "degree": 3, "gamma": "1 / num_features", "coef": 1},
        "rules": asdict(rules),
        "gantlet": _version(),
        "torch": torch.__version__,
    }


def _same_floor(old: Any, new: dict[str, Any]) -> bool:
    """Whether the floor of two protocols is the same: the same floor, reference and rules; the samples may differ."""
    same = ("extractor", "reference_features", "floor_features", "kernel", "rules", "gantlet", "torch")
    return all(old.get(name) == new[name] for name in same)


def _warnings(
    fake: FeatureSet, reference: FeatureSet, floor: FeatureSet | None, protocol: dict[str, Any]
) -> tuple[str, ...]:
    said = []
    width = fake.features.shape[1]
    for name, data in (("samples", fake), ("reference images", reference)):
        if len(data) <= width:
            said.append(
                f"{len(data)} {name} are no more than the {width} features: the covariance is singular and "
                "the fid far too high; compare it with its floor alone, and prefer kid"
            )
    if floor is not None and len(floor) < len(fake):
        said.append(f"the floor has {len(floor)} and not {len(fake)} images, so its fid is too high for these samples")
    if floor is not None and protocol["floor_features"] == protocol["reference_features"]:
        said.append("the floor is the reference itself; it should be other real data")
    if "not comparable" in protocol["extractor"]["name"]:
        said.append("random features order the samples of one run at best; publish no number made with them")
    return tuple(said)


def _version() -> str:
    try:
        return version("gantlet")
    except PackageNotFoundError:
        return "unknown"
