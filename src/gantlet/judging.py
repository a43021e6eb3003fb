"""`gantlet.evaluate`: a model, or sets of pictures, against real data, beside the floor of real against real."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantlet.data import ImageData, NoSuchSplit, open_images
from gantlet.data.cache import cache_folder
from gantlet.engine import loop
from gantlet.engine.run import Run
from gantlet.errors import UserError, suggest
from gantlet.metrics import (
    Features,
    Judgement,
    Rules,
    Samples,
    classifier_features,
    inception_features,
    judge_images,
    random_features,
)
from gantlet.model import Model, load
from gantlet.recipes import catalogue

EXTRACTORS = ("auto", "classifier", "inception", "random")
Note = Callable[[str], None]


def silent(message: str) -> None:
    """Say nothing."""


def extractor(
    name: str, images: ImageData, *, inception: str | Path | None = None, cache: Path | None = None, note: Note = silent
) -> Features:
    """Return the named feature extractor for this data: a classifier of its labels, Inception, or a seeded random one.

    "auto" is the classifier for labelled data, else Inception if `inception` names its file, else the random one.

    Raises UserError for an unknown name, or a classifier of data without labels.
    """
    if name not in EXTRACTORS:
        raise UserError(
            f"Unknown extractor '{name}'; choose one of {', '.join(EXTRACTORS)}.{suggest(name, EXTRACTORS)}"
        )
    if name == "auto":
        name = "classifier" if images.labels is not None else "inception" if inception is not None else "random"
    if name == "inception":
        return inception_features(inception, cache)
    if name == "random":
        return random_features(images.pixels.shape[3])
    if images.labels is None:
        raise UserError(
            f"{images.name} has no labels to train a classifier on; choose --extractor inception or random."
        )
    return trained_classifier(images, cache, note)


def trained_classifier(images: ImageData, cache: Path | None = None, note: Note = silent) -> Features:
    """Return the features of a classifier trained on the labelled data, training and caching it the first time.

    It is a recipe like any other, trained by the engine; its folder is named by the data's content.
    """
    count = len(images)
    total = min(3 * max(count, 1), 300_000) if count > 6000 else 20_000
    arguments = catalogue.resolve("classifier", images.facts(), False, {"total_samples": total})
    folder = cache_folder(cache) / "classifiers" / f"{images.fingerprint[:16]}-{total}-v1"
    torch.manual_seed(0)
    recipe = catalogue.build("classifier", arguments)
    run = Run(out=folder, samples=total, device="cpu", precision="fp32", keep=1)
    training = loop.prepare(recipe, run, {"recipe": "classifier", "arguments": arguments}, note)
    if training.fraction() < 1:
        note(f"Training the judge once: a classifier of {images.name} ({total:,} samples; kept in {folder}).")
        from gantlet.data import Order

        order = Order(count, 0)
        loop.train(training, lambda start, size: images.batch(order.indices(start, size)))
    network = training.state.nets.C.eval()
    facts = images.facts()
    resolution = facts["resolution"]
    return classifier_features(
        network,
        f"classifier of {images.name} {images.split}",
        channels=facts["channels"],
        resolution=resolution if isinstance(resolution, int) else tuple(resolution),
    )


def model_samples(model: Model, num: int, seed: int, **options: Any) -> Iterator[dict[str, Tensor]]:
    """Yield batches of samples as they will be seen: rounded to the data's own type and back."""
    for pictures, y in model.batches(num, seed=seed, **options):
        batch = {"image": model.intensity.to_unit(model.to_raw(pictures)).permute(0, 3, 1, 2)}
        yield batch if y is None else {**batch, "label": y}


def real_batches(images: ImageData, indices: Sequence[int] | np.ndarray[Any, Any]) -> Iterator[dict[str, Tensor]]:
    """Yield real pictures in batches."""
    for start in range(0, len(indices), 500):
        yield images.batch(np.asarray(indices[start : start + 500]))


def references(
    images: ImageData, held_out: ImageData | None, num: int
) -> tuple[ImageData, Any, str, ImageData, Any, str]:
    """Return reference and floor: (data, indices, rule in words) each; disjoint, the floor of at most `num` pictures.

    With a test split the reference is all of it and the floor are training pictures; without, the data is halved.
    """
    rng = np.random.default_rng(0)
    if held_out is not None:
        chosen = np.sort(rng.permutation(len(images))[:num])
        rule = f"{images.name} train, {len(chosen)} chosen by PCG64 seed 0"
        return held_out, np.arange(len(held_out)), f"{held_out.name} test, all {len(held_out)}", images, chosen, rule
    order = rng.permutation(len(images))
    half = len(order) // 2
    first, second = np.sort(order[:half]), np.sort(order[half : half + min(half, num)])
    name = f"{images.name} {images.split}"
    return (
        images, first, f"{name}, half A of {half} by PCG64 seed 0", images, second, f"{name}, half B, {len(second)}",
    )  # fmt: skip


def test_split(source: str | Path, images: ImageData, **options: Any) -> ImageData | None:
    """Return the test split that belongs to the data, None if there is none."""
    height, width = images.pixels.shape[1:3]
    try:
        return open_images(source, split="test", resolution=(height, width), **options)
    except NoSuchSplit:
        return None


test_split.__test__ = False  # type: ignore[attr-defined]  # the name is no test's


def evaluate(
    what: str | Path | Model,
    data: str | Path,
    *,
    num: int = 10_000,
    seed: int = 0,
    extractor_name: str = "auto",
    inception: str | Path | None = None,
    checkpoint: str = "auto",
    labels: str | Path | None = None,
    recipe: str | None = None,
    note: Note = silent,
    **options: Any,
) -> Judgement:
    """Judge a run, a model, or a file or folder of samples against real data.

    A model gives `num` samples of `seed`. The reference is the data's test split; where it has none, one half of the
    data, and the floor is the other half. Labelled data is judged by a classifier of its own, trained once.

    Raises UserError for mistakes in paths, sizes or names.
    """
    model, given = _open(what, checkpoint, recipe)
    source = str(model.about["data"]["source"]) if model is not None else ""
    resolution = model.about["data"]["facts"]["resolution"] if model is not None else given.facts()["resolution"]  # type: ignore[union-attr]
    size = resolution if isinstance(resolution, int) else (int(resolution[0]), int(resolution[1]))
    images = open_images(data, resolution=size, labels=labels)
    if given is not None and Path(str(what)).suffix in (".npz", ".npy") and given.pixels.dtype == images.pixels.dtype:
        given = replace(given, intensity=images.intensity)  # raw values, as `gantlet sample` writes them
    held_out = test_split(data, images)
    features = extractor(extractor_name, images, inception=inception, note=note)
    num = num if model is not None else min(num, len(given))  # type: ignore[arg-type]
    reference, ours, reference_rule, floor, theirs, floor_rule = references(images, held_out, num)
    if model is not None:
        fake: Any = model_samples(model, num, seed, **options)
        words = f"{model.about['recipe']} at step {model.about.get('step', '?')}, seed {seed}, trained on {source}"
    else:
        assert given is not None
        fake, words = real_batches(given, np.arange(num)), f"{what}, first {num}"
    return judge_images(
        fake,
        Samples(images=real_batches(reference, ours)),
        Samples(images=real_batches(floor, theirs)),
        features,
        reference_split=reference_rule,
        floor_split=floor_rule,
        data_fingerprint=f"{images.fingerprint}+{reference.fingerprint}",
        cache=cache_folder(None) / "features",
        source=words,
        rules=Rules(seed=0),
    )


def judge_training(
    model: Model, images: ImageData, features: Features, num: int, previous: Judgement | None = None
) -> Judgement:
    """Judge a model while it trains, against its training data: at most 10,000 pictures, the floor `num` others.

    The test split is left alone, so that the checkpoint chosen by this number has not seen it.
    """
    order = np.random.default_rng(0).permutation(len(images))
    count = min(10_000, len(order) // 2)
    ours, theirs = np.sort(order[:count]), np.sort(order[count : count + num])
    name = f"{images.name} {images.split}"
    return judge_images(
        model_samples(model, num, 1),
        Samples(images=real_batches(images, ours)),
        Samples(images=real_batches(images, theirs)),
        features,
        reference_split=f"{name}, {count} chosen by PCG64 seed 0",
        floor_split=f"{name}, {len(theirs)} others",
        data_fingerprint=images.fingerprint,
        cache=cache_folder(None) / "features",
        source=f"{model.about['recipe']} at step {model.about['step']}, seed 1",
        rules=Rules(manifold_limit=2000, subsets=20),
        previous=previous,
    )


def record_evaluation(what: str | Path, judgement: Judgement) -> None:
    """Add a judgement to a run's evaluations.jsonl and write its report again; other things are left alone."""
    folder = Path(what)
    if not (folder / "run.json").is_file():
        return
    from gantlet.observing import evaluation_record
    from gantlet.report import RunLog, write_report

    with RunLog(folder / "evaluations.jsonl") as log:
        log.append({"event": "final", **evaluation_record(judgement)})
    write_report(folder)


def _open(what: str | Path | Model, checkpoint: str, recipe: str | None) -> tuple[Model | None, ImageData | None]:
    if isinstance(what, Model):
        return what, None
    path = Path(what)
    if (path / "run.json").is_file() or (path / "model.json").is_file():
        return load(path, checkpoint=checkpoint, recipe=recipe), None
    return None, open_images(path)
