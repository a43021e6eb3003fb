"""The generators of an augmentation: trained here on the training part alone, or taken from a run that was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.augmenting.settings import TRAINING_PART, Settings
from gantlet.augmenting.source import Source, of_class
from gantlet.augmenting.start import autoencoder
from gantlet.data import ImageData
from gantlet.data.splits import class_order
from gantlet.engine.storage import verify
from gantlet.errors import UserError
from gantlet.media.image import replace
from gantlet.model import Model, choose_checkpoint, load
from gantlet.training import train

Note = Callable[[str], None]
# "last", never "best": a run given by --run may have chosen its best by a look at the test part.
CHECKPOINT = "last"


def generators(
    source: Source, lacking: list[int], settings: Settings, work: Path, quiet: bool, note: Note
) -> dict[int, Model]:
    """Return the model of each class that lacks samples, or of every class where one model knows them all.

    Raises UserError for a model of other data, or one that cannot be asked for a class.
    """
    everyone = range(len(source.train.classes))
    if settings.run is not None:
        return dict.fromkeys(everyone, taken(source, settings))
    if settings.one_per_class:
        classes = [label for label, count in enumerate(lacking) if count]
        return {label: _of_one_class(source, label, len(classes), settings, work, quiet, note) for label in classes}
    data = _pictures(source, work)
    model = _trained(source, data, work / "run", settings, {}, settings.budget, quiet, note)
    check_origin(model, source)
    if not model.conditional:
        raise UserError(
            f"Recipe '{model.about['recipe']}' takes no labels; choose another, or one GAN per class: --one-per-class."
        )
    return dict.fromkeys(everyone, model)


def taken(source: Source, settings: Settings) -> Model:
    """Return the model of --run. Raises UserError unless it knows the classes and was trained on this training part."""
    model = load(Path(str(settings.run)), checkpoint=CHECKPOINT)
    check_origin(model, source)
    if not model.conditional:
        raise UserError(f"{settings.run} was trained without labels and cannot be asked for a class; leave --run out.")
    return model


def check_origin(model: Model, source: Source) -> None:
    """Raise UserError unless the model has seen the training part, all of it and nothing else."""
    if model.about["data"]["fingerprint"] != source.train.fingerprint:
        seen, ours = model.about["data"]["fingerprint"][:12], source.train.fingerprint[:12]
        raise UserError(
            f"The model was trained on other pictures than the training part of {source.given} ({seen}, not {ours}), "
            "so it may have seen test pictures or know other classes; leave --run out."
        )


def origin(model: Model, run: Path) -> dict[str, Any]:
    """Return what a manifest keeps of a model: its recipe, and the SHA-256 over those of its files of weights."""
    folder = choose_checkpoint(run, CHECKPOINT)
    about = {"recipe": model.about["recipe"], "step": model.about["step"], "run": str(run)}
    files = verify(folder)["files"]
    marks = "".join(files[name]["sha256"] for name in ("weights.safetensors", "averages.safetensors"))
    return {**about, "sha256": hashlib.sha256(marks.encode()).hexdigest()}


def run_of(settings: Settings, work: Path, label: int) -> Path:
    """Return the run folder of the model that draws a class."""
    if settings.run is not None:
        return Path(settings.run)
    return work / f"run-{label}" if settings.one_per_class else work / "run"


def _of_one_class(
    source: Source, label: int, number: int, settings: Settings, work: Path, quiet: bool, note: Note
) -> Model:
    images = of_class(source.train, label)
    note(f"A GAN of its own for class {source.train.classes[label]} ({len(images):,} pictures).")
    path = work / f"class-{label}.npz"
    if not path.is_file():
        replace(path, lambda file: np.savez(file, images=images.pixels, intensity=_ends(source)))
    part = {name: value / number for name, value in settings.budget.items()}
    part = {name: value if name == "seconds" else int(value) for name, value in part.items()}
    how = {"balance": 0.0, "class_weights": 0.0}
    model = _trained(source, path, work / f"run-{label}", settings, how, part, quiet, note)
    if model.about["data"]["fingerprint"] != images.fingerprint:
        raise UserError(f"{path} is not what was written there; remove {work} and begin again.")
    return model


def _pictures(source: Source, work: Path) -> str | Path:
    """Return what `train` is given: the data itself, or a file without the pictures that were set aside."""
    if not source.held_out:
        return source.given
    path = work / TRAINING_PART
    if not path.is_file():
        names = np.asarray(source.train.classes)
        in_order = class_order(source.train.classes) == source.train.classes
        labels = names[source.labels] if in_order else source.labels
        images, ends = source.train.pixels, _ends(source)
        replace(path, lambda file: np.savez(file, images=images, labels=labels, intensity=ends))
    return path


def _ends(source: Source) -> NDArray[Any]:
    """Return the values that the whole training part calls black and white: a part of it may not reach them."""
    return np.asarray([source.train.intensity.low, source.train.intensity.high])


def _trained(
    source: Source, data: str | Path, out: Path, settings: Settings, how: Mapping[str, Any], budget: Mapping[str, Any],
    quiet: bool, note: Note,
) -> Model:  # fmt: skip
    given: dict[str, Any] = {"balance": settings.balance, "balance_side": settings.balance_side}
    given |= {"class_weights": settings.class_weights, **how}
    if settings.labels is not None and data == settings.data:
        given["labels"] = settings.labels
    given["skip_broken"] = settings.skip_broken
    given["resolution"] = source.train.pixels.shape[1:3]  # samples will lie beside these: never scaled down
    begun = None
    if settings.start is not None:
        begun = autoencoder(
            source.train, settings.recipe, settings.quick, settings.options, out.with_name("start"),
            seed=settings.seed, note=note,
        )  # fmt: skip
    train(
        settings.recipe, data=data, out=out, seed=settings.seed, quick=settings.quick, evaluate_every=0, quiet=quiet,
        init_from=begun,
        **budget, **given, **settings.options,
    )  # fmt: skip
    return load(out, checkpoint=CHECKPOINT)


def raw(model: Model, images: ImageData, num: int, seed: int, label: int | None, first: int) -> NDArray[Any]:
    """Return samples [num, H, W, C] in the type and range of the data."""
    pictures = model.sample(num, seed=seed, label=label if model.conditional else None, first=first)
    return images.intensity.to_raw(pictures.permute(0, 2, 3, 1))
