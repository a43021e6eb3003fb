"""`augment`: train or take a model, generate what classes lack, gate it, write a class folder with a manifest.

Every stage leaves files that appear whole, by a rename; what is there is not made again, so the command may be stopped
at any moment and repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import gantlet
from gantlet.augmenting import folder, plan
from gantlet.augmenting import settings as settled
from gantlet.augmenting.classifier import Lessons, as_features, train_classifier
from gantlet.augmenting.gate import Gate, gate
from gantlet.augmenting.generators import generators, origin, raw, run_of
from gantlet.augmenting.settings import Settings
from gantlet.augmenting.source import Source, open_source
from gantlet.augmenting.start import NAMES as STARTS
from gantlet.errors import UserError
from gantlet.media.image import replace
from gantlet.metrics import Features
from gantlet.model import Model
from gantlet.recipes import catalogue

CHUNK = 500  # samples judged at once
Note = Callable[[str], None]


def silent(message: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Augmented:
    """What an augmentation has made."""

    out: Path
    counts: dict[str, int]  # originals of each class
    added: dict[str, int]  # samples of each class
    manifest: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Stages:
    """An augmentation on its way: everything its stages and its report share."""

    out: Path
    work: Path
    settings: Settings
    source: Source
    lacking: list[int]
    note: Note

    def models(self, quiet: bool) -> dict[int, Model]:
        """Stage 1: the generators, trained or taken."""
        return generators(self.source, self.lacking, self.settings, self.work, quiet, self.note)

    def judge(self) -> Features:
        """Stage 2: the classifier of the gate, trained on the training part with all classes equally likely."""
        lessons = Lessons.of(self.source.train, alpha=1.0)
        network = train_classifier(
            lessons, self.work / "classifier", seed=self.settings.seed, samples=self.settings.classifier_samples
        )
        return as_features(network, lessons, f"classifier of the training part of {self.source.train.name}")

    def gate(self, judge: Features, label: int) -> Gate:
        """Return the gate of a class."""
        return gate(self.source, judge, label, self.settings.confidence, self.settings.copies)

    def seed(self, label: int) -> int:
        """Return the seed of a class's samples: two classes share no latent."""
        return self.settings.seed * 1000 + label

    def samples(
        self, model: Model, judge: Features, label: int, count: int, *, kind: str = "", first: int = 0
    ) -> dict[str, NDArray[Any]]:
        """Stage 3: the first `count` samples of a class that pass its gate, kept as a file; fewer if tries run out.

        Arrays "images" [n, H, W, C], "numbers", "confidence", "neighbour", "distance" [n], "tried", "doubted" and
        "copies" (of those tried) [].
        """
        asked = self.settings
        mark = origin(model, run_of(asked, self.work, label))["sha256"][:8]
        gated = f"{asked.confidence:g}-{asked.copies:g}-{asked.tries}"
        path = self.work / "samples" / f"{label}{kind}-{count}-{mark}-{gated}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        door = self.gate(judge, label)
        parts: dict[str, list[NDArray[Any]]] = {}
        passed = tried = doubted = copies = 0
        while passed < count and tried < count * self.settings.tries:
            pictures = raw(model, self.source.train, CHUNK, self.seed(label), label, first + tried)
            judged = door.judge(pictures, self.source)
            keep = np.flatnonzero(judged.passed)[: count - passed]
            looked = CHUNK if passed + len(keep) < count or not len(keep) else int(keep[-1]) + 1
            columns = judged.columns() | {"images": pictures, "numbers": first + tried + np.arange(CHUNK)}
            for name, values in columns.items():
                parts.setdefault(name, []).append(values[keep])
            doubted += int((~judged.believed[:looked]).sum())
            copies += int(judged.copy[:looked].sum())
            passed, tried = passed + len(keep), tried + looked
        made = {name: np.concatenate(values) for name, values in parts.items()}
        made |= {"tried": np.asarray(tried), "doubted": np.asarray(doubted), "copies": np.asarray(copies)}
        replace(path, lambda file: np.savez(file, **made))  # type: ignore[arg-type]
        name = self.source.train.classes[label]
        self.note(f"{name}: {passed:,} of {tried:,} samples passed ({doubted:,} not believed, {copies:,} near copies).")
        if passed < count:
            self.note(f"{name}: {count:,} were wanted; train longer, or lower --confidence, for more.")
        return made

    def write(self, models: dict[int, Model], made: dict[int, dict[str, NDArray[Any]]]) -> dict[str, Any]:
        """Stage 4: the folder, and its manifest last."""
        (self.out / folder.MANIFEST).unlink(missing_ok=True)  # its presence means that the folder is whole
        how = folder.lay_originals(self.source, self.settings.labels, self.out)
        images = self.source.train
        rows = []
        for label, arrays in made.items():
            rows += folder.lay_samples(images, label, arrays, self.source.names, self.seed(label), self.out)
        folder.sweep_samples(self.out, self.source, {row["file"] for row in rows})
        gates = {
            images.classes[label]: {name: int(arrays[name]) for name in ("tried", "doubted", "copies")}
            for label, arrays in made.items()
        }
        manifest = {
            "gantlet": gantlet.__version__,
            "settings": settled.read(self.work),
            "originals": {"how": how, "counts": dict(zip(images.classes, self.source.counts))},
            "added": {images.classes[label]: len(arrays["numbers"]) for label, arrays in made.items()},
            "models": {images.classes[label]: origin(models[label], run_of(self.settings, self.work, label))
                       for label in made},
            "gate": gates,
            "test": {"set_aside": self.source.held_out, "twins_left_out": self.source.twins},
            "synthetic": rows,
        }  # fmt: skip
        folder.write_manifest(self.out, manifest)
        return manifest


def augment(
    data: str | Path,
    out: str | Path,
    *,
    target: str | int = "balanced",
    run: str | Path | None = None, recipe: str | None = None, quick: bool | None = None,
    seconds: float | None = None, samples: int | None = None, steps: int | None = None,
    seed: int = 0,
    balance: float | None = None, balance_side: str = "both", class_weights: float = 0.0,
    one_per_class: bool = False,
    start: str | None = None,
    confidence: float = 0.5, copies: float = 0.01, tries: int = 20,
    classifier_samples: int = 60_000,
    hold_out: float | None = None,
    labels: str | Path | None = None, skip_broken: bool = False,
    resolution: int | tuple[int, int] | None = None,
    quiet: bool = False, note: Note = silent,
    **options: Any,
) -> Augmented:  # fmt: skip
    """Fill the classes of labelled pictures up with samples and write them as an ordinary class folder.

    `target` is "balanced" (as many as the largest class has) or a number of pictures per class. The model is that of
    `run`, which must have been trained on the training part and nothing else, or is trained here (`recipe`, a budget of
    `seconds`, 600 if none is given, `samples` or `steps`, `options` of the recipe) with class-balanced sampling:
    `balance` is its alpha, 1 if neither it nor `class_weights` is given; `class_weights` (beta, .999) weights the loss
    instead, `balance_side` re-samples for one player only. `one_per_class` trains a GAN for each class that lacks
    pictures; `start` "autoencoder" begins as BAGAN does. A sample stays if a classifier gives its class a probability
    of `confidence` and it is no near copy (`copies`: share of real pictures that count as near).

    Where the data has no test part, `hold_out` of each class (20 %) is set aside first and lies in `out`/test. The same
    call resumes. The run, samples and reports lie beside the folder, in `out`-work.

    Raises UserError for mistakes in the arguments or the data.
    """
    out = Path(out)
    if class_weights and balance:
        raise UserError("--balance and --class-weights do the same twice; give one of them.")
    if not 0 <= confidence <= 1 or not 0 <= copies < 1 or tries < 1:
        raise UserError("--confidence and --copies are shares between 0 and 1, and --tries is at least 1.")
    if start is not None and (start not in STARTS or one_per_class or run is not None):
        raise UserError(f"--start is {', '.join(STARTS)}, of one model for all classes that is trained here.")
    if recipe is not None:
        catalogue.check_options(recipe, options)
    source = open_source(data, resolution=resolution, labels=labels, hold_out=hold_out, skip_broken=skip_broken)
    lacking = plan.wanted(source.counts, target)
    budget = {name: value for name, value in (("seconds", seconds), ("samples", samples), ("steps", steps))
              if value is not None}  # fmt: skip
    settings = Settings(
        data=str(data), fingerprint=source.train.fingerprint, target=target, run=None if run is None else str(run),
        recipe=recipe, quick=quick, budget=budget or {"seconds": 600.0}, seed=seed, balance_side=balance_side,
        balance=(0.0 if class_weights else 1.0) if balance is None else balance, class_weights=class_weights,
        one_per_class=one_per_class, start=start, confidence=confidence, copies=copies, tries=tries,
        classifier_samples=classifier_samples, hold_out=source.held_out, labels=None if labels is None else str(labels),
        skip_broken=skip_broken, resolution=resolution, options=options,
    )  # fmt: skip
    work = settled.work_folder(out)
    with settled.claimed(work, out, settings):
        return stages_run(Stages(out, work, settings, source, lacking, note), quiet)


def stages_run(stages: Stages, quiet: bool) -> Augmented:
    """Run what is not done yet of all stages."""
    source, note = stages.source, stages.note
    classes = source.train.classes
    counts = dict(zip(classes, source.counts))
    there = folder.read_manifest(stages.out)
    if there is not None and there["settings"] == settled.read(stages.work):
        note(f"{stages.out} is whole already; nothing to do.")
        return Augmented(stages.out, counts, there["added"], there)
    if source.held_out:
        aside = f"{source.held_out:.0%} of each class, {len(source.test):,} pictures"
        note(f"The data has no test part: {aside}, are set aside in {stages.out / 'test'}.")
    if source.twins:
        note(f"{source.twins:,} test pictures equal training pictures and are left out of every test.")
    note(f"1 of 4: the model. {plan.words(classes, source.counts, stages.lacking)}")
    models = stages.models(quiet)
    note("2 of 4: the classifier of the gate.")
    judge = stages.judge()
    note("3 of 4: samples.")
    made = {
        label: stages.samples(models[label], judge, label, count) for label, count in enumerate(stages.lacking) if count
    }
    if not any(len(arrays["numbers"]) for arrays in made.values()):
        raise UserError(
            "No sample of any class passed the gate: train longer (a larger --seconds goes on), or lower --confidence."
        )
    note(f"4 of 4: writing {stages.out}.")
    manifest = stages.write(models, made)
    return Augmented(stages.out, counts, manifest["added"], manifest)
