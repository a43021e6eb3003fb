"""`augment_report`: did the samples help? Seven arms, several seeds, one untouched test part, a verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantlet.augmenting import arms, folder, plan
from gantlet.augmenting import settings as settled
from gantlet.augmenting.command import Stages, silent
from gantlet.augmenting.generators import raw
from gantlet.augmenting.page import page
from gantlet.augmenting.quality import copies, gallery, quality, reals
from gantlet.augmenting.settings import Settings
from gantlet.augmenting.source import Source, open_source
from gantlet.engine.storage import alone_in, digest, replace_file
from gantlet.errors import UserError
from gantlet.media.image import write_image
from gantlet.metrics import Features
from gantlet.model import Model

ELSEWHERE = 10_000_000  # number of the first sample that is in no augmented folder: for the arm without real pictures
UNGATED = 20_000_000  # and of the first that passes no gate: for the search for copies
SEARCHED = 500  # samples of each class that copies are searched among
Note = Callable[[str], None]


@dataclass(frozen=True)
class AugmentReport:
    """What the report found, and where its page lies."""

    found: Mapping[str, Any]
    page: Path

    @property
    def verdict(self) -> str:
        """The finding in plain words."""
        return str(self.found["verdict"])

    def lines(self) -> list[str]:
        """Return the table of the arms and the verdict."""
        said = [f"{'':24}{'macro-F1':>18}{'balanced acc.':>18}{'calibration error':>20}"]
        for arm, row in self.found["arms"].items():
            cells = [
                f"{100 * row[key]['mean']:.2f} ± {100 * row[key]['sd']:.2f}"
                for key in ("macro_f1", "balanced_accuracy", "calibration_error")
            ]
            said.append(f"{arms.NAMES[arm]:24}{cells[0]:>18}{cells[1]:>18}{cells[2]:>20}")
        return [*said, "", self.verdict, self.found["copies"]["finding"], f"Page: {self.page}"]


def augment_report(
    out: str | Path, *, seeds: int = 3, samples: int | None = None, quiet: bool = False, note: Note = silent
) -> AugmentReport:
    """Report on what `augment` wrote into `out`; the same call resumes, more `seeds` add to what is there.

    Every arm trains the same classifier on `samples` draws (as many as the gate's, if not given) and is tested on the
    test part, which neither the generator nor the gate has seen: that is checked against the fingerprints of both.

    Raises UserError if the folder is not whole, or the data has changed since.
    """
    out = Path(out)
    if seeds < 2:
        raise UserError(f"--seeds must be at least 2, not {seeds}: one seed is no evidence.")
    manifest = folder.read_manifest(out)
    if manifest is None:
        raise UserError(f"{out} is not whole (no {folder.MANIFEST}); `gantlet augment` makes it, and goes on with it.")
    work = settled.work_folder(out)
    stages = _stages(out, work, note)
    with alone_in(work):
        models, judge = stages.models(quiet=True), stages.judge()
        made = {y: stages.samples(models[y], judge, y, n) for y, n in enumerate(stages.lacking) if n}
        alone = _alone(stages, models, judge)
        budget = samples or stages.settings.classifier_samples
        place = report_folder(out, budget)
        trials = arms.try_arms(stages.source, made, alone, place, seeds, budget, note)
        found = _found(stages, trials, models, judge, made, place, budget)
        found["manifest"] = {key: value for key, value in manifest.items() if key != "synthetic"}
        replace_file(place / "report.json", json.dumps(found, indent=1).encode())
        target = out.with_name(f"{out.name}-report.html")
        replace_file(target, page(found, place).encode())
    return AugmentReport(found, target)


def report_folder(out: Path, samples: int) -> Path:
    """Return where the report of a whole augmented folder keeps its parts; classifiers see `samples` draws."""
    return settled.work_folder(out) / f"report-{digest(out / folder.MANIFEST)[:8]}-{samples}"


def _stages(out: Path, work: Path, note: Note) -> Stages:
    """Return the stages of an augmentation that is done. Raises UserError if its data has changed."""
    given = settled.read(work)
    settings = Settings(**{key: value for key, value in given.items() if key in Settings.__dataclass_fields__})
    size = settings.resolution
    source = open_source(
        settings.data, resolution=tuple(size) if isinstance(size, list) else size, labels=settings.labels,
        hold_out=settings.hold_out or None, skip_broken=settings.skip_broken,
    )  # fmt: skip
    if source.train.fingerprint != settings.fingerprint:
        raise UserError(f"{settings.data} is no longer what {out} was made of; augment it anew, into another folder.")
    return Stages(out, work, settings, source, plan.wanted(source.counts, settings.target), note)


def _alone(stages: Stages, models: Mapping[int, Model], judge: Features) -> arms.Made | None:
    """Return as many further samples of each class as it has real pictures; None where a class has no model."""
    counts = stages.source.counts
    if any(count and label not in models for label, count in enumerate(counts)):
        stages.note("No arm of the GAN alone: it has a GAN for some classes only.")
        return None
    return {
        label: stages.samples(models[label], judge, label, count, kind="-alone", first=ELSEWHERE)
        for label, count in enumerate(counts)
        if count
    }


def _found(
    stages: Stages, trials: arms.Trials, models: Mapping[int, Model], judge: Features, made: arms.Made, place: Path,
    budget: int,
) -> dict[str, Any]:  # fmt: skip
    source = stages.source
    classes, found = [], []
    for label, arrays in made.items():
        if not len(arrays["images"]):
            continue
        stages.note(f"Looking for copies: {source.train.classes[label]}.")
        real = reals(source, judge, label)
        ungated = raw(models[label], source.train, SEARCHED, stages.seed(label), label, UNGATED)
        searched = copies(source, judge, real, ungated)
        write_image(place / f"gallery-{label}.png", gallery(source, real, ungated))
        classes.append({
            "class": source.train.classes[label], "label": label, **quality(source, judge, real, arrays["images"]),
            "tried": int(arrays["tried"]), "doubted": int(arrays["doubted"]), "near_copies": int(arrays["copies"]),
            "copies": [each.to_json() for each in searched],
        })  # fmt: skip
        found += [(source.train.classes[label], each) for each in searched]
    effects = {arm: trials.effect(arms.GAN, arm) for arm in (arms.REAL, arms.OVERSAMPLING, arms.CLASSIC)}
    rare = [label for label, count in enumerate(stages.lacking) if count]
    return {
        "arms": arms.summary(trials), "meanings": arms.MEANINGS, "classes": list(trials.classes), "rare": rare,
        "test_pictures": len(trials.labels), "classifier_samples": budget, "counts": source.counts,
        "added": [len(made[y]["images"]) if y in made else 0 for y in range(len(source.counts))],
        "effects": {arm: {**each.__dict__, "verdict": each.verdict} for arm, each in effects.items()},
        "verdict": verdict(trials), "quality": classes,
        "copies": {"finding": copy_sentence([(name, each.fired) for name, each in found])},
        "leaks": leaks(source),
        "data": source.train.name, "held_out": source.held_out,
    }  # fmt: skip


def leaks(source: Source) -> str:
    """Return what keeps test pictures out of the generator, as it was checked when its model was loaded."""
    said = (
        f"Generator and gate were trained on the training part ({source.train.fingerprint[:12]}) alone, no test picture"
    )
    twins = f"; {source.twins:,} test pictures that equal training pictures are left out" if source.twins else ""
    return f"{said} among it{twins}. No checkpoint was chosen by the test part: the last one is taken."


def verdict(trials: arms.Trials) -> str:
    """Return whether the samples helped, against the real pictures as they come and against the strongest other arm."""
    plain, best = trials.effect(arms.GAN, arms.REAL), trials.strongest_without()
    said = f"Against the real pictures alone the GAN {_verb(plain.verdict)}: macro-F1 {plain.words()} points."
    if best == arms.REAL:
        said += " No arm without a GAN is better than those."
    else:
        other, name = trials.effect(arms.GAN, best), arms.NAMES[best].removeprefix("+ ")
        said += f" Against {name}, the strongest arm without one, it {_verb(other.verdict)}: {other.words()} points."
    if arms.EVEN not in trials.probabilities:
        return said
    even, both = trials.effect(arms.EVEN, best), trials.effect(arms.BOTH, arms.CLASSIC)
    return (
        f"{said} With samples in every class alike it {_verb(even.verdict)} against that arm: {even.words()} points. "
        f"On top of classic augmentation it {_verb(both.verdict)}: {both.words()} points."
    )


def _verb(word: str) -> str:
    return "has no measurable effect" if word.startswith("no") else word


def copy_sentence(found: list[tuple[str, tuple[str, ...]]]) -> str:
    """Return what the search for copies found, in one sentence."""
    if not found:
        return "Copies were not searched for: no class has 20 pictures in both the training and the test part."
    fired = sorted({name for name, detectors in found if detectors})
    which = sorted({detector for _, detectors in found for detector in detectors})
    if not fired:
        return (
            f"No copy of a training picture found ({len(found)} searches by 4 detectors); no proof that there is none."
        )
    return f"Copies of training pictures may be among the samples of {', '.join(fired)} (found by {', '.join(which)})."
