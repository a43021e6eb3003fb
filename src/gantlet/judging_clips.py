"""`gantlet.evaluate` for clips: a model, or clips that lie somewhere, against real ones, beside the floor of real ones.

Clips are judged as pictures are, by a classifier of clips (metrics/video_classifier.py); where the truth of the data
is known, objects, content, paths and speeds are measured as well (metrics/clips.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantlet.data import Clips, NoSuchSplit, Order, open_clips
from gantlet.data.cache import cache_folder
from gantlet.engine import loop
from gantlet.engine.run import Run
from gantlet.errors import UserError, suggest
from gantlet.metrics import Features, Judgement, Rules, Samples, judge_images
from gantlet.metrics.clips import MotionNumbers
from gantlet.metrics.video_classifier import clip_classifier_features, judged, random_clip_features, stacked
from gantlet.model import Model
from gantlet.recipes import catalogue

EXTRACTORS = ("auto", "classifier", "random")
MOST = 2000  # samples of an evaluation, if no number is asked for
WINDOWS = 1024  # clips of a set of few shots that are looked at
BATCH = 32
LESSONS, USUAL_SIZE = 20_000, 16 * 32 * 32  # clips that the classifier sees, of so many pixels; fewer of larger ones
LEAST_LESSONS = 4_000


def silent(message: str) -> None:
    """Say nothing."""


def extractor(name: str, data: Clips, *, cache: Path | None = None, note: Any = silent) -> Features:
    """Return the named feature extractor: a classifier of the clips' labels, or a seeded random one.

    "auto" is the classifier for labelled data, else the random one. Raises UserError for others.
    """
    if name not in EXTRACTORS:
        raise UserError(
            f"For clips the extractor is one of {', '.join(EXTRACTORS)}, not '{name}'.{suggest(name, EXTRACTORS)}"
        )
    if name == "classifier" and data.labels is None:
        raise UserError(f"{data.name} has no labels to train a classifier on; choose --extractor random.")
    if name == "random" or data.labels is None:
        return random_clip_features(data.facts())
    return trained_classifier(data, cache, note)


def trained_classifier(data: Clips, cache: Path | None = None, note: Any = silent) -> Features:
    """Return the features of a classifier of the labelled clips, training and caching it the first time.

    It is a recipe like any other, trained by the engine; its folder is named by the data's content.
    """
    facts = data.facts()
    size = data.num_frames * data.size[0] * data.size[1]
    lessons = max(LEAST_LESSONS, round(LESSONS * min(1.0, USUAL_SIZE / size)))
    arguments = catalogue.resolve("clip_classifier", facts, False, {"total_samples": lessons})
    total = int(arguments["total_samples"])
    folder = cache_folder(cache) / "classifiers" / f"{data.fingerprint[:16]}-clips-{total}-v1"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        recipe = catalogue.build("clip_classifier", arguments)
    run = Run(out=folder, samples=total, device="cpu", precision="fp32", keep=1)
    training = loop.prepare(recipe, run, {"recipe": "clip_classifier", "arguments": arguments}, note)
    if training.fraction() < 1:
        note(f"Training the judge once: a classifier of {data.name} ({total:,} clips; kept in {folder}).")
        order = Order(len(data), 0)
        loop.train(training, lambda start, n: data.batch(order.indices(start, n), np.arange(start, start + n)))
    network = training.state.nets.C.eval()
    return clip_classifier_features(network, f"classifier of {data.name} {data.split}", facts)


def real_clips(data: Clips, indices: Any, most: int) -> Iterator[dict[str, Tensor]]:
    """Yield about `most` real clips of these shots in batches."""
    rows, starts = data.windows(indices, most)
    for begin in range(0, len(rows), BATCH):
        yield data.at(rows[begin : begin + BATCH], starts[begin : begin + BATCH])


def model_clips(model: Model, num: int, seed: int, **options: Any) -> Iterator[dict[str, Tensor]]:
    """Yield batches of clips as they will be seen: rounded to 8 bits and back."""
    for clips, y in model.batches(num, seed=seed, batch_size=BATCH, **options):
        batch = {"clip": judged(clips)}
        yield batch if y is None else {**batch, "label": y.cpu()}


class Measured:
    """The numbers of motion, gathered while clips go by, where the data are of a kind whose truth is known."""

    def __init__(self, data: Clips) -> None:
        self._motion = data.motion
        self._parts: list[MotionNumbers] = []
        self._fastest = 0.0 if data.motion is None else 1.5 * float(data.motion.speeds.max())

    def pass_by(self, batches: Iterator[dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
        """Yield pictures of clips, and look at each."""
        for batch in batches:
            if self._motion is not None:
                self._parts.append(MotionNumbers.of(batch["clip"], self._motion.box, self._fastest))
            yield stacked(batch)

    def all(self) -> MotionNumbers | None:
        """Return what was seen."""
        return MotionNumbers.joined(self._parts) if self._parts else None


def with_motion(judgement: Judgement, fake: Measured, data: Clips, floor: Clips, theirs: Any, most: int) -> Judgement:
    """Return a judgement with the numbers of motion; the floor's, unless an earlier one lent them."""
    ours = fake.all()
    if ours is None or data.motion is None:
        return judgement
    speeds, known = torch.from_numpy(data.motion.speeds), dict(judgement.floor)
    if "one_object" not in known:
        other = Measured(floor)
        for _ in other.pass_by(real_clips(floor, theirs[:most], most)):
            pass
        beside = other.all()
        known |= {} if beside is None else beside.values(speeds)
    return replace(judgement, values={**judgement.values, **ours.values(speeds)}, floor=known)


def refuse_for_clips(inception: object, label_pattern: object) -> None:
    """Raise UserError for options that clips have not."""
    if inception is not None or label_pattern is not None:
        raise UserError("Clips are judged without --inception and --label-pattern; leave them out.")


def evaluate_clips(
    what: str | Path | Model,
    model: Model | None,
    data: str | Path,
    num: int,
    seed: int,
    extractor_name: str,
    real: Mapping[str, Any],
    note: Any,
    options: Mapping[str, Any],
) -> Judgement:
    """Judge clips; what they must be like, the model says, or the data. `real` are options of opening the data.

    Raises UserError for mistakes.
    """
    skip = {"skip_broken": real["skip_broken"]}
    given = None if model is not None else open_clips(Path(what), **skip)  # type: ignore[arg-type]
    if given is not None:
        facts = {name: value for name, value in given.facts().items() if name != "channels"}
        alike = _alike({**facts, "channels": open_clips(data, **skip).channels}, 1)
        given = open_clips(Path(what), **skip, **alike)  # type: ignore[arg-type]
    else:
        assert model is not None
        about = model.about["data"]
        alike = _alike(about["facts"], int(about.get("stride", 1)))
    clips = open_clips(data, **real, **alike)
    try:
        held_out = open_clips(data, split="test", **real, **alike)
    except NoSuchSplit:
        held_out = None
    features, num = extractor(extractor_name, clips, note=note), min(num, MOST)
    reference, ours, floor, theirs = _references(clips, held_out)
    measured = Measured(clips)
    if model is not None:
        fake = measured.pass_by(model_clips(model, num, seed, **options))
        source = str(about["source"])
        words = f"{about_model(model)}, seed {seed}, trained on {source}"
    else:
        assert given is not None
        num = min(num, len(given))
        plain = replace(given, labels=None, classes=()) if given.classes != clips.classes else given
        fake, words = measured.pass_by(real_clips(plain, np.arange(num), num)), f"{what}, first {num}"
    many = min(num, WINDOWS)
    theirs = spread(theirs, many)
    judgement = judge_images(
        fake,
        Samples(images=map(stacked, real_clips(reference, ours, WINDOWS))),
        Samples(images=map(stacked, real_clips(floor, theirs, many))),
        features,
        reference_split=f"{reference.name} {reference.split}, {len(ours)} shots",
        floor_split=f"{floor.name} {floor.split}, {len(theirs)} other shots by PCG64 seed 0",
        data_fingerprint=f"{clips.fingerprint}+{reference.fingerprint}",
        source=words,
        rules=Rules(seed=0),
    )
    return with_motion(judgement, measured, clips, floor, theirs, many)


def about_model(model: Model) -> str:
    """Return recipe and step of a model in words."""
    return f"{model.about['recipe']} at step {model.about.get('step', '?')}"


def _alike(facts: Mapping[str, Any], stride: int) -> dict[str, Any]:
    """Return what opens clips with these facts."""
    side = facts["resolution"]
    size = side if isinstance(side, int) else (int(side[0]), int(side[1]))
    numbers = {name: int(facts[name]) for name in ("num_frames", "channels")}
    return {**numbers, "stride": stride, "resolution": size}


def spread(indices: Any, most: int) -> Any:
    """Return at most so many of the indices, evenly taken."""
    return indices if len(indices) <= most else indices[np.linspace(0, len(indices) - 1, most).astype(int)]


def _references(clips: Clips, held_out: Clips | None) -> tuple[Clips, Any, Clips, Any]:
    """Return reference and floor, (data, shots) each: the test part and the training part, or two halves of shots."""
    order = np.random.default_rng(0).permutation(len(clips))
    if held_out is not None:
        return held_out, spread(np.arange(len(held_out)), WINDOWS), clips, np.sort(order)
    half = len(order) // 2
    if not half:
        raise UserError(f"{clips.name} is one shot; two are the least to judge by, so cut it or give more.")
    return clips, np.sort(order[:half]), clips, np.sort(order[half : 2 * half])


def judge_training_clips(
    model: Model, data: Clips, features: Features, num: int, previous: Judgement | None = None
) -> Judgement:
    """Judge a model while it trains, against its training data; the floor are other shots of it.

    The test split is left alone, so that the checkpoint chosen by this number has not seen it.
    """
    reference, ours, floor, theirs = _references(data, None)
    ours, theirs = spread(ours, WINDOWS), spread(theirs, num)
    measured = Measured(data)
    judgement = judge_images(
        measured.pass_by(model_clips(model, num, 1)),
        Samples(images=map(stacked, real_clips(reference, ours, WINDOWS))),
        Samples(images=map(stacked, real_clips(floor, theirs, num))),
        features,
        reference_split=f"{data.name} {data.split}, {len(ours)} shots of one half by PCG64 seed 0",
        floor_split=f"{data.name} {data.split}, {len(theirs)} shots of the other half",
        data_fingerprint=data.fingerprint,
        cache=cache_folder(None) / "features",
        source=f"{about_model(model)}, seed 1",
        rules=Rules(manifold_limit=2000, subsets=20),
        previous=previous,
    )
    return with_motion(judgement, measured, data, floor, theirs, num)
