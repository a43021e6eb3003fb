"""What a run shows while it trains: log, status, sample grids, evaluations, trackers. It reads and never changes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantlet.data import Clips, ImageData, Lines, Sounds
from gantlet.engine import parallel
from gantlet.engine.hooks import looking_on
from gantlet.engine.loop import Training, save
from gantlet.engine.nets import evaluating
from gantlet.media.image import grid, to_displayable, write_image
from gantlet.metrics import Features, FeatureSet, Judgement
from gantlet.metrics.text_judgement import TextJudgement
from gantlet.model import Model
from gantlet.recipe import Recipe
from gantlet.record import Record
from gantlet.report import RunLog, Status, tensorboard_tracker, wandb_tracker
from gantlet.report.status import Standing
from gantlet.report.trackers import Tracker

if TYPE_CHECKING:
    import numpy as np

GRID = 64  # samples in a grid
EVALUATED = 2048  # samples of an evaluation while training
CLIPS_EVALUATED = 256  # clips of one
SHARE = 0.05  # of the time that evaluations may take


class Observer:
    """Writes log.jsonl, moves the status line and feeds the trackers."""

    def __init__(self, out: Path, status: Status, record: Record, tensorboard: bool, wandb: bool) -> None:
        self.out, self.status, self.record = out, status, record
        self.log = RunLog(out / "log.jsonl")
        self.evaluations = RunLog(out / "evaluations.jsonl")
        self.trackers: list[Tracker] = []
        if tensorboard:
            self.trackers.append(tensorboard_tracker(out / "tensorboard", warn=status.note))
        if wandb:
            self.trackers.append(wandb_tracker(out / "wandb", record.to_json(), warn=status.note))
        self._training: Training | None = None

    def begin(self, training: Training, resuming: bool) -> None:
        """Say what starts; on resumption forget what the run will write again."""
        self._training = training
        step = training.counters.step
        self.log.truncate_after(step)
        self.evaluations.truncate_after(step)
        facts = self.record.data
        if self.record.reason and not resuming:
            self.status.note(f"Chose {self.record.recipe}: {self.record.reason}")
        self.status.start(f"{self.record.recipe} ({self.record.settings}) on {facts['name']}")
        if resuming and step:
            self.note("resume", f"Resumed at step {step} ({training.counters.samples:,} samples).")

    def tick(self, training: Training, statistics: Mapping[str, Any]) -> None:
        """Write one line of the log and show it."""
        now = training.counters
        self.log.append({**now.clock(), **statistics})
        fraction, rate = training.fraction(), float(statistics["samples_per_second"])
        left = now.seconds / fraction * (1 - fraction) if fraction > 0 else None
        losses = {name: value for name, value in statistics.items() if name.endswith("/adversarial")}
        self.status.update(Standing(fraction, now.samples, rate, left, losses))
        for tracker in self.trackers:
            tracker.scalars(dict(statistics), now.samples)

    def note(self, event: str, message: str) -> None:
        """Log an event and show it."""
        clock = {} if self._training is None else self._training.counters.clock()
        self.log.append({"event": event, **clock, "message": message})
        self.status.note(message)

    def measured(self, training: Training, values: Mapping[str, float], protocol: Mapping[str, Any]) -> None:
        """Log the numbers of a preview and how they were measured."""
        clock = training.counters.clock()
        self.evaluations.append({**clock, "values": values, "numbers": values, "protocol": protocol})

    def picture(self, name: str, array: np.ndarray[Any, Any], samples: int) -> None:
        for tracker in self.trackers:
            tracker.image(name, array, samples)

    def finish(self) -> None:
        """Close files and trackers."""
        self.log.close()
        self.evaluations.close()
        for tracker in self.trackers:
            tracker.close()


def write_reals(out: Path, images: ImageData) -> None:
    """Write reals.png: pictures of the data as training sees them, evenly taken from all of it."""
    import numpy as np

    if (out / "reals.png").is_file():
        return
    chosen = np.linspace(0, len(images) - 1, min(GRID, len(images))).astype(int)
    write_image(out / "reals.png", grid(to_displayable(images.pixels[chosen], images.intensity)))


def live_model(training: Training, record: Record) -> Model:
    """Return the averaged networks of a run as they are now, to sample from."""
    recipe: Recipe = training.recipe
    return Model(
        recipe, training.state.nets.averaged, {**record.model(), "step": training.counters.step}, training.device
    )


def evaluation_record(judgement: Judgement | TextJudgement) -> dict[str, Any]:
    """Return a judgement as a line of evaluations.jsonl: its numbers, the floor's, the protocol."""
    stored = judgement.to_json()
    return {**stored, "numbers": {**stored["values"], "fid_over_floor": stored["fid_over_floor"]}}


class SampleGrids:
    """Draws the same samples each time: samples/<samples seen>.png."""

    def __init__(self, out: Path, record: Record, observer: Observer) -> None:
        self._out, self._record, self._observer = out, record, observer

    def draw(self, training: Training) -> None:
        """Write the grid of this moment; with classes, a column each."""
        with evaluating(training.state.nets.averaged):
            model = live_model(training, self._record)
            classes = min(int(self._record.arguments.get("num_classes") or 0), 10)
            labels = [i % classes for i in range(8 * classes)] if classes else None
            pictures = model.sample(8 * classes or GRID, seed=0, label=labels)
            raw = model.to_raw(pictures)
        array = grid(to_displayable(raw, model.intensity), columns=classes or None)
        write_image(self._out / "samples" / f"{training.counters.samples:09d}.png", array)
        self._observer.picture("samples", array, training.counters.samples)


class Evaluations:
    """Judges the averaged networks now and then, at most a twentieth of the time, and marks the best checkpoint.

    Every process has this hook: all make samples of pictures and their features, the one with an observer judges.
    """

    def __init__(
        self, record: Record, data: ImageData | Sounds | Lines | Clips, seconds: float, observer: Observer | None
    ) -> None:
        self._record, self._data, self._seconds, self._observer = record, data, seconds, observer
        self._last, self._cost = time.monotonic(), 0.0
        self._features: Features | None = None
        self._previous: Judgement | TextJudgement | None = None
        self._reader: Any = None  # of text

    def due(self, training: Training) -> bool:
        return time.monotonic() - self._last >= max(self._seconds, self._cost / SHARE)

    def after_step(self, training: Training) -> None:
        began = time.perf_counter()
        save(training)
        with looking_on(training):
            self.judge(training)
        self._last = time.monotonic()
        training.paused += time.perf_counter() - began

    def conclude(self, training: Training) -> None:
        """Judge the finished run if an earlier moment of it was judged: the best must not win for want of a rival."""
        if parallel.by_first(lambda: training.checkpoints.best() is not None or self._reader is not None):
            with looking_on(training):
                self.judge(training)

    def judge(self, training: Training) -> None:
        """Compute and log the numbers of this moment; the clock of the training budget stands still meanwhile."""
        began = time.perf_counter()
        found = self.found(training) if isinstance(self._data, ImageData) else None
        parallel.by_first(lambda: self.tell(training, found))
        self._cost = time.perf_counter() - began

    def found(self, training: Training) -> FeatureSet | None:
        """Return the features of pictures of this moment, at process 0: each process makes its part."""
        from gantlet import judging
        from gantlet.sharing import shared_features

        assert isinstance(self._data, ImageData)
        note = judging.silent if self._observer is None else self._observer.status.note
        self._features = self._features or judging.extractor("auto", self._data, note=note)
        with evaluating(training.state.nets.averaged):
            return shared_features(live_model(training, self._record), EVALUATED, 1, self._features)

    def tell(self, training: Training, found: FeatureSet | None) -> None:
        """Judge, log, and mark the best checkpoint."""
        observer = self._observer
        assert observer is not None, "process 0 has one"
        judgement = self.judgement(training, observer, found)
        self._previous = judgement
        now = training.counters
        observer.evaluations.append({**now.clock(), **evaluation_record(judgement)})
        observer.note("evaluation", judgement.line())
        for tracker in observer.trackers:
            numbers = {f"metrics/{name}": value for name, value in judgement.values.items() if isinstance(value, float)}
            tracker.scalars(numbers, now.samples)
        if "fid" in judgement.values:
            training.checkpoints.mark_best(now.step, "fid", judgement.values["fid"])

    def judgement(self, training: Training, observer: Observer, found: FeatureSet | None) -> Judgement | TextJudgement:
        """Return the numbers of this moment. No checkpoint of text is marked best: see the quality-diversity curve."""
        from gantlet import judging, judging_clips, judging_text

        data = self._data
        if self._features is None and isinstance(data, Clips):
            self._features = judging_clips.extractor("auto", data, note=observer.status.note)
        elif self._features is None and isinstance(data, Sounds):
            self._features = judging.extractor("auto", data, note=observer.status.note)
        with evaluating(training.state.nets.averaged):
            model = live_model(training, self._record)
            if isinstance(data, Lines):
                before = self._previous if isinstance(self._previous, TextJudgement) else None
                text, self._reader = judging_text.judge_training_text(model, data, EVALUATED, self._reader, before)
                return text
            assert self._features is not None
            known = self._previous if isinstance(self._previous, Judgement) else None
            if isinstance(data, Clips):
                return judging_clips.judge_training_clips(model, data, self._features, CLIPS_EVALUATED, known)
            return judging.judge_training(model, data, self._features, EVALUATED, known, found)

    def note(self, event: str, message: str) -> None:
        """Nothing to tell."""
