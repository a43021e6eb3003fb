"""`gantlet.evaluate`: a model, or sets of pictures or sounds, against real data, beside the floor of real against real.

Sounds are judged as log-mel pictures (metrics/sound_pictures.py) by the same judge, with some numbers of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from gantlet.data import ImageData, NoSuchSplit, Order, open_images
from gantlet.data.cache import cache_folder
from gantlet.data.recordings import holds_sounds
from gantlet.data.shots import holds_clips
from gantlet.data.sounds import Sounds, open_sounds
from gantlet.data.texts import holds_text
from gantlet.engine import loop, parallel
from gantlet.engine.run import Run
from gantlet.errors import UserError, suggest
from gantlet.judging_clips import evaluate_clips, refuse_for_clips
from gantlet.judging_text import evaluate_text, refuse_for_text
from gantlet.metrics import (
    Features,
    FeatureSet,
    Judgement,
    Rules,
    Samples,
    SoundNumbers,
    classifier_features,
    inception_features,
    judge_images,
    random_features,
)
from gantlet.metrics.features import from_8_bits, to_8_bits
from gantlet.metrics.sound_pictures import RULE, SIDE, as_pictures, vary_pictures
from gantlet.metrics.text_judgement import TextJudgement
from gantlet.model import Model, load
from gantlet.recipes import catalogue
from gantlet.sharing import in_each, model_samples, model_sounds, shared_features

# 99.7 % of the test part of the Free Spoken Digit Dataset after 30 s of one core, all of `tones`.
SOUND_CLASSIFIER = {"strides": [2, 2, 2, 2], "pool": 4, "batch_size": 64}
EXTRACTORS = ("auto", "classifier", "inception", "random")
Note = Callable[[str], None]
Data = TypeVar("Data", ImageData, Sounds)


def silent(message: str) -> None:
    """Say nothing."""


def extractor(
    name: str,
    data: ImageData | Sounds,
    *,
    inception: str | Path | None = None,
    cache: Path | None = None,
    note: Note = silent,
) -> Features:
    """Return the named feature extractor for this data: a classifier of its labels, Inception, or a seeded random one.

    "auto" is the classifier for labelled data, else Inception if `inception` names its file, else the random one.
    Inception sees no sounds.

    Raises UserError for an unknown name, or a classifier of data without labels.
    """
    if name not in EXTRACTORS:
        raise UserError(
            f"Unknown extractor '{name}'; choose one of {', '.join(EXTRACTORS)}.{suggest(name, EXTRACTORS)}"
        )
    sound = isinstance(data, Sounds)
    if sound and (name == "inception" or inception is not None):
        raise UserError(f"Inception was trained on photos, and {data.name} are sounds; choose classifier or random.")
    if name == "auto":
        name = "classifier" if data.labels is not None else "inception" if inception is not None else "random"
    if name == "inception":
        return inception_features(inception, cache)
    if name == "random":
        if not isinstance(data, Sounds):
            return random_features(data.pixels.shape[3])
        features = random_features(1)
        return replace(features, name=features.name.replace("features", "features of log-mels"), resize=RULE)
    if data.labels is None:
        others = "random" if sound else "inception or random"
        raise UserError(f"{data.name} has no labels to train a classifier on; choose --extractor {others}.")
    return trained_classifier(data, cache, note)


def trained_classifier(data: ImageData | Sounds, cache: Path | None = None, note: Note = silent) -> Features:
    """Return the features of a classifier trained on the labelled data, training and caching it the first time.

    It is a recipe like any other, trained by the engine; its folder is named by the data's content.
    """
    count = len(data)
    total = min(3 * max(count, 1), 300_000) if count > 6000 else 20_000
    facts, seen = data.facts(), ""
    settings: dict[str, Any] = {"total_samples": total}
    if isinstance(data, Sounds):
        facts, seen = {"channels": 1, "resolution": SIDE, "num_classes": len(data.classes)}, "log-mels of "
        settings |= SOUND_CLASSIFIER
    arguments = catalogue.resolve("classifier", facts, False, settings)
    kind = "-log-mel" if isinstance(data, Sounds) else ""
    folder = cache_folder(cache) / "classifiers" / f"{data.fingerprint[:16]}{kind}-{total}-v1"
    if parallel.world_size() > 1:  # process 0 trains it as it would alone; below, all read what it has kept
        parallel.by_first(lambda: trained_classifier(data, cache, note).name)
    torch.manual_seed(0)
    recipe = catalogue.build("classifier", arguments)
    run = Run(out=folder, samples=total, device="cpu", precision="fp32", keep=1)
    training = loop.prepare(recipe, run, {"recipe": "classifier", "arguments": arguments}, note)
    if training.fraction() < 1:
        note(f"Training the judge once: a classifier of {data.name} ({total:,} samples; kept in {folder}).")
        loop.train(training, _lessons(data))
    resolution = facts["resolution"]
    features = classifier_features(
        training.state.nets.C.eval(),
        f"classifier of {seen}{data.name} {data.split}",
        channels=facts["channels"],
        resolution=resolution if isinstance(resolution, int) else tuple(resolution),
    )
    return replace(features, resize=RULE) if isinstance(data, Sounds) else features


def _lessons(data: ImageData | Sounds) -> Callable[[int, int], Mapping[str, Tensor]]:
    """Return the batches that the judge's classifier learns from; those of sounds are moved in time and level."""
    order = Order(len(data), 0)
    if not isinstance(data, Sounds):
        return lambda start, size: data.batch(order.indices(start, size))
    pictures = torch.cat([to_8_bits(batch["image"]) for batch in real_batches(data, range(len(data)))])
    labels = torch.from_numpy(data.labels)

    def varied(start: int, size: int) -> dict[str, Tensor]:
        chosen = torch.from_numpy(order.indices(start, size))
        return {"image": vary_pictures(from_8_bits(pictures[chosen]), start), "label": labels[chosen]}

    return varied


def real_batches(
    data: ImageData | Sounds, indices: Sequence[int] | np.ndarray[Any, Any]
) -> Iterator[dict[str, Tensor]]:
    """Yield real pictures in batches, or the log-mel pictures of real sounds."""
    if isinstance(data, Sounds):
        yield from (as_pictures(batch, data.sample_rate) for batch in sound_batches(data, indices))
        return
    for start in range(0, len(indices), 500):
        yield data.batch(np.asarray(indices[start : start + 500]))


def sound_batches(sounds: Sounds, indices: Sequence[int] | np.ndarray[Any, Any]) -> Iterator[dict[str, Tensor]]:
    """Yield real sounds in batches of at most four million values."""
    size = max(1, min(500, 2**22 // (sounds.length * sounds.channels)))
    for start in range(0, len(indices), size):
        yield sounds.batch(np.asarray(indices[start : start + size]))


def references(images: Data, held_out: Data | None, num: int) -> tuple[Data, Any, str, Data, Any, str]:
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
    label_pattern: str | None = None,
    skip_broken: bool = False,
    recipe: str | None = None,
    device: str = "auto",
    note: Note = silent,
    **options: Any,
) -> Judgement | TextJudgement:
    """Judge a run, a model, or a file or folder of samples (pictures, sounds or text) against real data.

    A model gives `num` samples of `seed`. The reference is the data's test split; where it has none, one half of the
    data, and the floor is the other half. Labelled data is judged by a classifier of its own, trained once.

    Under torchrun the processes share the making of pictures; sounds, clips and text are judged by process 0 alone. The
    answer is that of one process, in each. `device` is where a run's samples are made.

    Raises UserError for mistakes in paths, sizes or names.
    """
    if num < 1:
        raise UserError(f"--num must be positive, not {num}.")
    parallel.start(device)
    model = _model(what, checkpoint, recipe, device)
    if holds_text(data) if model is None else model.vocabulary is not None:
        refuse_for_text(extractor_name, inception, labels, label_pattern)
        return in_each(TextJudgement, lambda: evaluate_text(what, model, data, num, seed, options))
    if model is not None and model.recipe.sample is None:
        raise UserError(f"Recipe '{model.about['recipe']}' is not generative: it has nothing to sample.")
    if holds_clips(data) if model is None else model.frame_rate is not None:
        refuse_for_clips(inception, label_pattern)
        extras = (num, seed, extractor_name, {"labels": labels, "skip_broken": skip_broken}, note, options)
        return in_each(Judgement, lambda: evaluate_clips(what, model, data, *extras))
    made = _Made(what, model, num, seed, options)
    real = {"labels": labels, "label_pattern": label_pattern, "skip_broken": skip_broken}
    if holds_sounds(data) if model is None else "sample_rate" in model.about["data"]["facts"]:
        return in_each(Judgement, lambda: _evaluate_sounds(made, data, extractor_name, inception, real, note))
    return _evaluate_pictures(made, data, extractor_name, inception, real, note)


@dataclass(frozen=True)
class _Made:
    """The samples to judge: of a model, or lying somewhere."""

    what: str | Path | Model
    model: Model | None
    num: int
    seed: int
    options: Mapping[str, Any]


def _evaluate_pictures(
    made: _Made, data: str | Path, extractor_name: str, inception: str | Path | None, real: Mapping[str, Any],
    note: Note,
) -> Judgement:  # fmt: skip
    """Judge pictures; those of a model are made by all processes."""
    if real["label_pattern"] is not None:
        raise UserError("--label-pattern is for sounds; leave it out.")
    what, model, num, skip = made.what, made.model, made.num, bool(real["skip_broken"])
    given = None if model is not None else open_images(Path(what), skip_broken=skip)  # type: ignore[arg-type]
    source = str(model.about["data"]["source"]) if model is not None else ""
    resolution = model.about["data"]["facts"]["resolution"] if model is not None else given.facts()["resolution"]  # type: ignore[union-attr]
    size = resolution if isinstance(resolution, int) else (int(resolution[0]), int(resolution[1]))
    images = open_images(data, resolution=size, labels=real["labels"], skip_broken=skip)
    arrays = Path(str(what)).suffix.lower() in (".npz", ".npy")
    if given is not None and arrays and given.pixels.dtype == images.pixels.dtype:
        given = replace(given, intensity=images.intensity)  # raw values, as `gantlet sample` writes them
    try:
        held_out = open_images(data, split="test", resolution=size, skip_broken=skip)
    except NoSuchSplit:
        held_out = None
    features = extractor(extractor_name, images, inception=inception, note=note)
    num = num if model is not None else min(num, len(given))  # type: ignore[arg-type]
    if model is not None:
        fake: Any = shared_features(model, num, made.seed, features, **made.options)
        words = f"{model.about['recipe']} at step {model.about.get('step', '?')}, seed {made.seed}, trained on {source}"
    else:
        assert given is not None
        fake, words = real_batches(given, np.arange(num)), f"{what}, first {num}"

    return in_each(Judgement, lambda: _judged(fake, images, references(images, held_out, num), features, words))


def _judged(
    fake: Any, data: Data, against: tuple[Data, Any, str, Data, Any, str], features: Features, words: str
) -> Judgement:
    """Return the judgement of samples against what `references` gave."""
    reference, ours, reference_rule, floor, theirs, floor_rule = against
    return judge_images(
        fake,
        Samples(images=real_batches(reference, ours)),
        Samples(images=real_batches(floor, theirs)),
        features,
        reference_split=reference_rule,
        floor_split=floor_rule,
        data_fingerprint=f"{data.fingerprint}+{reference.fingerprint}",
        cache=cache_folder(None) / "features",
        source=words,
        rules=Rules(seed=0),
    )


def _evaluate_sounds(
    made: _Made, data: str | Path, extractor_name: str, inception: str | Path | None, real: Mapping[str, Any],
    note: Note,
) -> Judgement:  # fmt: skip
    """Judge sounds; what they must be like, the model says, or the data."""
    model = made.model
    alike = {} if model is None else _alike(model.about["data"]["facts"])
    sounds = open_sounds(data, **alike, **real)
    alike = _alike(sounds.facts())
    try:
        held_out = open_sounds(data, split="test", **alike, **real)
    except NoSuchSplit:
        held_out = None
    features = extractor(extractor_name, sounds, inception=inception, note=note)
    numbers = SoundNumbers(sounds.sample_rate, sounds.classes)
    if model is not None:
        num, source = made.num, str(model.about["data"]["source"])
        fake = numbers.pictures(model_sounds(model, num, made.seed, **made.options))
        words = f"{model.about['recipe']} at step {model.about.get('step', '?')}, seed {made.seed}, trained on {source}"
    else:
        there = open_sounds(Path(made.what), skip_broken=real["skip_broken"], **alike)  # type: ignore[arg-type]
        given = _relabelled(there, sounds.classes)
        num = min(made.num, len(given))
        fake, words = numbers.pictures(sound_batches(given, np.arange(num))), f"{made.what}, first {num}"
    against = references(sounds, held_out, num)
    judgement = _judged(fake, sounds, against, features, words)
    return _with_sound_numbers(judgement, numbers, *against[3:5])


def _alike(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what opens recordings as sounds with these facts."""
    rate = int(facts["sample_rate"])
    return {"sample_rate": rate, "duration": int(facts["length"]) / rate, "channels": int(facts["channels"])}


def _relabelled(given: Sounds, classes: Sequence[str]) -> Sounds:
    """Return sounds with the labels of other class names, or without where a name is none of them."""
    if given.labels is None or not set(given.classes) <= set(classes):
        return replace(given, labels=None, classes=())
    numbers = np.asarray([classes.index(name) for name in given.classes], np.int64)
    return replace(given, labels=numbers[given.labels], classes=tuple(classes))


def _with_sound_numbers(judgement: Judgement, numbers: SoundNumbers, floor: Sounds, indices: Any) -> Judgement:
    """Return a judgement with the numbers that are sound's own; the floor's, unless an earlier one lent them."""
    known = dict(judgement.floor)
    if "rms" not in known and known:
        real = SoundNumbers(floor.sample_rate, floor.classes)
        for batch in sound_batches(floor, indices):
            real.add(batch["audio"], batch.get("label"))
        known |= real.values()
    return replace(judgement, values={**judgement.values, **numbers.values()}, floor=known)


def judge_training(
    model: Model, data: ImageData | Sounds, features: Features, num: int, previous: Judgement | None = None,
    found: FeatureSet | None = None,
) -> Judgement:  # fmt: skip
    """Judge a model while it trains, against its training data: at most 10,000 items, the floor `num` others.

    `found` are features of its samples, where they are known. The test split is left alone, so that the checkpoint
    chosen by this number has not seen it.
    """
    order = np.random.default_rng(0).permutation(len(data))
    count = min(10_000, len(order) // 2)
    ours, theirs = np.sort(order[:count]), np.sort(order[count : count + num])
    name = f"{data.name} {data.split}"
    numbers = SoundNumbers(data.sample_rate, data.classes) if isinstance(data, Sounds) else None
    fake: Any = model_samples(model, num, 1) if found is None else found
    if numbers is not None:
        fake = numbers.pictures(model_sounds(model, num, 1))
    judgement = judge_images(
        fake,
        Samples(images=real_batches(data, ours)),
        Samples(images=real_batches(data, theirs)),
        features,
        reference_split=f"{name}, {count} chosen by PCG64 seed 0",
        floor_split=f"{name}, {len(theirs)} others",
        data_fingerprint=data.fingerprint,
        cache=cache_folder(None) / "features",
        source=f"{model.about['recipe']} at step {model.about['step']}, seed 1",
        rules=Rules(manifold_limit=2000, subsets=20),
        previous=previous,
    )
    if numbers is None or not isinstance(data, Sounds):
        return judgement
    return _with_sound_numbers(judgement, numbers, data, theirs)


def record_evaluation(what: str | Path, judgement: Judgement | TextJudgement) -> None:
    """Add a judgement to a run's evaluations.jsonl and write its report again; other things are left alone."""
    folder = Path(what)
    if not (folder / "run.json").is_file():
        return
    from gantlet.observing import evaluation_record
    from gantlet.report import RunLog, write_report

    with RunLog(folder / "evaluations.jsonl") as log:
        log.append({"event": "final", **evaluation_record(judgement)})
    write_report(folder)


def _model(what: str | Path | Model, checkpoint: str, recipe: str | None, device: str) -> Model | None:
    """Return the model that is meant, None for samples that lie somewhere."""
    if isinstance(what, Model):
        return what
    path = Path(what)
    if (path / "run.json").is_file() or (path / "model.json").is_file():
        return load(path, checkpoint=checkpoint, recipe=recipe, device=device)
    return None
