"""Care: a run that acts on its signs of trouble, one change at a time, and writes down what it did.

Only recipes with `treatments` are cared for. Looks are at fixed steps and read that step alone, what was seen lies in
the state: a resumed run decides as the uninterrupted one does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gantlet.engine.health import vanishing_or_exploding
from gantlet.recipe import Recipe, Treatment

EVERY = 48  # steps between looks; a multiple of those of `holdout`
PATIENCE = 6  # looks in a row at which a sign must show
SAVE_EVERY = 20  # healthy looks between checkpoints to go back to
GRADIENT = "vanishing_or_exploding"  # the name of the signs that every recipe has


class Unhealthy(Exception):
    """A sign of trouble that has lasted: its name, and what it says."""

    def __init__(self, sign: str, message: str) -> None:
        super().__init__(message)
        self.sign = sign


@dataclass
class Chart:
    """What care knows of a run: looks in a row that showed each sign, the last healthy step, what was given."""

    seen: dict[str, int] = field(default_factory=dict)
    healthy: int = 0
    given: list[tuple[int, str]] = field(default_factory=list)  # (step, sign)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Chart:
        given = [(int(step), str(sign)) for step, sign in stored.get("given", ())]
        return cls(dict(stored.get("seen", {})), int(stored.get("healthy", 0)), given)


def due(recipe: Recipe, step: int) -> bool:
    """Tell whether the step just finished is one to look at; never without treatments."""
    return bool(recipe.treatments) and (step - 1) % EVERY == 0


def signs_of(recipe: Recipe, statistics: Mapping[str, float]) -> dict[str, str]:
    """Return the signs that statistics show, by name, of those there is a treatment for."""
    found = {getattr(sign, "__name__", str(sign)): sign(statistics) for sign in recipe.signs}
    found[GRADIENT] = next(iter(vanishing_or_exploding(statistics)), None)
    return {name: message for name, message in found.items() if message is not None and name in recipe.treatments}


def look(chart: Chart, recipe: Recipe, step: int, statistics: Mapping[str, float], save: Callable[[], None]) -> None:
    """Take note of one step's statistics; a healthy one is saved now and then.

    Raises Unhealthy when a sign has shown `PATIENCE` times in a row and there is a treatment left.
    """
    found = signs_of(recipe, statistics)
    chart.seen = {name: chart.seen.get(name, 0) + 1 for name in found}
    if not found:
        chart.healthy = step
        if (step - 1) // EVERY % SAVE_EVERY == 0:
            save()
    for name, message in found.items():
        if chart.seen[name] >= PATIENCE and next_treatment(chart, recipe, name) is not None:
            raise Unhealthy(name, message)


def next_treatment(chart: Chart, recipe: Recipe, sign: str) -> Treatment | None:
    """Return what is to be tried next against a sign, None if all was."""
    tried = sum(given == sign for _, given in chart.given)
    treatments = recipe.treatments[sign]
    return treatments[tried] if tried < len(treatments) else None


def given_so_far(chart: Chart, recipe: Recipe) -> Iterator[Treatment]:
    """Yield the treatments that were given, in order."""
    tried: Counter[str] = Counter()
    for _, sign in chart.given:
        yield from recipe.treatments.get(sign, ())[tried[sign] : tried[sign] + 1]
        tried[sign] += 1
