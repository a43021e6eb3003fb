"""Pacing: how many samples a run's budget holds on this machine, for the quick options that follow it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from gantlet import record as records
from gantlet.engine import loop, parallel
from gantlet.engine.run import Run
from gantlet.recipe import Recipe
from gantlet.recipes import catalogue
from gantlet.recipes.pacing import Pacing

# Of a budget in seconds, for each speed that is measured (two where there are two stages); its bounds; not tuned.
SHARE, LEAST, MOST = 0.02, 0.3, 10.0
SETTLING = 3  # first steps of a measurement that are not counted: memory and kernels are got ready in them
ENDLESS = 10**12  # samples: a first stage that does not end while its speed is measured

Speed = Callable[[Mapping[str, Any], float], float]  # (options, seconds of measuring) -> samples a second


class Session(Protocol):
    """What measuring needs of a call of `train`."""

    recipe: Recipe
    options: Run
    record: records.Record
    feed: loop.Rows


def find_pace(
    name: str, options: Mapping[str, Any], run: Run, quiet: bool, session: Callable[[Run, Mapping[str, Any]], Session]
) -> dict[str, int]:
    """Return the options of a new quick run that its budget decides; a run that is resumed keeps its own.

    `session` resolves a run of this recipe with these options. Raises UserError if the run's folder cannot be made.
    """
    pacing = catalogue.pacing(name)
    parallel.start(run.device)
    if not pacing.options or parallel.by_first(lambda: records.read(run.out) is not None):
        return {}
    parallel.by_first(lambda: records.make_folder(run.out))

    def speed(own: Mapping[str, Any], seconds: float) -> float:
        with TemporaryDirectory(prefix="gantlet-pace-") as folder:
            brief = replace(run, out=Path(folder), seconds=seconds, samples=None, steps=None, save_every=1e9)
            return measure(session(brief, {**options, **own}))

    def tell(words: str) -> None:
        if not quiet and parallel.rank() == 0:
            print(words, file=sys.stderr)

    if run.seconds is not None and not all(option in options for option in pacing.options):
        tell(f"Measuring how many samples {run.seconds:g} s hold on this machine.")
    resolved = session(run, options)
    typed = {option: resolved.record.arguments[option] for option in pacing.options if option in options}
    mine = paced(pacing, typed, run, run.batch_size or resolved.recipe.batch_size, speed)
    pace: dict[str, int] = parallel.by_first(lambda: mine)
    if pace:
        told = ", ".join(f"--{option.replace('_', '-')} {samples:,}" for option, samples in pace.items())
        tell(f"Paced for this budget: {told} samples.")
    return pace


def measure(session: Session) -> float:
    """Train until the budget is used up and return the samples a second; nothing looks on and nothing is kept."""
    meter = Speedometer()
    training = loop.prepare(session.recipe, session.options, session.record.model(), lambda message: None)
    loop.train(training, session.feed, [meter])
    return meter.rate()


def paced(pacing: Pacing, typed: Mapping[str, int | None], run: Run, batch_size: int, speed: Speed) -> dict[str, int]:
    """Return the options in samples that a run's budget decides; those that somebody `typed` stay, and are left out.

    A budget of samples or steps is divided as it stands; one of seconds by the speeds that `speed` measures, of both
    stages where a recipe has two. Where there are several budgets the one that ends the run first decides.
    """
    asked = [name for name in pacing.options if name not in typed]
    counts = [*([run.samples] if run.samples else []), *([run.steps * batch_size] if run.steps else [])]
    candidates = [(pacing.share * count, float(count)) for count in counts]
    if run.seconds is not None and asked:
        candidates.append(by_time(pacing, typed, run.seconds, speed))
    if not candidates:
        return {}
    stage, end = min(candidates, key=lambda pair: pair[1])
    return {name: max(round(stage if name == pacing.stage else end), 1) for name in asked}


def by_time(pacing: Pacing, typed: Mapping[str, int | None], seconds: float, speed: Speed) -> tuple[float, float]:
    """Return the samples of the first stage and of the whole that `seconds` hold; a typed first stage stays."""
    brief = min(max(SHARE * seconds, LEAST), MOST)
    if pacing.stage is None:
        return 0.0, seconds * speed({}, brief)
    fast, slow = speed({pacing.stage: ENDLESS}, brief), speed({pacing.stage: 0}, brief)
    first = pacing.share * seconds * fast
    if pacing.stage in typed:
        first = min(float(typed[pacing.stage] or 0), seconds * fast)
    return first, first + max(seconds - first / max(fast, 1e-9), 0.0) * slow


class Speedometer:
    """A hook that measures samples a second, without the first steps."""

    def __init__(self) -> None:
        self._marks = [(0.0, 0)]

    def after_step(self, training: loop.Training) -> None:
        self._marks.append((training.counters.seconds, training.counters.samples))

    def note(self, event: str, message: str) -> None:
        """Nothing to tell."""

    def rate(self) -> float:
        """Return the samples a second, 0 before the first step."""
        began, ended = self._marks[min(SETTLING, (len(self._marks) - 1) // 2)], self._marks[-1]
        return (ended[1] - began[1]) / max(ended[0] - began[0], 1e-9)
