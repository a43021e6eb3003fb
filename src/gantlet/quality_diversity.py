"""`gantlet curve`: quality against diversity of models of text over temperatures, beside real held-out lines.

Lowering the temperature raises the BLEU of any language model and lowers its diversity, so that one point says nothing
about a model: curves do (Caccia et al. 2020, "Language GANs Falling Short", arXiv 1811.02549).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gantlet.applying.sentences import sampled
from gantlet.errors import UserError, suggest
from gantlet.judging_text import held, open_like, reader_of, test_lines
from gantlet.media.image import replace, write_image
from gantlet.metrics.text import ORDERS
from gantlet.model import Model, load
from gantlet.report.scatter import Curve, scatter

TEMPERATURES = (0.5, 0.7, 0.85, 1.0, 1.15, 1.3)
QUALITIES = ("bleu", "fed")
BASELINE = "text_mle"


@dataclass(frozen=True)
class QualityDiversity:
    """The numbers of every model at every temperature, those of real lines, and how they were made."""

    points: dict[str, list[dict[str, float]]]
    floor: dict[str, float]
    protocol: dict[str, Any]
    verdicts: tuple[str, ...]
    quality: str  # "bleu4", "fed"
    diversity: str  # "self_bleu4"

    def to_json(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        return {**self.__dict__, "verdicts": list(self.verdicts)}

    def lines(self) -> list[str]:
        """Return a table for people, the verdicts and the protocol."""
        name = max(len(each) for each in [*self.points, "real lines"])
        out = [f"{'':<{name}}  temperature  {self.quality:>8}  {self.diversity:>11}  {'fed':>7}  copied"]
        for run, points in self.points.items():
            for at in points:
                out.append(f"{run:<{name}}  {at['temperature']:>11g}  " + self._cells(at, at["copied_share"]))
        out.append(f"{'real lines':<{name}}  {'':>11}  " + self._cells(self.floor, self.floor.get("copied_share")))
        return [*out, "", *self.verdicts, *(f"{key:<11} {text}" for key, text in self.protocol.items())]

    def _cells(self, at: dict[str, float], copied: float | None) -> str:
        share = "-" if copied is None else f"{copied:.1%}"
        fed = f"{at['fed']:7.4g}" if "fed" in at else f"{'-':>7}"
        return f"{at[self.quality]:>8.4g}  {at[self.diversity]:>11.4f}  {fed}  {share:>6}"


def curve(
    runs: Sequence[str | Path | Model],
    *,
    data: str | Path,
    out: str | Path,
    num: int = 2000,
    temperatures: Sequence[float] = TEMPERATURES,
    quality: str = "bleu",
    order: int = 4,
    seed: int = 0,
    checkpoint: str = "auto",
    recipe: str | None = None,
    note: Callable[[str], None] = lambda message: None,
) -> QualityDiversity:
    """Sweep the temperature of every run, draw the curves to `out` (.png) and write all numbers beside it (.json).

    `quality` is "bleu" or "fed" of `num` samples, diversity Self-BLEU of `order`.

    Raises UserError for runs that are no generators of text, unlike each other, or options that cannot be.
    """
    target = Path(out)
    if target.suffix.lower() != ".png":
        raise UserError(f"--out must end in .png, not '{target.name}'.")
    if quality not in QUALITIES:
        raise UserError(f"--quality is bleu or fed, not '{quality}'.{suggest(quality, QUALITIES)}")
    if order not in ORDERS:
        raise UserError(f"--order is 2 to 5, not {order}.")
    if num < 10 or not temperatures or min(temperatures) < 0:
        raise UserError("A curve needs at least 10 samples a point and temperatures of 0 or above.")
    models = opened(runs, checkpoint, recipe)
    first = next(iter(models.values()))
    training = open_like(first, data)
    real = held(training, test_lines(training, data, first), num)
    count = min(num, len(real.theirs))
    reader = reader_of(real)
    floor = reader.numbers(real.floor.texts(real.theirs), real=True)
    if real.untouched:
        texts = real.reference.texts(real.ours)
        floor["copied_share"] = float(np.mean([text in reader.training for text in texts]))
    points: dict[str, list[dict[str, float]]] = {}
    for name, model in models.items():
        points[name] = []
        for temperature in sorted(temperatures):
            lines = sampled(model, count, seed=seed, temperature=temperature, batch_size=1024)
            points[name].append({"temperature": temperature, **reader.numbers(lines)})
            note(f"{name} at temperature {temperature:g}: done")
    protocol = {
        "samples": f"{count:,} a point, seed {seed}", "reference": real.rule, "real lines": real.floor_rule,
        **reader.protocol(),
    }  # fmt: skip
    key, spread = (f"bleu{order}" if quality == "bleu" else "fed"), f"self_bleu{order}"
    found = QualityDiversity(points, floor, protocol, verdicts(points, key, spread, models), key, spread)
    write_image(target, drawn(found, training.name))
    text = json.dumps(found.to_json(), indent=1, ensure_ascii=False).encode()
    replace(target.with_suffix(".json"), lambda file: file.write(text))
    return found


def opened(runs: Sequence[str | Path | Model], checkpoint: str, recipe: str | None) -> dict[str, Model]:
    """Return the models by the name they bear in the picture; raises UserError as `curve` does."""
    models: dict[str, Model] = {}
    for run in runs:
        model = run if isinstance(run, Model) else load(run, checkpoint=checkpoint, recipe=recipe)
        where = str(model.about["recipe"]) if isinstance(run, Model) else str(run)
        if model.vocabulary is None or model.recipe.sample is None:
            raise UserError(f"{where} writes no text: a curve is of recipes such as text_mle and relgan.")
        name = f"{model.about['recipe']} ({Path(where).name})" if where != model.about["recipe"] else where
        while name in models:
            name += "'"
        models[name] = model
    if not models:
        raise UserError("A curve needs at least one run.")
    if len({bool(model.about["data"]["windows"]) for model in models.values()}) > 1:
        raise UserError("Some of these runs write lines and some windows of one long text: draw a curve of each kind.")
    return models


def verdicts(
    points: dict[str, list[dict[str, float]]], quality: str, diversity: str, models: dict[str, Model]
) -> tuple[str, ...]:
    """Return a sentence on each model against maximum likelihood at equal diversity, where their curves overlap."""
    bases = [name for name, model in models.items() if model.about["recipe"] == BASELINE]
    if not bases:
        return (f"No run of {BASELINE} among these: without it a curve says little.",)
    base, out = bases[0], []
    for name in models:
        if name == base:
            continue
        gap = gap_at_equal_diversity(points[name], points[base], quality, diversity)
        if gap is None:
            out.append(f"{name}: nowhere as diverse as {base}, so that the two cannot be compared")
            continue
        difference, low, high = gap
        better = difference > 0 if quality != "fed" else difference < 0
        out.append(
            f"{name}: {quality} {difference:+.4g} against {base} at equal {diversity} ({low:.3f} to {high:.3f}), "
            f"{'better' if better else 'no better'} than maximum likelihood; one sample set, so small gaps are noise"
        )
    return tuple(out)


def gap_at_equal_diversity(
    ours: Sequence[dict[str, float]], base: Sequence[dict[str, float]], quality: str, diversity: str
) -> tuple[float, float, float] | None:
    """Return (mean difference in quality, from, to) over the diversity both reach, by straight lines between points."""
    first, second = (sorted((at[diversity], at[quality]) for at in points) for points in (ours, base))
    low, high = max(first[0][0], second[0][0]), min(first[-1][0], second[-1][0])
    if high <= low:
        return None
    at = np.linspace(low, high, 101)
    mine, theirs = (np.interp(at, [x for x, _ in points], [y for _, y in points]) for points in (first, second))
    return float((mine - theirs).mean()), low, high


def drawn(found: QualityDiversity, data: str) -> np.ndarray[Any, Any]:
    """Return the picture: diverse to the left, good at the top."""
    sign = -1.0 if found.quality == "fed" else 1.0
    curves = [
        Curve(name, [(at[found.diversity], sign * at[found.quality], f"{at['temperature']:g}") for at in points])
        for name, points in found.points.items()
    ]
    real = (found.floor[found.diversity], sign * found.floor[found.quality], "real")
    title = f"Quality and diversity on {data}: beyond another curve to the top left is better"
    name = found.quality.upper().replace("BLEU", "BLEU-") if sign > 0 else "minus FED x1000"
    note = f"points: temperature; {found.protocol['samples']}; reference {found.protocol['reference']}"
    spread = f"Self-BLEU-{found.diversity[-1]} (lower is more diverse)"
    return scatter(
        [*curves, Curve("real lines", [real], cross=True)], title, spread, f"{name} (higher is better)", note
    )
